//! `shield`: what the kernel judges before any socket sees it.

mod bans;
mod limits;
mod lists;

use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::reader::Reader;
use crate::section::{section, words};
use crate::span::{At, Span};
use crate::value::{Checked, Cidr, FilePath, Name, Port};

pub use bans::Bans;
pub use limits::{CookieMode, OnePort, PerPort, PerPrefix, PerSource, SynGuard};
pub use lists::{AddressList, BadLine, ListFile};

section! {
    /// What the kernel judges before any socket sees it.
    pub struct Shield "shield" [checked] {
        /// Interfaces it is attached to; left out, those with a default route.
        pub interfaces: Vec<At<Name>>,
        /// `enforce` drops, `observe` only counts what it would drop, `off` looks at nothing.
        pub mode: At<Mode> = Mode::Enforce,
        /// Ports that it judges; left out, those of `listeners`. Other traffic passes untouched.
        pub protect: Vec<At<Port>>,
        /// Ports that are closed to the outside whatever listens there.
        pub closed: Vec<At<Port>>,
        /// Networks never dropped and never banned: your own.
        pub trusted: Vec<At<Cidr>>,
        /// Networks that lists and bans do not concern; limits do.
        pub allow: Option<At<AddressList>>,
        /// Networks whose packets are dropped. The longest prefix wins over `allow`; of two equal ones `deny` does.
        pub deny: Option<At<AddressList>>,
        /// Let `allow` win over a `deny` of equal length.
        pub allow_wins_ties: At<bool> = false,
        /// Malformed packets: impossible flags, lengths and addresses.
        pub malformed: At<Stage>,
        /// Fragments of which the first part was not seen.
        pub late_fragments: At<Stage> = Stage { mode: Some(At::implied(Mode::Off)) },
        /// What one source may send.
        pub per_source: At<Box<PerSource>>,
        /// What a whole network may send together.
        pub per_prefix: Option<At<PerPrefix>>,
        /// What one protected port may receive from everyone together.
        pub per_port: Option<At<PerPort>>,
        /// Answers floods of connection attempts with cookies.
        pub syn_guard: At<Box<SynGuard>>,
        /// How long offenders are shut out.
        pub bans: At<Box<Bans>>,
        /// How it is attached.
        pub attach: At<Attach> = Attach::Auto,
        /// What happens if it cannot be attached.
        pub on_attach_failure: At<AttachFailure> = AttachFailure::Userspace,
        /// What happens to it when the program ends.
        pub on_exit: At<OnExit> = OnExit::Keep,
        /// Where program, lists and bans are kept while no process runs: a directory on a bpffs. Another one takes a restart.
        pub pin_directory: At<FilePath> = FilePath("/sys/fs/bpf/weir".to_owned()),
        /// Mount a bpffs for it where there is none; only a start does.
        pub mount_bpffs: At<bool> = false,
        /// Change the kernel settings that a stage needs, and put them back at the end.
        pub set_sysctls: At<bool> = false,
        /// Events reported per second; further ones are only counted.
        pub events_per_second: At<u32> = 1_000,
    }
}

impl Checked for Shield {
    fn check(&self, _span: Span, reader: &mut Reader<'_>) {
        for port in &self.closed {
            if let Some(other) = self.protect.iter().find(|other| other.value == port.value) {
                let found =
                    Diagnostic::new(Code::Conflict, port.span, "this port is both protected and closed");
                reader.push(found.also(other.span, "protected here").hint("Keep one of the two."));
            }
        }
        for name in &self.interfaces {
            // The kernel holds the name of an interface in 16 bytes, one of them for the end.
            if name.len() > 15 {
                reader.push(Diagnostic::new(
                    Code::Name,
                    name.span,
                    "the name of an interface has at most 15 characters",
                ));
            }
        }
    }
}

words! {
    /// Whether a stage acts.
    pub enum Mode "a mode" {
        /// It does not look.
        Off = "off",
        /// It counts what it would drop, and passes it.
        Observe = "observe",
        /// It drops.
        Enforce = "enforce",
    }
}

section! {
    /// A stage of which only the mode can be set.
    pub struct Stage "stage" [short] {
        /// Its mode; left out, that of the shield.
        pub mode: Option<At<Mode>>,
    }
}

impl crate::value::Short for Stage {
    fn short(node: &crate::node::Node, reader: &mut Reader<'_>) -> Option<Self> {
        let mode = <Mode as crate::value::Value>::read(node, reader)?;
        Some(Self { mode: Some(At::new(mode, node.span)) })
    }

    fn short_shape() -> crate::shape::Shape {
        <Mode as crate::value::Leaf>::shape()
    }
}

words! {
    /// How the kernel program is attached.
    pub enum Attach "a way to attach" {
        /// Native if the driver can, else generic.
        Auto = "auto",
        /// In the driver only.
        Native = "native",
        /// In the network stack, with any driver.
        Generic = "generic",
    }
}

words! {
    /// What happens if the kernel program cannot be attached.
    pub enum AttachFailure "what to do then" {
        /// Start without it; lists, limits and bans hold where connections are accepted.
        Userspace = "userspace",
        /// Do not start.
        Refuse = "refuse",
    }
}

words! {
    /// What happens to the kernel program when weir ends.
    pub enum OnExit "what to do then" {
        /// It stays and goes on protecting.
        Keep = "keep",
        /// It is taken off.
        Detach = "detach",
    }
}
