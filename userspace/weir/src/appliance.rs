//! The running appliance as the control thread holds it: it answers the admin interface and takes new plans.

mod ask;
mod look;
mod ready;
mod rehearse;
mod renew;
mod scrape;
mod take;
mod terms;
mod turn;

pub(crate) use renew::Renewals;
pub(crate) use take::{Trial, expire, renew_shield};
pub(crate) use terms::Terms;
pub(crate) use turn::reload_by_signal;

use crate::crew::{Crew, Shared};
use crate::doors::Doors;
use crate::generations::Generations;
use crate::guard::Guard;
use crate::load::Loaded;
use crate::logbook::Logbook;
use crate::lookout::Lookout;
use anyhow::Result;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use terms::Unmet;
use weir_admin::{Call, Response};
use weir_control::{Standby, Turns};
use weir_meter::Format;
use weir_plan::Plan;
use weir_proxy::Mishap;

/// Everything that runs.
pub(crate) struct Appliance {
    pub(crate) file: PathBuf,
    pub(crate) shared: Shared,
    pub(crate) crew: Crew,
    pub(crate) guard: Guard,
    pub(crate) logbook: Logbook,
    /// Spans of traces, and who collects them.
    pub(crate) spans: Logbook,
    pub(crate) lookout: Lookout,
    /// Where all this is asked and told.
    pub(crate) doors: Doors,
    /// Whoever changes the configuration waits for a turn.
    pub(crate) turns: Rc<Turns>,
    pub(crate) generation: u64,
    /// The configuration in force.
    pub(crate) current: Loaded,
    /// It waits to be confirmed.
    pub(crate) trial: Option<Trial>,
    /// Those that were in force.
    pub(crate) store: Generations,
    /// Plans that workers may still hold, the oldest first.
    pub(crate) retired: Vec<Retired>,
    /// Whether the newest reload was taken, and how many were not.
    pub(crate) reloads: Reloads,
    /// Certificates that were replaced meanwhile.
    pub(crate) renewals: Renewals,
    pub(crate) draining: bool,
    /// Who writes pages for scrapers.
    pub(crate) scribe: Rc<Standby>,
    pub(crate) started: SystemTime,
}

/// A plan that was in force.
pub(crate) struct Retired {
    plan: Arc<Plan>,
    /// Workers were told to come to an end with it.
    is_over: bool,
}

/// How reloads went.
#[derive(Debug)]
pub(crate) struct Reloads {
    taken: u64,
    refused: u64,
    last_taken: bool,
    /// One that a signal asked for waits for its turn, and will see the files as they are then.
    signalled: bool,
}

impl Default for Reloads {
    fn default() -> Self {
        Self { taken: 0, refused: 0, last_taken: true, signalled: false }
    }
}

/// Does what was asked for, if its condition holds. What takes long is done aside, and everything else goes on meanwhile. The
/// answer tells the tag for the next change.
pub(crate) async fn answer(appliance: &RefCell<Appliance>, terms: &Terms<'_>, call: Call) -> Response {
    let subject = call.subject();
    let answer = match call {
        Call::Reload(order) => {
            said(turn::reload(appliance, order, terms.if_match).await, "the running configuration is kept")
        }
        Call::Diff(files) => said(turn::diff(appliance, files).await, "there is nothing to compare with"),
        Call::Rollback(number) => {
            said(turn::rollback(appliance, number, terms.if_match).await, "the running configuration is kept")
        }
        Call::Rehearse(change) => rehearse::rehearse(appliance, *change).await,
        Call::Metrics => scrape::page(appliance, Format::of(terms.accept)).await,
        Call::Bans(page) if appliance.borrow().meets(terms.if_match, subject).is_ok() => {
            ask::bans(appliance, page).await
        }
        Call::Explain(address) if appliance.borrow().meets(terms.if_match, subject).is_ok() => {
            ask::explain(appliance, address).await
        }
        quick => {
            let mut appliance = appliance.borrow_mut();
            match appliance.meets(terms.if_match, subject) {
                Ok(()) => appliance.answer(&quick),
                Err(unmet) => unmet.told(),
            }
        }
    };
    match appliance.borrow().tag(subject) {
        Some(tag) => answer.with("etag", &tag),
        None => answer,
    }
}

