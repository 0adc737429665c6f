//! Everything that stands while a scenario runs: origin, peers, and how clients reach each.

use super::{Options, Subject};
use crate::client::endpoint::Endpoint;
use crate::client::mix::Mix;
use crate::client::tls::Trust;
use crate::client::token::Signer;
use crate::engine::Engine;
use crate::load::job::{Job, Pace};
use crate::loopback;
use crate::measure::process::Tree;
use crate::origin::Origin;
use crate::peer::{Material, Peer, Site};
use crate::scenario::{Key, PeerName, Protocol, Request, Scenario};
use anyhow::{Context, Result, bail};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// One server that is loaded.
pub(crate) struct Seat {
    pub(crate) name: String,
    pub(crate) peer: Option<Peer>,
    endpoint: Arc<Endpoint>,
    mix: Arc<Mix>,
    /// Bytes of memory after a first few connections came and went.
    pub(crate) memory_at_rest: u64,
}

/// How cores are shared out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cores {
    /// The one on which all peers run.
    peers: usize,
    /// How many this program has.
    own: usize,
}

/// All of them.
pub(crate) struct Stage {
    pub(crate) seats: Vec<Seat>,
    pub(crate) notes: Vec<String>,
    pub(crate) options: Options,
    /// One for each thread of the generator.
    pub(crate) engines: Vec<Engine>,
    /// The origin's own thread, where there is a core for it.
    origin: Option<Engine>,
}

impl Stage {
    pub(crate) fn set(scenario: &Scenario, options: &Options) -> Result<Self> {
        let folder = options.folder.join(scenario.name.as_str());
        let key = scenario.client.tls.as_ref().map_or(Key::Ecdsa, |tls| tls.key.value);
        let wanted = &scenario.client.tokens;
        let signer =
            wanted.key.as_ref().map_or_else(Signer::new, |key| Signer::read(Path::new(&key.value.0)))?;
        let tokens = signer.sign_all(wanted)?;
        let material = Material::make(&folder, key, &signer)?;
        let requests: Vec<Request> = scenario.requests.iter().map(|request| request.value.clone()).collect();
        let mix = Arc::new(Mix::new(&requests, &scenario.client, tokens));
        if let Some(peers) = scenario.peers.as_ref().filter(|_| options.is_alone) {
            loopback::set_mtu(peers.mtu.as_ref().map(|mtu| mtu.value))?;
        }
        let mut stage = Self {
            seats: Vec::new(),
            notes: Vec::new(),
            options: options.clone(),
            engines: Vec::new(),
            origin: None,
        };
        let cores = if scenario.peers.is_some() { stage.pin() } else { None };
        for _ in 0..scenario.threads.value {
            stage.engines.push(Engine::start("load")?);
        }
        if let Some(target) = &scenario.target {
            let client = &scenario.client;
            let trust =
                scenario.tls().map(|tls| Trust::blind(tls, client.is_h2(), &client.host)).transpose()?;
            let endpoint = Endpoint::new(target.address, trust.map(Arc::new), client.sources.value);
            let endpoint = Arc::new(endpoint);
            stage.seats.push(Seat { name: "target".into(), peer: None, endpoint, mix, memory_at_rest: 0 });
        } else {
            stage.seat_peers(scenario, cores, &material, &mix)?;
        }
        Ok(stage)
    }

    fn seat_peers(
        &mut self,
        scenario: &Scenario,
        cores: Option<Cores>,
        material: &Material,
        mix: &Arc<Mix>,
    ) -> Result<()> {
        let origin = self.start_origin(cores)?;
        let options = self.options.clone();
        let folder = options.folder.join(scenario.name.as_str());
        let core = cores.map(|cores| cores.peers);
        for name in scenario.peers.iter().flat_map(|peers| &peers.run) {
            if let Some(why) = cannot(name.value, scenario, &options) {
                self.notes.push(why);
                continue;
            }
            let folder = folder.join(name.as_str());
            let site =
                Site::new((name.value, scenario), folder, origin.address, material, &options.programs)?;
            let peer = Peer::start(name.value, &site, core)?;
            let trust = match &scenario.client.tls {
                Some(tls) => Some(Trust::new(material.certificate.clone(), tls, scenario.client.is_h2())?),
                None => None,
            };
            let endpoint = Endpoint::new(peer.address, trust.map(Arc::new), scenario.client.sources.value);
            let seat = Seat {
                name: name.as_str().to_owned(),
                peer: Some(peer),
                endpoint: Arc::new(endpoint),
                mix: Arc::clone(mix),
                memory_at_rest: 0,
            };
            seat.warm(scenario, &options, &self.engines)?;
            self.seats.push(seat);
        }
        self.settle(Subject::is_idle(scenario));
        Ok(())
    }

