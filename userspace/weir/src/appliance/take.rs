//! Taking a configuration that is compiled: for good, on trial, and going back.

use super::{Appliance, Retired};
use crate::crew::Recruits;
use crate::generations::Entry;
use crate::guard::Errand;
use crate::load::{Loaded, hash};
use crate::{descriptors, doors, files, logbook, voice};
use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use weir_admin::Page;
use weir_control::{aside, notify, spawn};
use weir_plan::Plan;
use weir_plan::listener::Bind;
use weir_proxy::Socket;
use weir_reactor::give_way;
use weir_schema::Sources;

/// A configuration in force until somebody confirms it, or its time is over.
pub(crate) struct Trial {
    deadline: Instant,
    back: Loaded,
    number: u64,
}

/// What a configuration needs beside what is open.
struct Opened {
    recruits: Recruits,
    sockets: Vec<Vec<Socket>>,
    log: logbook::Prepared,
    spans: logbook::Prepared,
    doors: doors::Prepared,
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

    /// Opens what a configuration needs beside what is open.
    fn open(&self, loaded: &Loaded) -> Result<Opened> {
        descriptors::raise(&loaded.config)?;
        let before = addresses(&self.current.plan);
        let recruits = self.crew.recruit(&self.shared, &loaded.plan)?;
        let sockets = self.crew.open_beside(&loaded.plan, &before, &recruits)?;
        let workers = self.crew.wanted(&loaded.plan);
        let log = self.logbook.prepare(&loaded.config, workers)?;
        let spans = self.spans.prepare(&loaded.config, workers)?;
        let doors = self.doors.prepare(&loaded.config)?;
        Ok(Opened { recruits, sockets, log, spans, doors })
    }

    /// Swaps, then closes. Nothing can fail any more.
    fn swap(&mut self, loaded: Loaded, opened: Opened) {
        let [before, after] = [&self.current.plan, &loaded.plan].map(|plan| addresses(plan));
        let workers = self.crew.wanted(&loaded.plan);
        self.doors.take(&loaded.config, opened.doors);
        self.lookout.sync(&loaded.plan);
        self.renewals.watch.sync(loaded.seen.iter().cloned());
        self.shared.plans.store(Arc::clone(&loaded.plan));
        self.generation += 1;
        self.crew.enlist(opened.recruits);
        self.logbook.take(opened.log, &self.crew);
        self.spans.take(opened.spans, &self.crew);
        voice::obey(&loaded.config.telemetry.log);
        self.crew.adopt(opened.sockets, self.generation);
        self.crew.dismiss(workers, self.generation);
        self.crew.release(&after);
        for bind in before.iter().filter(|bind| !after.contains(bind)) {
            tracing::info!(%bind, "no longer listened on");
            if let Bind::Unix(path) = bind {
                std::fs::remove_file(path).ok();
            }
        }
        let Loaded { plan, config, sources, seen, .. } = std::mem::replace(&mut self.current, loaded);
        self.retired.push(Retired { plan, is_over: false });
        let_go((config, sources, seen));
    }

    /// The configuration in force, as it is kept for going back to it.
    fn entry(&self) -> Entry {
        let unix_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Entry { number: self.generation, unix_s, hash: self.current.hash.clone() }
    }

    fn kept(&mut self, entry: &Entry, written: Result<()>) {
        let most = usize::try_from(self.current.plan.limits.generations_max).unwrap_or(usize::MAX);
        self.store.keep(entry, written, most);
    }

    /// Keeps the configuration in force for going back to it, at once.
    pub(crate) fn remember(&mut self) {
        let entry = self.entry();
        let written = self.store.writing(&entry, Arc::clone(&self.current.sources))();
        self.kept(&entry, written);
    }

    /// Lets plans go that no worker holds any more.
    pub(crate) fn bury(&mut self) {
        self.crew.remind(self.generation);
        self.crew.part();
        let is_gone = |retired: &mut Retired| Arc::strong_count(&retired.plan) == 1;
        let gone: Vec<_> = self.retired.extract_if(.., is_gone).map(|retired| retired.plan).collect();
        if !gone.is_empty() {
            let_go(gone);
        }
        self.end_oldest();
    }

