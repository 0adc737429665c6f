//! Puts the program on interfaces and keeps it there: native, else generic, else off; replaced without a gap.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use serde::Serialize;
use weir_plan::shield::{Attach, OnAttachFailure, Shield};

use crate::bpf::{self, FLAG_GENERIC, FLAG_NATIVE};
use crate::netlink::Interface;
use crate::pins::Pins;
use crate::{Complaint, Error};

/// How the program sits on an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Placement {
    /// In the driver, before a packet buffer exists.
    Native,
    /// In the network stack.
    Generic,
    /// Nowhere: the policies in user space hold alone.
    Off,
}

impl Placement {
    /// The name, as it appears in metrics and messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Generic => "generic",
            Self::Off => "off",
        }
    }
}

/// An interface of the plan and how it is protected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Attached {
    /// The interface.
    pub interface: String,
    /// How the program sits there.
    pub placement: Placement,
    /// Why it does not sit as well as it could; empty if it does.
    pub why: String,
}

/// The program, the plan and the pins: what attaching to one interface needs.
pub(crate) struct Attacher<'a> {
    pub(crate) program: BorrowedFd<'a>,
    pub(crate) shield: &'a Shield,
    pub(crate) pins: &'a Pins,
}

/// The largest MTU that fits into one page with the headroom of XDP, by the measure of the virtual drivers.
const NATIVE_MTU_MAX: u32 = 3506;

impl Attacher<'_> {
    /// Puts the program on an interface. A link that is already there gets the new program between two packets.
    pub(crate) fn attach(&self, name: &str) -> Result<Attached, Error> {
        let Some(interface) = look(name)? else {
            let said =
                Complaint::new(format!("attach to {name}"), "there is no such interface", "see `ip link`");
            return self.fall_back(name, Error::Unavailable(said));
        };
        if let Some(placement) = self.take_over(name, &interface)? {
            return Ok(Attached { interface: name.to_owned(), placement, why: String::new() });
        }
        // Our own link has let go if it was of no use, so what is there now is not ours.
        match look(name)?.and_then(|now| now.program()) {
            Some(id) => self.fall_back(name, foreign(name, id)),
            None => self.place(name, &interface),
        }
    }

    /// Puts the program on each interface that `known` does not say it sits on. After an error it is taken off those that were
    /// not `linked` before.
    pub(crate) fn attach_each<'k>(
        &self,
        names: &[String],
        linked: &BTreeSet<String>,
        known: impl Fn(&str) -> Option<&'k Attached>,
    ) -> Result<Vec<Attached>, Error> {
        let mut attached: Vec<Attached> = names.iter().filter_map(|name| known(name)).cloned().collect();
        for name in names.iter().filter(|name| known(name).is_none()) {
            match self.attach(name) {
                Ok(how) => attached.push(how),
                Err(error) => {
                    let fresh = attached.iter().filter(|how| !linked.contains(&how.interface));
                    fresh.for_each(|how| drop(self.pins.unlink(&how.interface)));
                    return Err(error);
                }
            }
        }
        attached.sort_by_key(|how| names.iter().position(|name| *name == how.interface));
        Ok(attached)
    }

    /// Renews the pinned link of an earlier weir, if it still holds this interface.
    fn take_over(&self, name: &str, interface: &Interface) -> Result<Option<Placement>, Error> {
        let Some(link) = self.pins.link(name)? else { return Ok(None) };
        let placement = if interface.native == link.program { Placement::Native } else { Placement::Generic };
        let wanted = match self.shield.attach {
            Attach::Auto => true,
            Attach::Native => placement == Placement::Native,
            Attach::Generic => placement == Placement::Generic,
        };
        if link.index != interface.index || interface.program().is_none() || !wanted {
            // The interface was made anew, or the plan wants another mode: the link is of no use.
            self.pins.unlink(name)?;
            return Ok(None);
        }
        let wrong = |error: io::Error| Error::os(format!("replace the program on {name}"), &error);
        // To replace a program by itself would wait for every packet that is being judged.
        if bpf::program_id(self.program).map_err(wrong)? != link.program {
            bpf::replace(link.fd.as_fd(), self.program).map_err(wrong)?;
        }
        Ok(Some(placement))
    }

    fn place(&self, name: &str, interface: &Interface) -> Result<Attached, Error> {
        let sits = |placement, why| Ok(Attached { interface: name.to_owned(), placement, why });
        let mut why = String::new();
        if self.shield.attach != Attach::Generic {
            let Err(error) = self.link(name, interface, FLAG_NATIVE) else {
                return sits(Placement::Native, why);
            };
            let error = refusal(name, interface, &error);
            let is_taken =
                Interface::find(name).is_ok_and(|now| now.is_some_and(|now| now.program().is_some()));
            if is_taken
                || self.shield.attach == Attach::Native
                || self.shield.on_attach_failure != OnAttachFailure::Generic
            {
                return self.fall_back(name, error);
            }
            why = format!("native mode: {}", error.complaint().why);
        }
        match self.link(name, interface, FLAG_GENERIC).map_err(|error| refusal(name, interface, &error)) {
            Ok(()) => sits(Placement::Generic, why),
            Err(error) if self.shield.on_attach_failure == OnAttachFailure::Generic => {
                sits(Placement::Off, format!("{why}; generic mode: {}", error.complaint().why))
            }
            Err(error) => self.fall_back(name, error),
        }
    }

    fn link(&self, name: &str, interface: &Interface, flags: u32) -> io::Result<()> {
        let link = bpf::attach(self.program, interface.index, flags)?;
        bpf::pin(link.as_fd(), &self.pins.link_path(name))
    }

    /// Leaves the interface to user space where the plan allows it.
    fn fall_back(&self, name: &str, error: Error) -> Result<Attached, Error> {
        if self.shield.on_attach_failure == OnAttachFailure::Userspace {
            let why = error.complaint().why.clone();
            return Ok(Attached { interface: name.to_owned(), placement: Placement::Off, why });
        }
        Err(error)
    }
}

fn look(name: &str) -> Result<Option<Interface>, Error> {
    Interface::find(name).map_err(|error| Error::os(format!("look at {name}"), &error))
}

/// The complaint about a program that is not ours.
fn foreign(name: &str, id: u32) -> Error {
    // The name takes CAP_SYS_ADMIN; the number alone is enough to find the program by.
    let called = bpf::program_name(id).map(|name| format!(" ({name})")).unwrap_or_default();
    Error::unavailable(
        format!("attach to {name}"),
        format!("the XDP program {id}{called} owns the interface"),
        format!("stop what put it there, or take it off with `ip link set dev {name} xdp off`"),
    )
}

/// Sorts a refusal to attach by what the operator can do about it.
fn refusal(name: &str, interface: &Interface, error: &io::Error) -> Error {
    let what = format!("attach to {name}");
    match error.raw_os_error() {
        Some(libc::EBUSY) => match Interface::find(name).ok().flatten().and_then(|now| now.program()) {
            Some(id) => foreign(name, id),
            None => {
                Error::unavailable(what, "another XDP program owns the interface", "stop what put it there")
            }
        },
        Some(libc::EOPNOTSUPP) => {
            Error::unavailable(what, "the driver has no native XDP", "say `attach: generic`")
        }
        _ if interface.mtu > NATIVE_MTU_MAX => {
            let why = format!("the MTU of {} does not fit into one page ({error})", interface.mtu);
            let mend = format!(
                "run `ip link set dev {name} mtu {NATIVE_MTU_MAX}` or less, or say `attach: generic`"
            );
            Error::unavailable(what, why, mend)
        }
        _ => Error::os(what, error),
    }
}
