//! The shield as the rest of weir holds it: opened once, kept in step with the plan, watched, and closed.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ipnet::IpNet;
use weir_plan::shield::{OnExit, PortAction, Shield as Plan};

use crate::attach::{Attached, Attacher, Placement};
use crate::bans::{self, Bans, protected};
use crate::claim::Claim;
use crate::counters::Counters;
use crate::events::Events;
use crate::host::Host;
use crate::lists::Gathered;
use crate::load::{self, Loaded};
use crate::netlink::Interface;
use crate::pins::Pins;
use crate::rules;
use crate::status::{self, StageMode};
use crate::sysctl::{self, Changes, Cookies};
use crate::tables::Tables;
use crate::{Complaint, Error, bpf, clock};

mod detached;
mod draft;
mod inquiry;
mod succession;

pub use detached::detach;
pub use draft::{Compiled, Draft};
pub use inquiry::Inquiry;

/// How often the machine is asked anew whom it depends on.
const PROTECTED_EVERY: Duration = Duration::from_secs(10);

/// The shield of one host. Dropping it changes nothing in the kernel: pins hold the program, the tables and the bans,
/// as they do when weir is killed. An orderly end calls [`Shield::close`].
#[derive(Debug)]
pub struct Shield {
    plan: Plan,
    host: Host,
    pins: Pins,
    /// No other process keeps its shield there, but one that shares the claim.
    claim: Claim,
    /// The program that this one replaces may yet go on: nothing is put back or taken away.
    on_probation: bool,
    /// That of the rules which were in force before.
    salt: Option<[u64; 2]>,
    loaded: Loaded,
    tables: Arc<Tables>,
    bans: Bans,
    changes: Changes,
    attached: Vec<Attached>,
    complaints: Vec<Complaint>,
    entries: usize,
    /// Somebody has taken it down by [`detach`]: it stays down.
    is_detached: bool,
    /// Networks that the caller named, beside those of the plan.
    dependencies: Vec<(IpNet, &'static str)>,
    /// When the machine was asked whom it depends on.
    asked_at: Option<Instant>,
}

/// Mounts the bpffs that the plan's shield is pinned on, if that is wished and nobody did: nothing after it takes as much of root.
///
/// # Errors
/// It cannot be mounted, or none is there and it is not wished. [`Shield::open`] would say the same.
pub fn mount(plan: &Plan, host: &Host) -> Result<(), Error> {
    crate::pins::mount(&plan.pin_directory, plan.mount_bpffs, host)
}

impl Shield {
    /// Loads the program, fills its tables and attaches it. A shield that an earlier weir left behind is taken over:
    /// its program is replaced between two packets, its bans stay.
    ///
    /// # Errors
    /// What is missing on this machine, or wrong in the plan or its files. Nothing is attached then that was not before.
    pub fn open(plan: &Plan, host: &Host) -> Result<Self, Error> {
        Self::raise(plan, host, None)
    }

    fn raise(plan: &Plan, host: &Host, shared: Option<Claim>) -> Result<Self, Error> {
        load::probe(host)?;
        let pins = Pins::make(&plan.pin_directory, plan.mount_bpffs, host)?;
        let protected = protected::of_plan(plan, host, &[]);
        // What can be wrong in the plan is found before the kernel is touched.
        let mut draft = Draft::new(plan, host, pins.clone(), protected.clone()).compile()?;

        let shared = shared.filter(|claim| claim.holds(&pins.directory));
        let on_probation = shared.is_some();
        let claim = shared.map_or_else(|| Claim::take(&pins.directory), Ok)?;
        let salt = Tables::open(&pins.directory).ok().and_then(|before| before.rules().ok()?);
        let salt = salt.map(|rules| rules.config.salt);
        let loaded = load::load(&pins)?;
        let tables = Arc::new(Tables::open(&pins.directory)?);
        let (bans, mut complaints) = Bans::open(bans::Terms {
            pins: Some(&pins.directory),
            state: &host.state,
            bans: plan.bans.clone(),
            protected,
            mask_v6: rules::high_bits(plan.limits.source.v6_bits),
        })?;
        let (mut changes, said) = sysctl::apply(host, plan.sysctls, plan.syn_guard.when);
        changes.keep_on_drop(on_probation);
        complaints.extend(said);
        let mut shield = Self {
            plan: plan.clone(),
            host: host.clone(),
            pins,
            claim,
            on_probation,
            salt,
            loaded,
            tables,
            bans,
            changes,
            attached: Vec::new(),
            complaints,
            entries: 0,
            is_detached: false,
            dependencies: Vec::new(),
            asked_at: Some(Instant::now()),
        };
        draft.keep_salt(salt);
        draft.write()?;
        shield.adopt(draft, Vec::new())?;
        shield.pins.keep_program(shield.loaded.main())?;
        Ok(shield)
    }

