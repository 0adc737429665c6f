//! The worker threads: one per core, started together, watched, drained together.

use crate::failure::{OS, UNAVAILABLE, failure};
use anyhow::{Context, Result};
use arc_swap::ArcSwap;
use nix::sched::{CpuSet, sched_getaffinity};
use nix::unistd::Pid;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use weir_meter::{Block, Directory, log::Hose};
use weir_plan::listener::Bind;
use weir_plan::{Plan, limit::Limits};
use weir_proxy::{Board, Crowd, Helm, Question, Sentence, Socket, Team, Worker};
use weir_reactor::{Config, Counters, Error};

/// What all workers share.
#[derive(Clone)]
pub(crate) struct Shared {
    /// Where plans appear.
    pub(crate) plans: Arc<ArcSwap<Plan>>,
    /// Names the rows of the numbers.
    pub(crate) directory: Arc<Mutex<Directory>>,
    /// The state of all targets.
    pub(crate) board: Arc<Board>,
    /// Who is connected.
    pub(crate) crowd: Arc<Crowd>,
}

/// A place for a worker: its core and what it listens on.
pub(crate) struct Berth {
    cpu: usize,
    sockets: Vec<Socket>,
}

/// Opens the plan's sockets for a worker on each core, or on as many as the plan says. Connections wait in the backlog
/// until the workers start. What another process has handed on is open already.
pub(crate) fn berths(plan: &Plan, handed: Vec<Socket>) -> Result<Vec<Berth>> {
    let cpus = cpus(plan.limits.workers.map(usize::from))?;
    let sets = weir_proxy::open_after(plan, handed, &cpus)
        .map_err(|error| failure(UNAVAILABLE, error.to_string()))?;
    Ok(cpus.into_iter().zip(sets).map(|(cpu, sockets)| Berth { cpu, sockets }).collect())
}

/// The running workers.
pub(crate) struct Crew {
    /// The core of each.
    cpus: Vec<usize>,
    helms: Vec<Helm>,
    threads: Vec<JoinHandle<()>>,
    /// Copies of what each listens on, for a successor.
    held: Vec<Vec<Socket>>,
    /// Every worker's numbers.
    pub(crate) blocks: Vec<Arc<Block>>,
}

impl Crew {
    /// Starts a worker for each set of sockets.
    pub(crate) fn start(shared: &Shared, berths: Vec<Berth>) -> Result<Self> {
        let (report, reports) = channel();
        let cpus = berths.iter().map(|berth| berth.cpu).collect();
        let mut crew =
            Self { cpus, helms: Vec::new(), threads: Vec::new(), held: Vec::new(), blocks: Vec::new() };
        let limits = shared.plans.load().limits.clone();
        let workers = u32::try_from(berths.len()).unwrap_or(u32::MAX);
        for (Berth { cpu, sockets }, place) in berths.into_iter().zip(Team::places(crew.cpus.len())) {
            let Shared { plans, directory, board, crowd } = shared.clone();
            crew.held.push(copies(&sockets)?);
            let worker = Worker { plans, directory, board, block: Arc::default(), sockets, crowd, place };
            crew.hire(worker, reactor(cpu, &limits, workers), report.clone())?;
        }
        drop(report);
        for started in reports.iter().take(crew.threads.len()) {
            let refused = |error: Error| failure(error.exit_code(), format!("{error}; {}", error.remedy()));
            crew.helms.push(started.map_err(refused)?);
        }
        Ok(crew)
    }

    fn hire(&mut self, worker: Worker, config: Config, report: Sender<Result<Helm, Error>>) -> Result<()> {
        self.blocks.push(Arc::clone(&worker.block));
        let name = config.cpu.map_or_else(|| "weir".to_owned(), |cpu| format!("weir-{cpu}"));
        let work = move || {
            let ready = report.clone();
            if let Err(error) = worker.run(config, |helm| drop(ready.send(Ok(helm)))) {
                drop(report.send(Err(error)));
            }
        };
        let thread = std::thread::Builder::new().name(name).spawn(work);
        self.threads.push(thread.context("cannot start a worker thread")?);
        Ok(())
    }

    /// Opens the addresses of a plan that are not open already, for each worker.
    pub(crate) fn open_beside(&self, plan: &Plan, known: &[Bind]) -> Result<Vec<Vec<Socket>>> {
        weir_proxy::open_beside(plan, known, &self.cpus)
            .map_err(|error| failure(UNAVAILABLE, error.to_string()))
    }

    /// Has every worker serve by the newest plan, and accept at these sockets as well.
    pub(crate) fn adopt(&mut self, sets: Vec<Vec<Socket>>, generation: u64) {
        for (held, sockets) in self.held.iter_mut().zip(&sets) {
            held.extend(copies(sockets).unwrap_or_default());
        }
        for (helm, sockets) in self.helms.iter().zip(sets) {
            if !helm.adopt(sockets, generation) {
                tracing::warn!("a worker does not take the new configuration; it is overloaded or stuck");
            }
        }
    }

