//! Taking a configuration that is compiled: for good, on trial, and going back.

use super::Appliance;
use crate::generations::Entry;
use crate::load::{Loaded, hash};
use crate::{descriptors, files};
use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use weir_control::{aside, spawn};
use weir_plan::Plan;
use weir_plan::listener::Bind;
use weir_schema::Sources;

/// A configuration in force until somebody confirms it, or its time is over.
pub(crate) struct Trial {
    deadline: Instant,
    back: Loaded,
    number: u64,
}

/// An earlier configuration.
pub(super) enum Earlier {
    /// Nobody has let go of it yet.
    Loaded(Box<Loaded>),
    /// Its texts, to be compiled anew.
    Kept(Sources),
}

/// How long until going back is tried again, should it fail.
const AGAIN: Duration = Duration::from_secs(1);

impl Appliance {
    /// Counts how a wish for another configuration went.
    pub(super) fn note(&mut self, outcome: Result<Value>) -> Result<Value> {
        self.reloads.last_taken = outcome.is_ok();
        match &outcome {
            Ok(_) => {
                self.reloads.taken += 1;
                tracing::info!(generation = self.generation, "the new configuration is in force");
            }
            Err(error) => {
                self.reloads.refused += 1;
                tracing::error!("the running configuration is kept: {error:#}");
            }
        }
        outcome
    }

    /// Whether another configuration may be taken now.
    pub(super) fn may_take(&self) -> Result<()> {
        ensure!(!self.draining, "this process is about to end");
        ensure!(
            self.trial.is_none(),
            "generation {} waits to be confirmed: `weir confirm` keeps it, `weir rollback` ends it",
            self.generation
        );
        Ok(())
    }

    /// Takes a configuration that an order has brought; one on trial remembers what was in force before it.
    pub(super) fn obey(&mut self, loaded: Loaded, confirm_s: Option<u64>) -> Result<Value> {
        self.may_take()?;
        let (back, number) = (self.current.clone(), self.generation);
        let warnings = loaded.warnings.clone();
        self.take(loaded)?;
        self.store.forget_aside();
        if let Some(seconds) = confirm_s {
            self.store.set_aside(&self.current.hash, number);
            self.trial =
                Some(Trial { deadline: Instant::now() + Duration::from_secs(seconds), back, number });
        }
        Ok(json!({
            "generation": self.generation,
            "config": self.file,
            "socket": self.current.config.admin.socket.value.0,
            "trial": self.trial_told(),
            "warnings": warnings,
        }))
    }

    /// Opens, then swaps, then closes: a step that fails leaves everything as it was.
    fn take(&mut self, loaded: Loaded) -> Result<()> {
        descriptors::raise(&loaded.config)?;
        let [before, after] = [&self.current.plan, &loaded.plan].map(|plan| addresses(plan));
        let recruits = self.crew.recruit(&self.shared, &loaded.plan)?;
        let sockets = self.crew.open_beside(&loaded.plan, &before, &recruits)?;
        let workers = self.crew.wanted(&loaded.plan);
        let log = self.logbook.prepare(&loaded.config, workers)?;
        let doors = self.doors.prepare(&loaded.config)?;
        self.guard.sync(&loaded.plan)?;
        self.doors.take(&loaded.config, doors);
        self.lookout.sync(&loaded.plan);
        self.renewals.watch.sync(loaded.seen.iter().cloned());
        self.shared.plans.store(Arc::clone(&loaded.plan));
        self.generation += 1;
        self.crew.enlist(recruits);
        self.logbook.take(log, &self.crew);
        self.crew.adopt(sockets, self.generation);
        self.crew.dismiss(workers, self.generation);
        self.crew.release(&after);
        for bind in before.iter().filter(|bind| !after.contains(bind)) {
            tracing::info!(%bind, "no longer listened on");
            if let Bind::Unix(path) = bind {
                std::fs::remove_file(path).ok();
            }
        }
        let before = std::mem::replace(&mut self.current, loaded);
        self.retired.push(before.plan);
        self.remember();
        Ok(())
    }

    /// Keeps the configuration in force for going back to it.
    pub(crate) fn remember(&mut self) {
        let unix_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let entry = Entry { number: self.generation, unix_s, hash: self.current.hash.clone() };
        let most = usize::try_from(self.current.plan.limits.generations_max).unwrap_or(usize::MAX);
        self.store.keep(&entry, &self.current.sources, most);
    }

