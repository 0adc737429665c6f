//! Lists and rules on their way into the kernel. A draft holds nothing of the shield: reading a million lines, and writing
//! them, is for a thread that has time.

use std::collections::BTreeSet;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use ipnet::IpNet;
use weir_plan::shield::Shield as Plan;
use weir_wire::list::image::Image;

use super::{Shield, random};
use crate::attach::{Attached, Attacher};
use crate::bans::{Protected, protected};
use crate::host::Host;
use crate::lists::Gathered;
use crate::pins::Pins;
use crate::rules;
use crate::sysctl::{self, Cookies};
use crate::tables::Tables;
use crate::{Complaint, Error};

/// A plan that is to be put in force.
#[derive(Debug)]
pub struct Draft {
    plan: Plan,
    host: Host,
    pins: Pins,
    /// Those of the shield; of one that is not up yet, those that are pinned.
    tables: Option<Arc<Tables>>,
    salt: Option<[u64; 2]>,
    protected: Protected,
    program: Option<Running>,
}

/// The program of a shield that is up, and the interfaces that it looks after.
#[derive(Debug)]
struct Running {
    program: OwnedFd,
    interfaces: BTreeSet<String>,
}

/// A plan that is compiled, and can be written.
pub struct Compiled {
    draft: Draft,
    image: Box<Image>,
    complaints: Vec<Complaint>,
    entries: usize,
    /// Interfaces that the shield looked after nothing on, and the program sits on now.
    fresh: Vec<Attached>,
}

impl Draft {
    pub(super) fn new(plan: &Plan, host: &Host, pins: Pins, protected: Protected) -> Self {
        Self {
            plan: plan.clone(),
            host: host.clone(),
            pins,
            tables: None,
            salt: None,
            protected,
            program: None,
        }
    }

    /// Who is never banned and never dropped by it.
    pub(super) const fn protects(&self) -> &Protected {
        &self.protected
    }

    /// Reads the files and compiles everything. The kernel is not touched.
    ///
    /// # Errors
    /// What is wrong in the plan or its files.
    pub fn compile(self) -> Result<Compiled, Error> {
        let gathered = Gathered::read(&self.plan, self.protected.iter().map(|(network, _)| network))?;
        rules::compile(&self.plan, Cookies::of_machine(&self.host), [0, 0])?;
        let (entries, complaints) = (gathered.len(), gathered.complaints.clone());
        Ok(Compiled {
            draft: self,
            image: Box::new(gathered.compile()?),
            complaints,
            entries,
            fresh: Vec::new(),
        })
    }
}

impl Compiled {
    /// Uses the salt of the rules that were in force before, if there were any.
    pub(super) const fn keep_salt(&mut self, salt: Option<[u64; 2]>) {
        self.draft.salt = salt;
    }

    /// Puts rules and lists in force, and the program of a running shield on interfaces that are new. The salt stays for as
    /// long as the tables do, so that a reload forgives nobody.
    ///
    /// # Errors
    /// What the kernel refused. Unless it has let the lists in and not the rules or the program, all is as before.
    pub fn write(&mut self) -> Result<(), Error> {
        let Draft { plan, host, pins, tables, salt, .. } = &mut self.draft;
        let tables = match tables {
            Some(tables) => Arc::clone(tables),
            None => Arc::new(Tables::open(&pins.directory)?),
        };
        let used = salt.map_or_else(random, Ok)?;
        *salt = Some(used);
        tables.set_lists(&mut self.image)?;
        tables.set_rules(&*rules::compile(plan, Cookies::of_machine(host), used)?)?;
        self.fresh = self.attach()?;
        Ok(())
    }

    /// To attach may set a network card up anew, and waits for all its packets.
    fn attach(&self) -> Result<Vec<Attached>, Error> {
        let Draft { plan, pins, program, .. } = &self.draft;
        let Some(Running { program, interfaces }) = program else { return Ok(Vec::new()) };
        let linked: BTreeSet<String> = pins.linked().into_iter().collect();
        let is_new = |name: &&String| !interfaces.contains(*name) && !linked.contains(*name);
        let new: Vec<String> = plan.interfaces.iter().filter(is_new).cloned().collect();
        Attacher { program: program.as_fd(), shield: plan, pins }.attach_each(&new, &linked, |_| None)
    }
}

impl Shield {
    /// What it takes to obey a plan. Of what is protected, `dependencies` are those that the plan does not name.
    #[must_use]
    pub fn draft(&self, plan: &Plan, dependencies: &[(IpNet, &'static str)]) -> Draft {
        let protected = protected::of_plan(plan, &self.host, dependencies);
        let interfaces = self.attached.iter().map(|how| how.interface.clone()).collect();
        // Without a descriptor to spare the program is attached when the plan is adopted.
        let program = self.loaded.main().try_clone_to_owned().ok();
        Draft {
            program: program.map(|program| Running { program, interfaces }),
            salt: self.salt,
            tables: Some(Arc::clone(&self.tables)),
            ..Draft::new(plan, &self.host, self.pins.clone(), protected)
        }
    }

    /// Obeys a plan whose lists and rules are written: bans, interfaces and sysctls follow.
    ///
    /// # Errors
    /// What the kernel refused.
    pub fn adopt(
        &mut self,
        written: Compiled,
        dependencies: Vec<(IpNet, &'static str)>,
    ) -> Result<(), Error> {
        let Compiled { draft: Draft { plan, protected, salt, .. }, complaints, entries, fresh, .. } = written;
        let before = std::mem::replace(&mut self.plan, plan);
        (self.entries, self.dependencies, self.salt) = (entries, dependencies, salt);
        if (before.sysctls, before.syn_guard.when) != (self.plan.sysctls, self.plan.syn_guard.when) {
            self.set_sysctls()?;
        }
        self.complaints.extend(complaints);
        let mask = rules::high_bits(self.plan.limits.source.v6_bits);
        self.bans.set_terms(self.plan.bans.clone(), protected, mask)?;
        self.attached = self.attach_all(&fresh)?;
        Ok(())
    }

    /// Sets the sysctls that the plan asks for. What the rules say of cookies depends on them.
    fn set_sysctls(&mut self) -> Result<(), Error> {
        self.changes.restore()?;
        (self.changes, self.complaints) =
            sysctl::apply(&self.host, self.plan.sysctls, self.plan.syn_guard.when);
        let Some(salt) = self.salt else { return Ok(()) };
        self.tables.set_rules(&*rules::compile(&self.plan, Cookies::of_machine(&self.host), salt)?)
    }
}