    /// Finds what can be wrong in a plan and in its files, without asking the kernel for anything: the entries of its lists,
    /// and what may be left out of them.
    ///
    /// # Errors
    /// What is wrong.
    pub fn check(plan: &Plan, host: &Host) -> Result<(usize, Vec<Complaint>), Error> {
        let protected = protected::of_plan(plan, host, &[]);
        let gathered = Gathered::read(plan, protected.iter().map(|(network, _)| network))?;
        rules::compile(plan, Cookies::of_machine(host), [0, 0])?;
        Ok((gathered.len(), gathered.complaints))
    }

    /// Obeys a new plan. Its lists are read and compiled first, so an error leaves the old plan in force.
    ///
    /// # Errors
    /// What is wrong in the plan or its files, or what the kernel refused.
    pub fn sync(&mut self, plan: &Plan) -> Result<(), Error> {
        let mut draft = self.draft(plan, &self.dependencies).compile()?;
        draft.write()?;
        self.adopt(draft, self.dependencies.clone())
    }

    /// Names what weir itself depends on, such as upstreams: never banned and never dropped.
    ///
    /// # Errors
    /// What the kernel refused, or a list file that has become unreadable.
    pub fn protect(
        &mut self,
        networks: impl IntoIterator<Item = IpNet>,
        why: &'static str,
    ) -> Result<(), Error> {
        self.depend_on(networks, why);
        let Some(draft) = self.renewal() else { return Ok(()) };
        let mut draft = draft.compile()?;
        draft.write()?;
        self.adopt(draft, self.dependencies.clone())
    }

    /// As [`Shield::protect`], but leaves the rest to whoever asks for the [`Shield::renewal`].
    pub fn depend_on(&mut self, networks: impl IntoIterator<Item = IpNet>, why: &'static str) {
        self.dependencies.retain(|&(_, known)| known != why);
        self.dependencies.extend(networks.into_iter().map(|network| (network, why)));
        self.asked_at = None;
    }

    /// The present plan once more, if others are to be protected than when it was written. The machine is asked every ten
    /// seconds.
    pub fn renewal(&mut self) -> Option<Draft> {
        if self.is_detached || self.asked_at.is_some_and(|at| at.elapsed() < PROTECTED_EVERY) {
            return None;
        }
        self.asked_at = Some(Instant::now());
        let draft = self.draft(&self.plan, &self.dependencies);
        (draft.protects() != self.bans.protected()).then_some(draft)
    }