    /// Has workers come to an end with the oldest plans, if there are too many.
    fn end_oldest(&mut self) {
        let most = usize::try_from(self.current.plan.limits.retired_max).unwrap_or(usize::MAX);
        let too_many = self.retired.len().saturating_sub(most);
        for retired in self.retired.iter_mut().take(too_many).filter(|retired| !retired.is_over) {
            retired.is_over = self.crew.end(&retired.plan);
            tracing::warn!(
                "more than {most} earlier configurations are still needed; exchanges under the oldest are cut unless they end"
            );
        }
    }

    /// Keeps what is on trial.
    pub(super) fn confirm(&mut self) -> Result<Value> {
        let Some(_) = self.trial.take() else { bail!("nothing waits to be confirmed") };
        self.store.forget_aside();
        tracing::info!(generation = self.generation, "confirmed");
        Ok(json!({ "generation": self.generation }))
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
    pub(super) fn generations(&self, page: &Page) -> Value {
        let told = |entry: &Entry| {
            json!({
                "generation": entry.number,
                "unix_s": entry.unix_s,
                "hash": entry.hash,
                "is_running": entry.number == self.generation,
            })
        };
        let kept: Vec<Value> = self.store.entries().iter().map(told).collect();
        let newest_first = |entry: &Value| {
            format!("{:020}", u64::MAX - entry.get("generation").and_then(Value::as_u64).unwrap_or(0))
        };
        let (kept, next) = page.cut("/v1/generations", kept, newest_first);
        json!({ "kept": kept, "next": next, "trial": self.trial_told(), "trouble": self.store.trouble })
    }

    pub(super) fn trial_told(&self) -> Value {
        let Some(trial) = &self.trial else { return Value::Null };
        let left = trial.deadline.saturating_duration_since(Instant::now());
        json!({ "back_to": trial.number, "seconds_left": left.as_secs() })
    }
}

/// Takes a configuration that an order has brought; one on trial remembers what was in force before it.
pub(super) async fn obey(
    appliance: &RefCell<Appliance>,
    loaded: Loaded,
    confirm_s: Option<u64>,
) -> Result<Value> {
    let (back, number) = {
        let appliance = appliance.borrow();
        appliance.may_take()?;
        (appliance.current.clone(), appliance.generation)
    };
    let warnings = loaded.warnings.clone();
    take(appliance, loaded).await?;
    let mut appliance = appliance.borrow_mut();
    appliance.store.forget_aside();
    if let Some(seconds) = confirm_s {
        appliance.store.set_aside(&appliance.current.hash, number);
        appliance.trial =
            Some(Trial { deadline: Instant::now() + Duration::from_secs(seconds), back, number });
    }
    Ok(taken(&appliance, &warnings))
}

/// What is in force now.
pub(super) fn taken(appliance: &Appliance, warnings: &str) -> Value {
    json!({
        "generation": appliance.generation,
        "config": appliance.file,
        "socket": appliance.current.config.admin.socket.value.0,
        "trial": appliance.trial_told(),
        "warnings": warnings,
    })
}

/// Opens, then swaps, then closes: a step that fails leaves everything as it was. What is written into the kernel or onto the
/// disk is written aside.
async fn take(appliance: &RefCell<Appliance>, loaded: Loaded) -> Result<()> {
    let errand = appliance.borrow_mut().guard.errand(&loaded.plan)?;
    let errand = beside(move || errand.prepare()).await?;
    let opened = appliance.borrow().open(&loaded)?;
    let done = beside(move || errand.carry_out()).await?;
    let (entry, sources) = {
        let mut appliance = appliance.borrow_mut();
        ensure!(!appliance.draining, "this process is about to end");
        appliance.guard.take(done, &loaded.plan)?;
        appliance.swap(loaded, opened);
        (appliance.entry(), Arc::clone(&appliance.current.sources))
    };
    let writing = appliance.borrow().store.writing(&entry, sources);
    let written = aside(writing).await.map_err(anyhow::Error::from).flatten();
    appliance.borrow_mut().kept(&entry, written);
    Ok(())
}

/// What comes of work that another thread does.
async fn beside<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    aside(work).await.context("the shield could not be told")?
}

