//! Whoever changes the configuration: one after the other. Reading and compiling is done aside, so that doors, checks, keys,
//! bans and the watchdog do not wait for it.

use super::Appliance;
use super::take::{self, Earlier};
use crate::load::{hash, load};
use crate::{change, files, lockout};
use anyhow::{Context, Result};
use serde_json::Value;
use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::sync::{Arc, PoisonError};
use weir_admin::{File, Order, Subject};
use weir_control::{aside, notify, spawn};
use weir_plan::Plan;
use weir_reactor::give_way;
use weir_schema::{Source, Sources};

/// Takes a configuration: all of it or nothing. The condition is looked at when it is this one's turn.
pub(super) async fn reload(appliance: &RefCell<Appliance>, order: Order, if_match: &str) -> Result<Value> {
    let turns = Rc::clone(&appliance.borrow().turns);
    let _turn = turns.take().await;
    appliance.borrow().meets(if_match, Subject::Configuration)?;
    appliance.borrow_mut().reloads.signalled = false;
    notify::reloading();
    let outcome = obey(appliance, order).await;
    noted(appliance, outcome)
}

/// Counts how it went, and tells the service manager that whatever holds now is served.
fn noted(appliance: &RefCell<Appliance>, outcome: Result<Value>) -> Result<Value> {
    let outcome = appliance.borrow_mut().note(outcome);
    let appliance = appliance.borrow();
    if !appliance.draining {
        let refused = if outcome.is_err() { "; the last wish for another was refused" } else { "" };
        notify::ready(&format!("serving by generation {}{refused}", appliance.generation));
    }
    outcome
}

async fn obey(appliance: &RefCell<Appliance>, order: Order) -> Result<Value> {
    appliance.borrow().may_take()?;
    let Order { files, confirm_s, force, operator, once } = order;
    if once && appliance.borrow().trial.is_none() {
        let file = appliance.borrow().file.clone();
        let asked = hash(&sources(&file, files.clone())?);
        if asked == appliance.borrow().current.hash {
            return Ok(take::taken(&appliance.borrow(), ""));
        }
    }
    let directory = Arc::clone(&appliance.borrow().shared.directory);
    let loaded = compiled(appliance, move |file, before| {
        let loaded = load(sources(file, files)?, Some(before))?;
        loaded.plan.seat(&mut directory.lock().unwrap_or_else(PoisonError::into_inner));
        if !force {
            lockout::check(&loaded.plan, operator)?;
        }
        Ok(loaded)
    });
    let loaded = loaded.await?;
    take::obey(appliance, loaded, confirm_s).await
}

/// The same for a signal, whose sender waits for nothing. Signals that come while one waits for its turn are that one.
pub(crate) fn reload_by_signal(appliance: &Rc<RefCell<Appliance>>) {
    if std::mem::replace(&mut appliance.borrow_mut().reloads.signalled, true) {
        return;
    }
    let appliance = Rc::clone(appliance);
    spawn(async move { drop(reload(&appliance, Order::default(), "").await) });
}

/// Says what would change with the files as they are now, or with others in their place.
pub(super) async fn diff(appliance: &RefCell<Appliance>, files: Option<Vec<File>>) -> Result<Value> {
    let turns = Rc::clone(&appliance.borrow().turns);
    let _turn = turns.take().await;
    differs(appliance, move |file| sources(file, files)).await
}

/// Says what going back would change.
pub(super) async fn diff_back(appliance: &RefCell<Appliance>, number: Option<u64>) -> Result<Value> {
    let turns = Rc::clone(&appliance.borrow().turns);
    let _turn = turns.take().await;
    let (_, earlier) = appliance.borrow().find_earlier(number)?;
    let texts = match earlier {
        Earlier::Loaded(loaded) => Sources::clone(&loaded.sources),
        Earlier::Kept(sources) => sources,
    };
    differs(appliance, move |_| Ok(texts)).await
}

async fn differs(
    appliance: &RefCell<Appliance>,
    texts: impl FnOnce(&Path) -> Result<Sources> + Send + 'static,
) -> Result<Value> {
    let told = compiled(appliance, move |file, before| {
        let next = load(texts(file)?, Some(before))?;
        Ok((change::told(&weir_plan::diff::diff(before, &next.plan)), next.warnings))
    });
    let (mut told, warnings) = told.await?;
    if let Some(fields) = told.as_object_mut() {
        fields.insert(String::from("generation"), appliance.borrow().generation.into());
        fields.insert(String::from("warnings"), warnings.into());
    }
    Ok(told)
}

/// Goes back to a generation; without a number, to the one before.
pub(super) async fn rollback(
    appliance: &RefCell<Appliance>,
    number: Option<u64>,
    if_match: &str,
) -> Result<Value> {
    let turns = Rc::clone(&appliance.borrow().turns);
    let _turn = turns.take().await;
    appliance.borrow().meets(if_match, Subject::Configuration)?;
    notify::reloading();
    let outcome = async {
        let (number, earlier) = appliance.borrow().find_earlier(number)?;
        let earlier = match earlier {
            Earlier::Loaded(loaded) => *loaded,
            Earlier::Kept(sources) => {
                compiled(appliance, move |_, before| load(sources, Some(before))).await?
            }
        };
        take::roll_back(appliance, number, earlier).await
    };
    let outcome: Result<Value> = outcome.await;
    noted(appliance, outcome)
}

/// What comes of work that knows the file and the plan in force, done aside.
async fn compiled<T: Send + 'static>(
    appliance: &RefCell<Appliance>,
    work: impl FnOnce(&Path, &Plan) -> Result<T> + Send + 'static,
) -> Result<T> {
    let (file, before) = {
        let appliance = appliance.borrow();
        (appliance.file.clone(), Arc::clone(&appliance.current.plan))
    };
    let done = aside(move || {
        give_way();
        work(&file, &before)
    });
    let done = done.await;
    done.context("the configuration could not be read and compiled")?
}

fn sources(file: &Path, files: Option<Vec<File>>) -> Result<Sources> {
    let source = |file: File| Source::new(file.name, file.text);
    match files {
        Some(files) => Ok(Sources::new(files.into_iter().map(source).collect())),
        None => files::sources(file),
    }
}
