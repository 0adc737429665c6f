//! What the shield would do with a source, stage by stage, and why: the same tables, read in user space.

use std::net::IpAddr;

use serde::Serialize;
use weir_plan::shield::Shield;
use weir_wire::{Config, Mark, Mode, Reason, Stage};

use crate::bans::Shown;
use crate::lists::Origin;

mod rates;

/// What one stage says of a source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// The stage.
    pub stage: &'static str,
    /// `off`, `observe` or `enforce`.
    pub mode: &'static str,
    /// What it finds.
    pub finds: String,
    /// Whether the packet goes no further than this.
    pub decides: bool,
}

/// What becomes of a well-formed packet from a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It passes, whatever it carries.
    Pass,
    /// It is dropped, whatever it carries.
    Drop,
    /// It depends on the packet: its port, and how many there are.
    Depends,
}

/// The answer to `weir shield explain`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// Who was asked about.
    pub source: IpAddr,
    /// What becomes of its packets.
    pub outcome: Outcome,
    /// For what reason they are dropped, if they are.
    pub reason: Option<&'static str>,
    /// What each stage says, up to the one that decides.
    pub steps: Vec<Step>,
}

/// What the tables say of a source.
#[derive(Debug)]
pub(crate) struct Findings<'a> {
    pub(crate) config: &'a Config,
    pub(crate) mark: Mark,
    /// The ban that the kernel holds now, and the line of the ledger about it.
    pub(crate) ban: Option<Shown>,
    pub(crate) origins: Vec<Origin>,
    /// What the source, its network and the ports may send and receive.
    pub(crate) plan: &'a Shield,
}

impl Explanation {
    /// Goes through the stages in the order in which packets meet them.
    pub(crate) fn new(source: IpAddr, found: &Findings<'_>) -> Self {
        let mut told = Self { source, outcome: Outcome::Depends, reason: None, steps: Vec::new() };
        let mode = |stage| found.config.mode(stage);
        told.tell(Stage::Malformed, mode(Stage::Malformed), "depends on the packet".to_owned(), None);
        let allowed = found.mark == Mark::Allow && mode(Stage::Allow) != Mode::Off;
        let words = if allowed {
            format!("allowed{}", written(&found.origins))
        } else {
            "not on an allow list".to_owned()
        };
        told.tell(Stage::Allow, mode(Stage::Allow), words, allowed.then_some(Outcome::Pass));
        told.refuse(Stage::Ban, mode(Stage::Ban), Reason::Banned, found.ban.as_ref().map(banned));
        let denied = (found.mark == Mark::Deny).then(|| format!("denied{}", written(&found.origins)));
        told.refuse(Stage::Deny, mode(Stage::Deny), Reason::DenyList, denied);
        let rates = rates::describe(found.plan, source.is_ipv6());
        for stage in [Stage::Port, Stage::SynGuard, Stage::Limit] {
            let words = match stage {
                Stage::Port => "depends on the port",
                Stage::SynGuard => "depends on the pressure on the port",
                _ => &*rates,
            };
            told.tell(stage, mode(stage), words.to_owned(), None);
        }
        told
    }

    fn refuse(&mut self, stage: Stage, mode: Mode, reason: Reason, found: Option<String>) {
        let decides = found.is_some() && mode == Mode::Enforce;
        let is_open = self.outcome == Outcome::Depends;
        let words = found.unwrap_or_else(|| "nothing".to_owned());
        self.tell(stage, mode, words, decides.then_some(Outcome::Drop));
        if decides && is_open {
            self.reason = Some(reason.as_str());
        }
    }

    /// After the stage that decides, the others are never asked.
    fn tell(&mut self, stage: Stage, mode: Mode, finds: String, outcome: Option<Outcome>) {
        if self.outcome == Outcome::Depends {
            let (stage, mode) = (stage.as_str(), mode.as_str());
            self.steps.push(Step { stage, mode, finds, decides: outcome.is_some() });
            self.outcome = outcome.unwrap_or(Outcome::Depends);
        }
    }
}

fn banned(ban: &Shown) -> String {
    let cause = &ban.entry.cause;
    let rule = if cause.rule.is_empty() { String::new() } else { format!(" ({})", cause.rule) };
    let request = cause.request_id.as_ref().map_or_else(String::new, |id| format!(" by request {id}"));
    format!(
        "banned for {}{rule}{request}, ban {} of this source, until {} s, {} packets dropped",
        cause.reason, ban.entry.nth, ban.entry.until_s, ban.hits
    )
}

fn written(origins: &[Origin]) -> String {
    let Some(first) = origins.first() else { return String::new() };
    let place =
        first.file.as_ref().map_or_else(|| "the configuration".to_owned(), |file| file.display().to_string());
    format!(" by {} on the list `{}` in {place}", first.network, first.list)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bans::{Cause, Entry};

    fn config(mode: Mode) -> Config {
        let mut config = Config::default();
        for stage in Stage::ALL {
            config.set_mode(stage, mode);
        }
        config
    }

    fn ban() -> Shown {
        let entry = Entry { cause: Cause::by_hand("noise"), since_s: 1, until_s: 61, nth: 2 };
        Shown { source: [192, 0, 2, 1].into(), bits: 32, entry, hits: 7 }
    }

    #[test]
    fn the_first_stage_that_decides_ends_the_way() {
        let check = |mode: Mode,
                     mark: Mark,
                     is_banned: bool,
                     outcome: Outcome,
                     reason: Option<&str>,
                     steps: usize| {
            let found = Findings {
                config: &config(mode),
                mark,
                ban: is_banned.then(ban),
                origins: Vec::new(),
                plan: &Shield::default(),
            };
            let told = Explanation::new([192, 0, 2, 1].into(), &found);
            assert_eq!((told.outcome, told.reason, told.steps.len()), (outcome, reason, steps), "{told:?}");
        };
        check(Mode::Enforce, Mark::None, false, Outcome::Depends, None, 7);
        check(Mode::Enforce, Mark::Allow, true, Outcome::Pass, None, 2);
        check(Mode::Enforce, Mark::None, true, Outcome::Drop, Some("banned"), 3);
        check(Mode::Enforce, Mark::Deny, false, Outcome::Drop, Some("deny_list"), 4);
        check(Mode::Enforce, Mark::Deny, true, Outcome::Drop, Some("banned"), 3);
        check(Mode::Observe, Mark::Deny, true, Outcome::Depends, None, 7);
        check(Mode::Off, Mark::Allow, false, Outcome::Depends, None, 7);
    }

    #[test]
    fn the_place_of_the_entry_is_told() {
        let origin =
            Origin { network: "192.0.2.0/24".parse().unwrap(), list: "deny", file: Some("/a/b.txt".into()) };
        let found = Findings {
            config: &config(Mode::Enforce),
            mark: Mark::Deny,
            ban: None,
            origins: vec![origin],
            plan: &Shield::default(),
        };
        let told = Explanation::new([192, 0, 2, 1].into(), &found);
        assert_eq!(told.steps[3].finds, "denied by 192.0.2.0/24 on the list `deny` in /a/b.txt");
    }
}