    /// Lets plans go that no worker holds any more. Taking a large one apart would hold a worker up, and this thread.
    pub(crate) fn bury(&mut self) {
        self.crew.remind(self.generation);
        self.crew.part();
        let gone: Vec<_> = self.retired.extract_if(.., |plan| Arc::strong_count(plan) == 1).collect();
        if !gone.is_empty() {
            spawn(async move { drop(aside(move || drop(gone)).await) });
        }
    }

    /// Keeps what is on trial.
    pub(super) fn confirm(&mut self) -> Result<Value> {
        let Some(_) = self.trial.take() else { bail!("nothing waits to be confirmed") };
        self.store.forget_aside();
        tracing::info!(generation = self.generation, "confirmed");
        Ok(json!({ "generation": self.generation }))
    }

    /// Goes back if the time of a trial is over. Whoever is about to change the configuration is waited for.
    pub(crate) fn expire(&mut self) {
        let now = Instant::now();
        let turns = Rc::clone(&self.turns);
        let Some(_turn) = turns.try_take() else { return };
        let Some(trial) = self.trial.take_if(|trial| trial.deadline <= now) else { return };
        let (refused, number) = (self.generation, trial.number);
        match self.go_back(trial.back.clone()) {
            Ok(()) => tracing::error!(
                generation = self.generation,
                "generation {refused} was not confirmed in time: generation {number} is in force again"
            ),
            Err(error) => {
                tracing::error!("generation {refused} was not confirmed, and going back failed: {error:#}");
                self.trial = Some(Trial { deadline: now + AGAIN, ..trial });
            }
        }
    }

    /// Takes an earlier configuration; as long as the file holds what was in force until now, a restart takes the earlier
    /// one as well.
    fn go_back(&mut self, earlier: Loaded) -> Result<()> {
        let aside = hash(&files::sources(&self.file).unwrap_or_default());
        self.take(earlier)?;
        self.store.set_aside(&aside, self.generation);
        Ok(())
    }

    /// Goes back to what was found.
    pub(super) fn roll_back(&mut self, number: u64, earlier: Loaded) -> Result<Value> {
        ensure!(!self.draining, "this process is about to end");
        let warnings = earlier.warnings.clone();
        self.go_back(earlier)?;
        self.trial = None;
        Ok(json!({
            "generation": self.generation,
            "back_to": number,
            "socket": self.current.config.admin.socket.value.0,
            "warnings": warnings,
        }))
    }

    /// The generation that is meant by a number, or without one the one before, as it was when it was in force or as its
    /// texts.
    pub(super) fn find_earlier(&self, number: Option<u64>) -> Result<(u64, Earlier)> {
        if let (None, Some(trial)) = (number, &self.trial) {
            return Ok((trial.number, Earlier::Loaded(Box::new(trial.back.clone()))));
        }
        let other = |entry: &&Entry| entry.hash != self.current.hash;
        let before = || self.store.entries().iter().rev().find(other).map(|entry| entry.number);
        let number = number.or_else(before).context("no earlier configuration is kept")?;
        Ok((number, Earlier::Kept(self.store.read(number)?)))
    }

    /// What is kept, the newest first.
    pub(super) fn generations(&self) -> Value {
        let told = |entry: &Entry| {
            json!({
                "generation": entry.number,
                "unix_s": entry.unix_s,
                "hash": entry.hash,
                "is_running": entry.number == self.generation,
            })
        };
        let kept: Vec<Value> = self.store.entries().iter().rev().map(told).collect();
        json!({ "kept": kept, "trial": self.trial_told(), "trouble": self.store.trouble })
    }

    pub(super) fn trial_told(&self) -> Value {
        let Some(trial) = &self.trial else { return Value::Null };
        let left = trial.deadline.saturating_duration_since(Instant::now());
        json!({ "back_to": trial.number, "seconds_left": left.as_secs() })
    }
}

/// Every address of a plan.
fn addresses(plan: &Plan) -> Vec<Bind> {
    plan.listeners.iter().flat_map(|listener| listener.binds.iter().cloned()).collect()
}