/// What the shield says, or why it says nothing.
fn of_shield(outcome: Result<Value, weir_kernel::Error>) -> Response {
    match outcome {
        Ok(value) => Response::json(&value),
        Err(error) => {
            let said = error.complaint();
            Response::problem(409, &said.what, &format!("{}; {}", said.why, said.mend))
        }
    }
}

impl Appliance {
    /// Does what is done at once.
    fn answer(&mut self, call: &Call) -> Response {
        match call {
            Call::Health => Response::text("text/plain; charset=utf-8", String::from("ok\n")),
            Call::Ready => self.ready(),
            Call::Status => Response::json(&self.status()),
            Call::Confirm => said(self.confirm(), "nothing has changed"),
            Call::Generations(page) => Response::json(&self.generations(page)),
            Call::Upstreams(page) => Response::json(&self.upstreams(page)),
            Call::Steer(steer) => said(self.steer(steer), "nothing has changed"),
            Call::Certificates(page) => Response::json(&self.certificates(page)),
            of_shield => self.answer_about_shield(of_shield),
        }
    }

    fn answer_about_shield(&mut self, call: &Call) -> Response {
        let outcome = match call {
            Call::Ban { address, seconds, reason } => self.guard.ban(*address, *seconds, reason),
            Call::Unban(address) => self.guard.unban(*address),
            _ => self.guard.status(),
        };
        of_shield(outcome)
    }

    /// Tells the shield whom the names of upstreams stand for, if that has changed.
    pub(crate) fn learn_names(&mut self) {
        if let Some(addresses) = self.lookout.names.news() {
            self.guard.named(&addresses, &self.current.plan);
        }
    }

    /// Does what workers ask for: bans are carried out, exchanges that wait for an answer go on.
    pub(crate) fn serve_workers(&mut self) {
        for ban in self.crew.take_bans() {
            self.guard.obey(&ban);
        }
        if let Some(barred) = self.guard.news_of_bans() {
            self.shared.crowd.bar(barred);
            self.crew.expel();
        }
        self.crew.take_mishaps().for_each(tell);
        for (helm, question) in self.crew.take_questions() {
            let weir_policy::Call::Keys(verifier) = &question.call;
            let answer = move || {
                // A worker that takes no jobs any more has no exchange that waits.
                let _taken = helm.answered(question.ticket);
            };
            self.lookout.keyring.ask(verifier, Box::new(answer));
        }
    }

    fn status(&self) -> Value {
        let plan = self.shared.plans.load();
        let listeners = plan
            .listeners
            .iter()
            .flat_map(|listener| listener.binds.iter().map(|bind| format!("{} {bind}", listener.name)));
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "state": if self.draining { "draining" } else { "serving" },
            "config": self.file,
            "generation": self.generation,
            "config_hash": self.current.hash,
            "trial": self.trial_told(),
            "reloading": self.turns.try_take().is_none(),
            "serving_generation": self.crew.adopted(),
            "reloads": { "taken": self.reloads.taken, "refused": self.reloads.refused },
            "started_unix_s": seconds(self.started),
            "workers": self.crew.len(),
            "listeners": listeners.collect::<Vec<_>>(),
            "routes": plan.router.rules().len(),
            "upstreams": plan.upstreams.len(),
            "issuers": self.lookout.issuers(),
            "shield": self.guard.summary(),
        })
    }
}

/// Tells of a handshake that came to nothing. Whoever only connects and goes again is of no interest.
fn tell(mishap: Mishap) {
    let Mishap { peer, server_name, why, said, untold } = mishap;
    let (server_name, why) = (server_name.as_deref().unwrap_or("-"), why.as_str());
    match why {
        "gone" => tracing::debug!(%peer, server_name, why, untold, "a TLS handshake failed: {said}"),
        _ => tracing::info!(%peer, server_name, why, untold, "a TLS handshake failed: {said}"),
    }
}

/// The answer to a wish about a configuration.
fn said(outcome: Result<Value>, refusal: &str) -> Response {
    match outcome {
        Ok(value) => Response::json(&value),
        Err(error) => match error.downcast_ref::<Unmet>() {
            Some(unmet) => unmet.told(),
            None => Response::problem(422, refusal, &format!("{error:#}")),
        },
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
