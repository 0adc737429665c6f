//! What a request says beside what it wants: in which form, and on which condition.

use super::Appliance;
use aws_lc_rs::digest::{SHA256, digest};
use weir_admin::{Response, Subject, holds};
use weir_proxy::State;

/// The fields of a request that matter for its answer; empty where it has none.
pub(crate) struct Terms<'a> {
    /// The media types it takes.
    pub(crate) accept: &'a str,
    /// The entity tags one of which must be current for the change to be made.
    pub(crate) if_match: &'a str,
}

/// A change was asked for on a condition that does not hold.
#[derive(Debug)]
pub(super) struct Unmet;

impl std::fmt::Display for Unmet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("somebody else was first, or this has no versions: look again, then decide again")
    }
}

impl std::error::Error for Unmet {}

impl Unmet {
    /// The answer to whoever asked.
    pub(super) fn told(&self) -> Response {
        Response::problem(412, "not what you have seen", &self.to_string())
    }
}

impl Appliance {
    /// Whether an `If-Match` holds; none asks for nothing.
    pub(super) fn meets(&self, if_match: &str, subject: Subject) -> Result<(), Unmet> {
        let is_met = if_match.is_empty() || holds(if_match, self.tag(subject).as_deref());
        is_met.then_some(()).ok_or(Unmet)
    }

    /// What tells the configuration in force from others, in short.
    pub(crate) fn config_hash(&self) -> String {
        self.current.hash.get(..16).unwrap_or_default().to_owned()
    }

    /// The entity tag of what a call is about (RFC 9110, section 8.8.3). It changes with each change that an operator can make.
    pub(super) fn tag(&self, subject: Subject) -> Option<String> {
        match subject {
            Subject::Configuration => {
                let trial = if self.trial.is_some() { "-trial" } else { "" };
                let hash = self.config_hash();
                Some(format!("\"{}-{hash}{trial}\"", self.generation))
            }
            Subject::Upstreams => {
                let views = self.shared.board.view(&self.shared.plans.load());
                let targets = views.iter().flat_map(|up| up.targets.iter().map(move |target| (up, target)));
                let wished = targets.map(|(upstream, target)| {
                    let drained = target.state == State::Drained;
                    format!("{}\n{}\n{drained}\n{:?}\n", upstream.name, target.name, target.weight_set)
                });
                let hash = digest(&SHA256, wished.collect::<String>().as_bytes());
                let hex: String = hash.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
                Some(format!("\"{hex}\""))
            }
            Subject::Other => None,
        }
    }
}
