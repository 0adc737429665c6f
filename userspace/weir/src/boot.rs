//! From a configuration to a running appliance, and back down again.

use crate::appliance::{Appliance, Reloads, Renewals, expire, reload_by_signal, renew_shield};
use crate::crew::{Crew, Shared, berths, cpus};
use crate::descriptors;
use crate::doors::Doors;
use crate::failure::{OS, failure};
use crate::files;
use crate::generations::Generations;
use crate::guard::{self, Guard};
use crate::load::{hash, load};
use crate::logbook::{Kind, Logbook};
use crate::lookout::Lookout;
use crate::powers::Powers;
use crate::succession::{Estate, Inheritance, Successor};
use crate::voice;
use anyhow::Result;
use arc_swap::ArcSwap;
use std::cell::RefCell;
use std::path::Path;
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use weir_control::{Signal, Signals, notify};
use weir_proxy::Board;
use weir_schema::{Config, Sources};

/// How often the control thread looks after what runs; a ban that a policy called for waits no longer.
const TICK: Duration = Duration::from_millis(50);
/// After how many ticks the shield is looked after.
const SHIELD_TICKS: u32 = 20;
/// How much longer than the plan's drain timeout the workers are waited for.
const GRACE: Duration = Duration::from_secs(1);

/// Runs the appliance until it is told to end; what must outlive it is kept in the directory `state`. `serving` is called
/// once everything listens. Before anything else runs beside this thread, the last of its powers that serving does not need are
/// given up.
pub(crate) fn run(file: &Path, state: &Path, powers: Powers, serving: impl FnOnce()) -> Result<ExitCode> {
    let store = Generations::open(state);
    let loaded = load(first(file, &store)?, None)?;
    if !loaded.warnings.is_empty() {
        eprintln!("{}", loaded.warnings.trim_end());
    }
    voice::obey(&loaded.config.telemetry.log);
    descriptors::raise(&loaded.config)?;
    guard::mount(&loaded.plan);
    powers.settle();
    // A port that is taken must be known before the shield is touched, and nobody is served before the shield is up.
    let plans = Arc::new(ArcSwap::new(Arc::clone(&loaded.plan)));
    let (heritage, estate) = Inheritance::find(&plans.load()).unzip();
    let Estate { sockets, claim } = estate.unwrap_or_default();
    let berths = berths(&plans.load(), sockets)?;
    let board = Arc::new(Board::new(u32::try_from(cpus(None)?.len()).unwrap_or(u32::MAX)));
    let lookout = Lookout::new(&board, state)?;
    let shared = Shared { plans, directory: Arc::default(), board, crowd: Arc::default() };
    let mut guard = Guard::raise(&shared.plans.load(), state, claim)?;
    shared.crowd.make_room(descriptors::room());
    // Who was banned before stays so from the first connection on.
    guard.news_of_bans().into_iter().for_each(|barred| shared.crowd.bar(barred));
    let crew = Crew::start(&shared, berths).inspect_err(|_| guard.lower())?;
    let generation = store.first_number(&loaded.hash);
    crew.remind(generation);
    let logbook = Logbook::open(Kind::Access, &loaded.config, &crew);
    let spans = Logbook::open(Kind::Spans, &loaded.config, &crew);
    let config = Arc::clone(&loaded.config);
    let mut appliance = Appliance {
        file: file.to_owned(),
        shared,
        crew,
        guard,
        logbook,
        spans,
        generation,
        current: loaded,
        trial: None,
        store,
        retired: Vec::new(),
        lookout,
        doors: Doors::default(),
        turns: Rc::default(),
        reloads: Reloads::default(),
        renewals: Renewals::default(),
        draining: false,
        scribe: Rc::default(),
        started: SystemTime::now(),
    };
    appliance.remember();
    appliance.renewals.watch.sync(appliance.current.seen.iter().cloned());
    let cannot = |error: std::io::Error| failure(OS, format!("the control thread cannot start: {error}"));
    weir_control::run(govern(Rc::new(RefCell::new(appliance)), &config, (heritage, serving)))
        .map_err(cannot)?
}

/// The texts to start with: those of the file, unless they were set aside.
fn first(file: &Path, store: &Generations) -> Result<Sources> {
    if let Some(why) = &store.trouble {
        tracing::warn!("earlier configurations are not kept: {why}");
    }
    let sources = files::sources(file)?;
    let Some((number, kept)) = store.in_place_of(&hash(&sources)) else { return Ok(sources) };
    let file = file.display();
    tracing::error!(
        "{file} was rolled back or never confirmed: generation {number} runs; `weir reload` takes it"
    );
    Ok(kept)
}