    /// Keeps only what is listened on by the newest plan.
    pub(crate) fn release(&mut self, binds: &[Bind]) {
        self.held.iter_mut().for_each(|held| held.retain(|socket| binds.contains(&socket.bind)));
    }

    /// Copies of all listening sockets: the first of each worker, then the second of each, and so on.
    pub(crate) fn handed(&self) -> std::io::Result<Vec<Socket>> {
        let most = self.held.iter().map(Vec::len).max().unwrap_or_default();
        let rows = (0..most).flat_map(|row| self.held.iter().filter_map(move |held| held.get(row)));
        rows.map(copy).collect()
    }

    /// Asks those again that have not adopted a generation.
    pub(crate) fn remind(&self, generation: u64) {
        for helm in self.helms.iter().filter(|helm| helm.adopted() < generation) {
            helm.adopt(Vec::new(), generation);
        }
    }

    /// The generation that every worker serves by.
    pub(crate) fn adopted(&self) -> u64 {
        self.helms.iter().map(Helm::adopted).min().unwrap_or_default()
    }

    /// How many workers there are.
    pub(crate) fn len(&self) -> usize {
        self.threads.len()
    }

    /// Has every worker cut the connections of clients that are banned.
    pub(crate) fn expel(&self) {
        for helm in &self.helms {
            if !helm.expel() {
                tracing::warn!("a worker does not cut banned clients off; it is overloaded or stuck");
            }
        }
    }

    /// Asks every worker to stop accepting, finish what it has, and end.
    pub(crate) fn drain(&mut self) {
        self.held.clear();
        for helm in &self.helms {
            if !helm.drain() {
                tracing::warn!("a worker does not take the order to drain; the deadline will end it");
            }
        }
    }

    /// Sends the lines of each worker through a hose of its own.
    pub(crate) fn log_to(&self, hoses: Vec<Hose>) {
        let mut hoses = hoses.into_iter();
        for helm in &self.helms {
            helm.log_to(hoses.next());
        }
    }

    /// What the reactors of all workers have counted, a second ago at most.
    pub(crate) fn counters(&self) -> impl Iterator<Item = Counters> {
        self.helms.iter().map(Helm::counters)
    }

    /// Every worker answers: it is not stuck in a task that never gives way.
    pub(crate) fn beats(&self) -> bool {
        // Each is asked, also after one that does not answer.
        self.helms.iter().fold(true, |all, helm| helm.beats() & all)
    }

    /// Bans that policies have called for since the last time.
    pub(crate) fn take_bans(&self) -> Vec<Sentence> {
        self.helms.iter().flat_map(Helm::take_bans).collect()
    }

    /// Questions that exchanges wait for since the last time, and who is told that the answer is there.
    pub(crate) fn take_questions(&self) -> impl Iterator<Item = (Helm, Question)> {
        let of_one = |helm: &Helm| helm.take_questions().into_iter().zip(std::iter::repeat(helm.clone()));
        self.helms.iter().flat_map(of_one).map(|(question, helm)| (helm, question))
    }

    /// Every worker has ended.
    pub(crate) fn is_gone(&self) -> bool {
        self.threads.iter().all(JoinHandle::is_finished)
    }

    /// A worker has ended that was not asked to.
    pub(crate) fn has_lost_one(&self) -> bool {
        self.threads.iter().any(JoinHandle::is_finished)
    }
}

/// Buffers that a worker has at least: with fewer a few connections could not move.
const BUFFERS_MIN: u64 = 64;
/// Buffers that a reactor takes at most.
const BUFFERS_MAX: u64 = 1 << 15;

/// What a worker's reactor may take: its share of the memory for buffers.
fn reactor(cpu: usize, limits: &Limits, workers: u32) -> Config {
    let config = Config { cpu: Some(cpu), ..Config::default() };
    let share = limits.buffer_bytes_max / u64::from(workers.max(1)) / u64::from(config.buffer_bytes);
    let buffers_max = u16::try_from(share.clamp(BUFFERS_MIN, BUFFERS_MAX)).unwrap_or(u16::MAX);
    Config { buffers_max, ..config }
}

/// The same sockets under other numbers.
fn copies(sockets: &[Socket]) -> std::io::Result<Vec<Socket>> {
    sockets.iter().map(copy).collect()
}

fn copy(socket: &Socket) -> std::io::Result<Socket> {
    Ok(Socket { bind: socket.bind.clone(), fd: socket.fd.try_clone()? })
}

/// The cores this process may run on, the first `wanted` of them.
fn cpus(wanted: Option<usize>) -> Result<Vec<usize>> {
    let allowed = sched_getaffinity(Pid::from_raw(0))
        .map_err(|error| failure(OS, format!("cannot ask for the cores: {error}")))?;
    let cpus = (0..CpuSet::count()).filter(|cpu| allowed.is_set(*cpu).unwrap_or(false));
    Ok(cpus.take(wanted.unwrap_or(usize::MAX).max(1)).collect())
}
