//! The running appliance as the control thread holds it: it answers the admin interface and takes new plans.

mod look;
mod take;

pub(crate) use take::Trial;

use crate::census;
use crate::crew::{Crew, Shared};
use crate::generations::Generations;
use crate::guard::Guard;
use crate::load::Loaded;
use crate::logbook::Logbook;
use crate::lookout::Lookout;
use anyhow::Result;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};
use weir_admin::{Call, Response};
use weir_meter::{Block, Format, Page, names};
use weir_plan::Plan;
use weir_wire::Reason;

/// Everything that runs.
pub(crate) struct Appliance {
    pub(crate) file: PathBuf,
    pub(crate) shared: Shared,
    pub(crate) crew: Crew,
    pub(crate) guard: Guard,
    pub(crate) logbook: Logbook,
    pub(crate) lookout: Lookout,
    pub(crate) generation: u64,
    /// The configuration in force.
    pub(crate) current: Loaded,
    /// It waits to be confirmed.
    pub(crate) trial: Option<Trial>,
    /// Those that were in force.
    pub(crate) store: Generations,
    /// Plans that workers may still hold.
    pub(crate) retired: Vec<Arc<Plan>>,
    /// Whether the newest reload was taken, and how many were not.
    pub(crate) reloads: Reloads,
    pub(crate) draining: bool,
    pub(crate) started: SystemTime,
}

/// How reloads went.
#[derive(Debug)]
pub(crate) struct Reloads {
    taken: u64,
    refused: u64,
    last_taken: bool,
}

impl Default for Reloads {
    fn default() -> Self {
        Self { taken: 0, refused: 0, last_taken: true }
    }
}

impl Appliance {
    /// Does what was asked for.
    pub(crate) fn answer(&mut self, call: Call, accept: &str) -> Response {
        let outcome = match call {
            Call::Health => return Response::text("text/plain; charset=utf-8", String::from("ok\n")),
            Call::Ready => return self.ready(),
            Call::Metrics => return self.metrics(Format::of(accept)),
            Call::Status => return Response::json(&self.status()),
            Call::Reload(order) => return said(self.reload(&order), "the running configuration is kept"),
            Call::Diff(files) => return said(self.diff(files), "there is nothing to compare with"),
            Call::Confirm => return said(self.confirm(), "nothing has changed"),
            Call::Generations => return Response::json(&self.generations()),
            Call::Rollback(number) => {
                return said(self.rollback(number), "the running configuration is kept");
            }
            Call::Upstreams => return Response::json(&self.upstreams()),
            Call::Steer(steer) => return said(self.steer(&steer), "nothing has changed"),
            Call::Certificates => return Response::json(&self.certificates()),
            Call::Shield => self.guard.status(),
            Call::Bans => self.guard.bans(),
            Call::Ban { address, seconds, reason } => self.guard.ban(address, seconds, &reason),
            Call::Unban(address) => self.guard.unban(address),
            Call::Explain(address) => self.guard.explain(address),
        };
        match outcome {
            Ok(value) => Response::json(&value),
            Err(error) => {
                let said = error.complaint();
                Response::problem(409, &said.what, &format!("{}; {}", said.why, said.mend))
            }
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
        for (helm, question) in self.crew.take_questions() {
            let weir_policy::Call::Keys(verifier) = &question.call;
            let answer = move || {
                // A worker that takes no jobs any more has no exchange that waits.
                let _taken = helm.answered(question.ticket);
            };
            self.lookout.keyring.ask(verifier, Box::new(answer));
        }
    }

    fn ready(&self) -> Response {
        if self.draining {
            return Response::problem(503, "draining", "this process is about to end");
        }
        Response::text("text/plain; charset=utf-8", String::from("ready\n"))
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

    fn metrics(&mut self, format: Format) -> Response {
        let mut page = Page::new(format);
        page.family(&names::BUILD);
        page.sample(&names::BUILD, &[("version", env!("CARGO_PKG_VERSION"))], 1);
        page.single(&names::STARTED, seconds(self.started));
        page.single(&names::WORKERS, self.crew.len());
        page.single(&names::GENERATION, self.generation);
        page.family(&names::RELOADS);
        page.sample(&names::RELOADS, &[("result", "ok")], self.reloads.taken);
        page.sample(&names::RELOADS, &[("result", "refused")], self.reloads.refused);
        page.single(&names::LAST_RELOAD, u8::from(self.reloads.last_taken));
        census::process(&mut page);
        census::reactors(&mut page, self.crew.counters());
        census::certificates(&mut page, &self.shared.plans.load());
        let blocks: Vec<&Block> = self.crew.blocks.iter().map(Arc::as_ref).collect();
        let directory = self.shared.directory.lock().unwrap_or_else(PoisonError::into_inner);
        weir_meter::blocks(&mut page, &blocks, &directory, |number| Reason::find(number).map(Reason::as_str));
        drop(directory);
        self.logbook.metrics(&mut page);
        self.lookout.metrics(&self.shared.plans.load(), &mut page);
        self.guard.metrics(&mut page);
        Response::text(format.media_type(), page.finish())
    }
}

/// The answer to a wish about a configuration.
fn said(outcome: Result<Value>, refusal: &str) -> Response {
    match outcome {
        Ok(value) => Response::json(&value),
        Err(error) => Response::problem(422, refusal, &format!("{error:#}")),
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