/// The control thread: doors, signals, and a look at everything that runs.
async fn govern(
    appliance: Rc<RefCell<Appliance>>,
    config: &Config,
    (mut heritage, serving): (Option<Inheritance>, impl FnOnce()),
) -> Result<ExitCode> {
    let program = std::env::current_exe();
    let mut signals =
        Signals::open().map_err(|error| failure(OS, format!("cannot take signals over: {error}")))?;
    {
        let appliance = appliance.borrow();
        appliance.lookout.sync(&appliance.shared.plans.load());
    }
    Doors::open(&appliance, config, heritage.is_some())?;
    serving();
    notify::ready("serving");
    if let Some(heritage) = &heritage {
        notify::main_process();
        heritage.relieve();
        appliance.borrow_mut().guard.settle();
    }
    let mut successor: Option<Successor> = None;
    let mut ticks: u32 = 0;
    loop {
        match signals.next_within(TICK).await {
            Some(Signal::Drain) => break,
            Some(Signal::Reload) => reload_by_signal(&appliance),
            Some(Signal::Reopen) => appliance.borrow().logbook.reopen(),
            Some(Signal::Upgrade) if appliance.borrow().turns.try_take().is_none() => {
                tracing::warn!("a configuration is being taken: ask for a successor again in a moment");
            }
            Some(Signal::Upgrade) if successor.is_none() => {
                successor = succeed(program.as_deref(), &mut appliance.borrow_mut());
            }
            Some(Signal::Upgrade) => tracing::warn!("a successor is starting already"),
            None => {}
        }
        if appliance.borrow().crew.has_lost_one() {
            return Err(failure(
                OS,
                "a worker thread has ended by itself; the program ends so that it is started anew",
            ));
        }
        if successor.take_if(|successor| !successor.is_alive()).is_some() {
            appliance.borrow_mut().guard.resume();
        }
        if heritage.take_if(|heritage| heritage.is_over()).is_some() {
            appliance.borrow_mut().guard.settle();
        }
        ticks = ticks.wrapping_add(1);
        appliance.borrow_mut().serve_workers();
        appliance.borrow_mut().learn_names();
        expire(&appliance);
        if ticks.is_multiple_of(SHIELD_TICKS) {
            renew_shield(&appliance);
            let mut appliance = appliance.borrow_mut();
            appliance.guard.tick();
            appliance.bury();
            appliance.renew();
            appliance.shared.crowd.make_room(descriptors::room());
            if appliance.crew.beats() {
                notify::alive();
            }
        }
    }
    drain(&appliance, &mut signals, successor.is_some()).await;
    Ok(ExitCode::SUCCESS)
}

/// Lets connections end, until none is left, the plan's time is over, or a second signal comes.
async fn drain(appliance: &RefCell<Appliance>, signals: &mut Signals, succeeded: bool) {
    appliance.borrow_mut().draining = true;
    if !succeeded {
        notify::stopping("draining");
    }
    let in_a_hurry = !succeeded && say_so(appliance, signals).await;
    let patience = {
        let mut appliance = appliance.borrow_mut();
        appliance.crew.drain();
        appliance.shared.plans.load().limits.drain_timeout + GRACE
    };
    let deadline = Instant::now() + if in_a_hurry { Duration::ZERO } else { patience };
    while !appliance.borrow().crew.is_gone() && Instant::now() < deadline {
        appliance.borrow_mut().serve_workers();
        if signals.next_within(TICK).await == Some(Signal::Drain) {
            tracing::warn!("asked a second time to end: connections are cut");
            break;
        }
    }
    appliance.borrow_mut().logbook.close();
    appliance.borrow_mut().spans.close();
    let guard = &mut appliance.borrow_mut().guard;
    if succeeded { guard.leave() } else { guard.lower() }
}

/// Goes on serving for as long as balancers take to notice that this process is not ready any more. True if it is asked a
/// second time to end meanwhile.
async fn say_so(appliance: &RefCell<Appliance>, signals: &mut Signals) -> bool {
    let until = Instant::now() + appliance.borrow().current.config.limits.drain_delay.value;
    while Instant::now() < until {
        appliance.borrow_mut().serve_workers();
        if signals.next_within(TICK).await == Some(Signal::Drain) {
            return true;
        }
    }
    false
}

/// Starts what lies where this program was started from.
fn succeed(program: Result<&Path, &std::io::Error>, appliance: &mut Appliance) -> Option<Successor> {
    let claim = appliance.guard.hand_on();
    let started = program
        .map_err(|error| anyhow::anyhow!("it is not known where this program lies: {error}"))
        .and_then(|program| Successor::start(program, &appliance.crew, claim.as_ref()));
    let failed = |error: &anyhow::Error| {
        tracing::error!("no successor: {error:#}; this program goes on");
        appliance.guard.resume();
    };
    started.inspect_err(failed).ok()
}
