//! The worker threads: one per core, or as many as the plan says; started together, watched, drained together.

mod berth;
mod change;
mod hand;

pub(crate) use berth::{Berth, berths, cpus};
use berth::{copies, copy};
pub(crate) use hand::Recruits;
use hand::{Hand, Leaver, begin};

use crate::failure::failure;
use crate::logbook::Kind;
use anyhow::{Context, Result};
use arc_swap::ArcSwap;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use weir_meter::{Block, Directory, log::Hose};
use weir_plan::Plan;
use weir_plan::listener::Bind;
use weir_proxy::{Board, Crowd, Helm, Mishap, Place, Question, Sentence, Socket, Team, Worker};
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

/// The running workers.
pub(crate) struct Crew {
    hands: Vec<Hand>,
    /// Places without a worker, each with its core, in their order.
    empty: Vec<(usize, Place)>,
    /// Workers that are not needed any more.
    leaving: Vec<Leaver>,
    /// The sockets of workers that have left, by core. The first worker accepts there as well.
    left: BTreeMap<usize, Vec<Socket>>,
    /// Numbers of workers that have left, for those to come.
    spare: Vec<Arc<Block>>,
    /// Memory for buffers that all workers share, as it was at the start.
    buffer_bytes: u64,
}

impl Crew {
    /// Starts a worker for each set of sockets.
    pub(crate) fn start(shared: &Shared, berths: Vec<Berth>) -> Result<Self> {
        let all = cpus(None)?;
        let places = all.iter().copied().zip(Team::places(all.len()));
        let (taken, empty) = places.partition(|(cpu, _)| berths.iter().any(|berth| berth.cpu == *cpu));
        let buffer_bytes = shared.plans.load().limits.buffer_bytes_max;
        let (hands, leaving, left, spare) = (Vec::new(), Vec::new(), BTreeMap::new(), Vec::new());
        let mut crew = Self { hands, empty, leaving, left, spare, buffer_bytes };
        crew.hands = crew.hire(shared, taken, berths)?;
        Ok(crew)
    }

    /// Starts a worker at each place; all of them start at once.
    fn hire(&self, shared: &Shared, places: Vec<(usize, Place)>, berths: Vec<Berth>) -> Result<Vec<Hand>> {
        let buffers_max = self.share(self.hands.len() + places.len());
        let mut spare = self.spare.iter().cloned();
        let mut starting = Vec::new();
        for ((cpu, place), Berth { sockets, .. }) in places.into_iter().zip(berths) {
            let held = copies(&sockets)?;
            let block = spare.next().unwrap_or_default();
            let Shared { plans, directory, board, crowd } = shared.clone();
            let worker = Worker {
                plans,
                directory,
                board,
                block: Arc::clone(&block),
                sockets,
                crowd,
                place: place.clone(),
            };
            let (thread, report) =
                begin(worker, Config { cpu: Some(cpu), buffers_max, ..Config::default() })?;
            starting.push((cpu, place, block, held, thread, report));
        }
        let mut started = Recruits(Vec::new());
        for (cpu, place, block, held, thread, report) in starting {
            let refused = |error: Error| failure(error.exit_code(), format!("{error}; {}", error.remedy()));
            let helm =
                report.recv().context("a worker thread has ended while it started")?.map_err(refused)?;
            started.0.push(Hand { cpu, place, helm, thread, block, held, missed: 0 });
        }
        Ok(std::mem::take(&mut started.0))
    }

    /// How many buffers are a worker's share among so many.
    fn share(&self, workers: usize) -> u16 {
        let bytes = self.buffer_bytes / (workers.max(1) as u64);
        let buffers = bytes / u64::from(Config::default().buffer_bytes);
        u16::try_from(buffers.clamp(BUFFERS_MIN, BUFFERS_MAX)).unwrap_or(u16::MAX)
    }

    /// How many workers a plan wants on this machine.
    pub(crate) fn wanted(&self, plan: &Plan) -> usize {
        let most = self.hands.len() + self.empty.len();
        plan.limits.workers.map_or(most, usize::from).clamp(1, most)
    }

    /// Has every worker serve by the newest plan, and accept at these sockets as well.
    pub(crate) fn adopt(&mut self, sets: Vec<Vec<Socket>>, generation: u64) {
        let share = self.share(self.hands.len());
        for (hand, sockets) in self.hands.iter_mut().zip(sets) {
            let left = self.left.get(&hand.cpu);
            let is_kept = |socket: &&Socket| left.into_iter().flatten().any(|kept| kept.bind == socket.bind);
            let own = sockets.iter().filter(|socket| !is_kept(socket)).map(copy);
            hand.held.extend(own.collect::<std::io::Result<Vec<_>>>().unwrap_or_default());
            hand.helm.limit_buffers(share);
            if !hand.helm.adopt(sockets, generation) {
                tracing::warn!("a worker does not take the new configuration; it is overloaded or stuck");
            }
        }
    }

    /// Keeps only what is listened on by the newest plan.
    pub(crate) fn release(&mut self, binds: &[Bind]) {
        let held = self.hands.iter_mut().map(|hand| &mut hand.held).chain(self.left.values_mut());
        held.for_each(|held| held.retain(|socket| binds.contains(&socket.bind)));
    }

