//! What this process may do beyond any other's: from before it reads its configuration on, as little as it needs.
//!
//! Whoever starts it may hold more, root most of all. The rest is given up for good, by this thread and by those that it will
//! start; nothing that they execute gains it anew, and a successor has what this process has.

use caps::{CapSet, Capability, CapsHashSet};
use nix::sys::prctl::set_no_new_privs;
use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit, setrlimit};
use std::fmt::Display;

/// Ports below 1024; interfaces; programs and tables in the kernel; arithmetic on packet pointers in them.
const KEPT: [Capability; 4] = [
    Capability::CAP_NET_BIND_SERVICE,
    Capability::CAP_NET_ADMIN,
    Capability::CAP_BPF,
    Capability::CAP_PERFMON,
];

/// Kept until the program serves: a bpffs may have to be mounted.
const AT_FIRST: Capability = Capability::CAP_SYS_ADMIN;

/// Powers that are about to be given up.
#[must_use = "some are held until they are settled"]
pub(crate) struct Powers {
    /// None where all are kept, because somebody wished it.
    kept: Option<CapsHashSet>,
    /// How many there were.
    held: usize,
    /// What could not be given up, and why.
    trouble: Option<String>,
}

impl Powers {
    /// Gives up everything but what the program needs or may need while it starts.
    pub(crate) fn lay_down() -> Self {
        let held = caps::read(None, CapSet::Permitted).unwrap_or_default();
        let mut kept: CapsHashSet = KEPT.into();
        if !locks_memory_freely() {
            kept.insert(Capability::CAP_IPC_LOCK);
        }
        let at_first = kept.iter().copied().chain([AT_FIRST]).collect();
        let trouble = bound(&kept)
            .and_then(|()| restrict(&at_first))
            .and_then(|()| set_no_new_privs().map_err(|error| error.to_string()));
        Self { kept: Some(kept), held: held.len(), trouble: trouble.err() }
    }

    /// Keeps everything.
    pub(crate) fn keep() -> Self {
        Self { kept: None, held: 0, trouble: None }
    }

    /// Everything that takes more is done: gives the rest up and says what is left.
    pub(crate) fn settle(mut self) {
        let Some(kept) = &self.kept else {
            return tracing::warn!("this process keeps all of its powers, as --privileged wishes");
        };
        self.trouble = self.trouble.or(restrict(kept).err());
        let left = caps::read(None, CapSet::Permitted).unwrap_or_default();
        if let Some(why) = self.trouble {
            return tracing::warn!(
                "what this process need not do could not be given up: {why}; it may {}",
                named(&left)
            );
        }
        let given_up = self.held.saturating_sub(left.len());
        tracing::info!(
            "this process may {} and nothing else of root; {given_up} powers are given up",
            named(&left)
        );
    }
}

/// Memory that rings and buffers lock counts against a limit, which the unit lifts. Whether it is lifted, by this process if it may.
fn locks_memory_freely() -> bool {
    let lifted = || setrlimit(Resource::RLIMIT_MEMLOCK, RLIM_INFINITY, RLIM_INFINITY).is_ok();
    getrlimit(Resource::RLIMIT_MEMLOCK).is_ok_and(|(soft, _)| soft == RLIM_INFINITY) || lifted()
}

/// Lets nothing that is executed have more than this. It takes a power of its own, without which nothing could be gained anyway.
fn bound(kept: &CapsHashSet) -> Result<(), String> {
    if !caps::has_cap(None, CapSet::Effective, Capability::CAP_SETPCAP).map_err(told)? {
        return Ok(());
    }
    let all = caps::read(None, CapSet::Bounding).map_err(told)?;
    all.difference(kept).try_for_each(|one| caps::drop(None, CapSet::Bounding, *one)).map_err(told)
}

/// Holds no more than this, and hands no more on. Each set contains the one before it.
fn restrict(kept: &CapsHashSet) -> Result<(), String> {
    for set in [CapSet::Inheritable, CapSet::Effective, CapSet::Permitted] {
        let held = caps::read(None, set).map_err(told)?;
        let rest: CapsHashSet = held.intersection(kept).copied().collect();
        if rest.len() < held.len() {
            caps::set(None, set, &rest).map_err(told)?;
        }
    }
    Ok(())
}

fn told(error: impl Display) -> String {
    error.to_string()
}

fn named(powers: &CapsHashSet) -> String {
    let mut names: Vec<String> = powers.iter().map(ToString::to_string).collect();
    names.sort();
    if names.is_empty() { String::from("do what everybody may") } else { format!("use {}", names.join(" ")) }
}