/// Goes back if the time of a trial is over. Whoever is about to change the configuration is waited for.
pub(crate) fn expire(appliance: &Rc<RefCell<Appliance>>) {
    let is_over = |trial: &Trial| trial.deadline <= Instant::now();
    if !appliance.borrow().trial.as_ref().is_some_and(is_over) {
        return;
    }
    let appliance = Rc::clone(appliance);
    spawn(async move {
        let turns = Rc::clone(&appliance.borrow().turns);
        let _turn = turns.take().await;
        let Some(trial) = appliance.borrow_mut().trial.take_if(|trial| is_over(trial)) else { return };
        let (refused, number) = (appliance.borrow().generation, trial.number);
        match go_back(&appliance, trial.back.clone()).await {
            Ok(()) => {
                let generation = appliance.borrow().generation;
                notify::ready(&format!("serving by generation {generation}; {refused} was not confirmed"));
                tracing::error!(
                    generation,
                    "generation {refused} was not confirmed in time: generation {number} is in force again"
                );
            }
            Err(error) => {
                tracing::error!("generation {refused} was not confirmed, and going back failed: {error:#}");
                appliance.borrow_mut().trial = Some(Trial { deadline: Instant::now() + AGAIN, ..trial });
            }
        }
    });
}

/// Takes an earlier configuration; as long as the file holds what was in force until now, a restart takes the earlier
/// one as well.
async fn go_back(appliance: &RefCell<Appliance>, earlier: Loaded) -> Result<()> {
    let aside = hash(&files::sources(&appliance.borrow().file).unwrap_or_default());
    take(appliance, earlier).await?;
    let appliance = appliance.borrow();
    appliance.store.set_aside(&aside, appliance.generation);
    Ok(())
}

/// Goes back to what was found.
pub(super) async fn roll_back(appliance: &RefCell<Appliance>, number: u64, earlier: Loaded) -> Result<Value> {
    ensure!(!appliance.borrow().draining, "this process is about to end");
    let warnings = earlier.warnings.clone();
    go_back(appliance, earlier).await?;
    let mut appliance = appliance.borrow_mut();
    appliance.trial = None;
    Ok(json!({
        "generation": appliance.generation,
        "back_to": number,
        "socket": appliance.current.config.admin.socket.value.0,
        "warnings": warnings,
    }))
}

/// Writes the shield's lists anew, aside, if others are to be protected. Whoever is changing the configuration does so anyway.
pub(crate) fn renew_shield(appliance: &Rc<RefCell<Appliance>>) {
    let turns = Rc::clone(&appliance.borrow().turns);
    let Some(_turn) = turns.try_take() else { return };
    let Some(errand) = appliance.borrow_mut().guard.renewal() else { return };
    let appliance = Rc::clone(appliance);
    spawn(async move {
        let turns = Rc::clone(&appliance.borrow().turns);
        let _turn = turns.take().await;
        let outcome = async {
            let done = beside(move || errand.prepare().and_then(Errand::carry_out)).await?;
            let mut appliance = appliance.borrow_mut();
            let plan = Arc::clone(&appliance.current.plan);
            appliance.guard.take(done, &plan)
        };
        if let Err(error) = outcome.await {
            tracing::warn!("whom this machine depends on is not protected: {error:#}");
        }
    });
}

/// Takes apart what was large, on a thread that steps back: it would hold a worker up, and this thread.
fn let_go(gone: impl Send + 'static) {
    let apart = || {
        give_way();
        drop(gone);
    };
    spawn(async move { drop(aside(apart).await) });
}

/// Every address of a plan.
fn addresses(plan: &Plan) -> Vec<Bind> {
    plan.listeners.iter().flat_map(|listener| listener.binds.iter().cloned()).collect()
}