    /// On a core shared with the clients, a thread of its own would only add switches between the two.
    fn start_origin(&mut self, cores: Option<Cores>) -> Result<Origin> {
        let is_alone = cores.is_some_and(|cores| cores.own > self.engines.len());
        if !is_alone && let Some(first) = self.engines.first() {
            return Origin::start(first);
        }
        let engine = Engine::start("origin")?;
        let origin = Origin::start(&engine)?;
        self.origin = Some(engine);
        Ok(origin)
    }

    /// Notes the memory of every server, where it is asked for once they have had the time to give back what they do not need.
    fn settle(&mut self, waits: bool) {
        const LOOK: Duration = Duration::from_millis(250);
        const LOOKS: u32 = 8;
        let memory = |seat: &Seat| seat.tree().map_or(0, |tree| tree.memory_bytes());
        self.seats.iter_mut().for_each(|seat| seat.memory_at_rest = memory(seat));
        for _ in 0..if waits { LOOKS } else { 0 } {
            std::thread::park_timeout(LOOK);
            self.seats
                .iter_mut()
                .for_each(|seat| seat.memory_at_rest = seat.memory_at_rest.min(memory(seat)));
        }
    }

    /// This program takes all cores but the first, which is the peers', if there are several.
    fn pin(&mut self) -> Option<Cores> {
        let allowed = sched_getaffinity(Pid::from_raw(0)).ok()?;
        let cores: Vec<usize> =
            (0..CpuSet::count()).filter(|core| allowed.is_set(*core).unwrap_or(false)).collect();
        let [first, others @ ..] = cores.as_slice() else { return None };
        if others.is_empty() {
            self.notes.push("There is one core only: peers and generator share it.".into());
            return None;
        }
        let mut own = CpuSet::new();
        for core in others {
            own.set(*core).ok()?;
        }
        sched_setaffinity(Pid::from_raw(0), &own).ok()?;
        Some(Cores { peers: *first, own: others.len() })
    }
}

/// Why a peer cannot take part in a scenario.
fn cannot(name: PeerName, scenario: &Scenario, options: &Options) -> Option<String> {
    if name != PeerName::Floor {
        let is_left_out = options.goals_only && !scenario.compares(name);
        return is_left_out
            .then(|| format!("{} was left out: no goal compares it (`--goals-only`).", name.as_str()));
    }
    if options.programs.floor.is_none() {
        return Some(
            "There is no floor: the relay of the reactor's bench was not given (`--floor FILE`).".into(),
        );
    }
    let client = &scenario.client;
    let is_bytes = client.tls.is_none() && client.protocol.value == Protocol::Http1;
    (!is_bytes).then(|| "There is no floor: a relay that parses nothing cannot translate protocols.".into())
}

impl Seat {
    pub(crate) fn tree(&self) -> Option<Tree> {
        self.peer.as_ref().map(Peer::tree)
    }

    /// One window of load at this server.
    pub(crate) fn job(&self, scenario: &Scenario, pace: Pace, options: &Options) -> Job {
        let (endpoint, mix) = (Arc::clone(&self.endpoint), Arc::clone(&self.mix));
        Job::new(scenario, (endpoint, mix), pace, &options.stop)
    }

    /// A few connections first, so that what is made once is not counted to the connections that follow. Before connections
    /// that idle it is one at a time: memory that many busy ones leave behind would serve the idle ones unseen.
    fn warm(&self, scenario: &Scenario, options: &Options, engines: &[Engine]) -> Result<()> {
        let mut job = self.job(scenario, Pace::Closed, options);
        job.connections = job.connections.min(if Subject::is_idle(scenario) { 1 } else { 64 });
        job.warm_up = Duration::from_millis(20);
        job.length = Duration::from_millis(100);
        // On a busy machine the first hands may take longer to shake than one window.
        for _ in 0..20 {
            let outcome = crate::load::run::run(engines, &job, |_| {});
            let tally = outcome.with_context(|| format!("{} cannot be loaded", self.name))?.tally;
            if tally.errors() > 0 {
                let faults = tally.faults.iter().map(|(fault, n)| format!("{n} {}", fault.describe()));
                bail!("{} does not answer rightly: {}", self.name, faults.collect::<Vec<_>>().join(", "));
            }
            if tally.answers() > 0 {
                break;
            }
        }
        Ok(())
    }
}