    /// Networks that the caller named.
    #[must_use]
    pub fn dependencies(&self) -> &[(IpNet, &'static str)] {
        &self.dependencies
    }

    /// What must be done every second or so: bans end, and an interface that was lost is taken back. Returns the
    /// interfaces whose protection changed.
    ///
    /// # Errors
    /// What the kernel refused.
    pub fn tick(&mut self) -> Result<Vec<Attached>, Error> {
        self.bans.expire()?;
        if self.is_detached() {
            return Ok(self.take_down());
        }
        let mut changed = Vec::new();
        for index in 0..self.attached.len() {
            let Some(before) = self.attached.get(index).cloned() else { break };
            let now = self.look_after(&before)?;
            if now != before {
                changed.push(now.clone());
            }
            if let Some(slot) = self.attached.get_mut(index) {
                *slot = now;
            }
        }
        Ok(changed)
    }

    /// Ends in order: sysctls are put back, and the program stays or goes as the plan says. A successor that has not taken
    /// over yet leaves everything to the program it was to replace.
    ///
    /// # Errors
    /// What the kernel refused.
    pub fn close(mut self) -> Result<(), Error> {
        if self.on_probation {
            return Ok(());
        }
        if self.is_detached() {
            self.changes.forget();
            return Ok(());
        }
        self.changes.restore()?;
        match self.plan.on_exit {
            OnExit::Keep => Ok(()),
            OnExit::Detach => self.pins.clear().map(drop),
        }
    }

    /// Bans, to look at and to change.
    pub const fn bans(&mut self) -> &mut Bans {
        &mut self.bans
    }

    /// How each interface is protected.
    #[must_use]
    pub fn attached(&self) -> &[Attached] {
        &self.attached
    }

    /// What is amiss and did not stop the shield: bad lines of lists, sysctls, the journal of bans.
    #[must_use]
    pub fn complaints(&self) -> &[Complaint] {
        &self.complaints
    }

    /// How many networks the lists hold.
    #[must_use]
    pub const fn entries(&self) -> usize {
        self.entries
    }

    /// What the kernel has counted.
    ///
    /// # Errors
    /// What the kernel refused.
    pub fn counters(&self) -> Result<Counters, Error> {
        Counters::read(&self.tables)
    }

    /// The ports whose SYN guard answers at this moment.
    ///
    /// # Errors
    /// What the kernel refused.
    pub fn guarded(&self) -> Result<Vec<String>, Error> {
        let protected = self.plan.ports.iter().filter(|rule| rule.action == PortAction::Protect);
        let active = status::guarded(&self.tables.port_states()?, clock::monotonic_ns());
        // Rules are numbered from 1; rule 0 belongs to no port.
        let named = (1..).zip(protected).filter(|(number, _)| active.contains(number));
        Ok(named.map(|(_, rule)| rule.to_string()).collect())
    }

    /// The mode of every stage.
    ///
    /// # Errors
    /// What the kernel refused.
    pub fn stages(&self) -> Result<Vec<StageMode>, Error> {
        Ok(self.tables.rules()?.map(|rules| status::stages(&rules)).unwrap_or_default())
    }

    /// Runs the program once over a frame, as if it had come in, and returns the kernel's verdict.
    ///
    /// # Errors
    /// What the kernel refused.
    pub fn try_out(&self, frame: &[u8]) -> Result<u32, Error> {
        bpf::run(self.loaded.main(), frame)
            .map_err(|error| Error::os("run the XDP program over a frame", &error))
    }

    /// The ring of sampled drops.
    ///
    /// # Errors
    /// What the kernel refused.
    pub fn events(&self) -> Result<Events, Error> {
        Events::open(&self.pins.directory)
    }

    /// Attaches to every interface of the plan, but for the `fresh` ones, where that is done, and leaves the others. After an
    /// error, what was new is taken off again.
    fn attach_all(&self, fresh: &[Attached]) -> Result<Vec<Attached>, Error> {
        let find = |name: &str| fresh.iter().find(|how| how.interface == name);
        let linked: BTreeSet<String> =
            self.pins.linked().into_iter().filter(|name| find(name).is_none()).collect();
        let attached = self.attacher().attach_each(&self.plan.interfaces, &linked, find)?;
        for name in linked.iter().filter(|name| !self.plan.interfaces.contains(*name)) {
            self.pins.unlink(name)?;
        }
        Ok(attached)
    }

    fn attacher(&self) -> Attacher<'_> {
        Attacher { program: self.loaded.main(), shield: &self.plan, pins: &self.pins }
    }

    /// Looks whether the program still sits on an interface, and puts it back if it does not.
    fn look_after(&self, before: &Attached) -> Result<Attached, Error> {
        let name = &before.interface;
        let lost = |why: String| Attached { interface: name.clone(), placement: Placement::Off, why };
        let interface =
            Interface::find(name).map_err(|error| Error::os(format!("look at {name}"), &error))?;
        let Some(interface) = interface else { return Ok(lost("the interface is gone".to_owned())) };
        let link = self.pins.link(name)?;
        let holds = link
            .is_some_and(|link| link.index == interface.index && interface.program() == Some(link.program));
        if holds && before.placement != Placement::Off {
            return Ok(before.clone());
        }
        // Still refused is no reason to stop looking after the other interfaces.
        Ok(self.attacher().attach(name).unwrap_or_else(|error| lost(error.complaint().why.clone())))
    }
}

fn random() -> Result<[u64; 2], Error> {
    let mut bytes = [0; 16];
    let source = std::fs::File::open("/dev/urandom")
        .and_then(|mut file| std::io::Read::read_exact(&mut file, &mut bytes));
    source.map_err(|error| Error::os("read /dev/urandom", &error))?;
    let [high, low] =
        [bytes.first_chunk::<8>(), bytes.last_chunk::<8>()].map(|half| half.copied().unwrap_or_default());
    Ok([u64::from_ne_bytes(high), u64::from_ne_bytes(low)])
}