    /// Copies of all listening sockets: the first of each worker, then the second of each, and so on.
    pub(crate) fn handed(&self) -> std::io::Result<Vec<Socket>> {
        let held: Vec<_> = self.hands.iter().map(|hand| &hand.held).chain(self.left.values()).collect();
        let most = held.iter().map(|held| held.len()).max().unwrap_or_default();
        let rows = (0..most).flat_map(|row| held.iter().filter_map(move |held| held.get(row)));
        rows.map(copy).collect()
    }

    fn helms(&self) -> impl Iterator<Item = &Helm> {
        self.hands.iter().map(|hand| &hand.helm)
    }

    /// Those who serve somebody: the workers, and those that are about to end.
    fn busy(&self) -> impl Iterator<Item = &Helm> {
        self.helms().chain(self.leaving.iter().map(|leaver| &leaver.helm))
    }

    /// Asks those again that have not adopted a generation.
    pub(crate) fn remind(&self, generation: u64) {
        for helm in self.helms().filter(|helm| helm.adopted() < generation) {
            helm.adopt(Vec::new(), generation);
        }
    }

    /// The generation that every worker serves by.
    pub(crate) fn adopted(&self) -> u64 {
        self.helms().map(Helm::adopted).min().unwrap_or_default()
    }

    /// How many workers there are.
    pub(crate) fn len(&self) -> usize {
        self.hands.len()
    }

    /// The numbers of every worker that there was.
    pub(crate) fn blocks(&self) -> Vec<Arc<Block>> {
        let hands = self.hands.iter().map(|hand| &hand.block);
        let leaving = self.leaving.iter().map(|leaver| &leaver.block);
        hands.chain(leaving).chain(&self.spare).cloned().collect()
    }

    /// Has every worker come to an end with what goes by an earlier plan; whether all have heard it.
    pub(crate) fn end(&self, plan: &Arc<Plan>) -> bool {
        self.busy().filter(|helm| !helm.end(plan)).count() == 0
    }

    /// Has every worker cut the connections of clients that are banned.
    pub(crate) fn expel(&self) {
        for helm in self.busy() {
            if !helm.expel() {
                tracing::warn!("a worker does not cut banned clients off; it is overloaded or stuck");
            }
        }
    }

    /// Asks every worker to stop accepting, finish what it has, and end.
    pub(crate) fn drain(&mut self) {
        self.left.clear();
        self.hands.iter_mut().for_each(|hand| hand.held.clear());
        for helm in self.busy() {
            if !helm.drain() {
                tracing::warn!("a worker does not take the order to drain; the deadline will end it");
            }
        }
    }

    /// Sends the lines or spans of each worker through a hose of its own.
    pub(crate) fn write_to(&self, kind: Kind, hoses: Vec<Hose>) {
        let mut hoses = hoses.into_iter();
        for helm in self.helms() {
            match kind {
                Kind::Access => helm.log_to(hoses.next()),
                Kind::Spans => helm.trace_to(hoses.next()),
            };
        }
    }

    /// What the reactors of all workers have counted, a second ago at most.
    pub(crate) fn counters(&self) -> impl Iterator<Item = Counters> {
        self.busy().map(Helm::counters)
    }

    /// Every worker answers: it is not stuck in a task that never gives way. To be asked every second.
    pub(crate) fn beats(&mut self) -> bool {
        for Hand { helm, cpu, missed, .. } in &mut self.hands {
            let before = *missed;
            *missed = if helm.beats() { 0 } else { before.saturating_add(1) };
            if *missed == STUCK {
                tracing::error!(%cpu, "the worker does not answer: its connections wait for it");
            } else if *missed == 0 && before >= STUCK {
                tracing::warn!(%cpu, "the worker answers again");
            }
        }
        self.hands.iter().all(|hand| hand.missed == 0)
    }

    /// Workers that have not answered for some time.
    pub(crate) fn stuck(&self) -> usize {
        self.hands.iter().filter(|hand| hand.missed >= STUCK).count()
    }

    /// Bans that policies have called for since the last time.
    pub(crate) fn take_bans(&self) -> Vec<Sentence> {
        self.busy().flat_map(Helm::take_bans).collect()
    }

    /// Questions that exchanges wait for since the last time, and who is told that the answer is there.
    pub(crate) fn take_questions(&self) -> impl Iterator<Item = (Helm, Question)> {
        let of_one = |helm: &Helm| helm.take_questions().into_iter().zip(std::iter::repeat(helm.clone()));
        self.busy().flat_map(of_one).map(|(question, helm)| (helm, question))
    }

    /// Handshakes with clients that failed since the last time.
    pub(crate) fn take_mishaps(&self) -> impl Iterator<Item = Mishap> {
        self.busy().flat_map(Helm::take_mishaps)
    }

    /// Every worker has ended.
    pub(crate) fn is_gone(&self) -> bool {
        let leaving = self.leaving.iter().map(|leaver| &leaver.thread);
        self.hands.iter().map(|hand| &hand.thread).chain(leaving).all(JoinHandle::is_finished)
    }

    /// A worker has ended that was not asked to.
    pub(crate) fn has_lost_one(&self) -> bool {
        self.hands.iter().any(|hand| hand.thread.is_finished())
    }
}

/// A worker that has not answered so many times in a row is stuck.
const STUCK: u32 = 2;
/// Buffers that a worker has at least: with fewer a few connections could not move.
const BUFFERS_MIN: u64 = 64;
/// Buffers that a reactor takes at most.
const BUFFERS_MAX: u64 = 1 << 15;
