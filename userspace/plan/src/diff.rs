//! What changes when one plan takes the place of another, in words: what is touched, and what that means for those
//! who are connected.

mod effect;
mod leaves;

use std::collections::HashMap;
use std::fmt;

use weir_schema::Config;
use weir_schema::value::{Map, Value};

use crate::Plan;
use crate::compile::listener_name;
use crate::tls::CertificateRecord;
pub(crate) use effect::Calm;
pub use leaves::Leaf;
use leaves::leaves;

/// What changes from one plan to the next. Nothing changes where it is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diff {
    /// Every part that is touched.
    pub changes: Vec<Change>,
}

/// One part that is touched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which kind of part.
    pub part: Part,
    /// Its name; empty for parts of which there is one.
    pub name: String,
    /// What becomes of it.
    pub fate: Fate,
    /// The settings that differ, of a part that stays.
    pub leaves: Vec<Leaf>,
    /// What it means for connections and requests, as a sentence.
    pub effect: String,
}

/// Settings that only a start obeys, because something that cannot be moved was made by them: the section, and how their
/// paths in it begin. Memory for buffers is registered with the kernel; what is pinned is found by its directory.
const AT_START: &[(Part, &str)] =
    &[(Part::Limits, "buffer_memory"), (Part::Shield, "pin_directory"), (Part::Shield, "mount_bpffs")];

impl Change {
    /// The settings of it that a reload does not bring into force, but a restart does.
    pub fn at_start(&self) -> impl Iterator<Item = &Leaf> {
        let only = |leaf: &&Leaf| {
            AT_START.iter().any(|(part, path)| {
                // A whole section that comes or goes is one setting.
                let within = path.strip_prefix(&leaf.path).is_some_and(|rest| rest.starts_with('.'));
                *part == self.part && (within || leaf.path.starts_with(path))
            })
        };
        self.leaves.iter().filter(only)
    }
}

/// A kind of part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each is the section of the configuration of that name")]
pub enum Part {
    Listener,
    Route,
    Upstream,
    Policy,
    Consumer,
    Certificate,
    Tls,
    Shield,
    Limits,
    Telemetry,
    Admin,
}

/// What becomes of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fate {
    /// It is new.
    Added,
    /// It goes.
    Removed,
    /// It stays under its name, with other settings.
    Changed,
}

impl Diff {
    /// Nothing changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// What a reload would do about it, in a sentence.
    #[must_use]
    pub fn summary(&self) -> String {
        let count = match self.changes.len() {
            0 => return "Nothing differs.".to_owned(),
            1 => "1 part differs".to_owned(),
            count => format!("{count} parts differ"),
        };
        let late = self.changes.iter().flat_map(|change| {
            change.at_start().map(|leaf| format!("`{}.{}`", change.part.as_str(), leaf.path))
        });
        let late: Vec<String> = late.collect();
        match late.len() {
            0 => format!("{count}; a reload takes everything."),
            _ => format!(
                "{count}; a reload takes everything but {}, for which weir must be restarted.",
                late.join(", ")
            ),
        }
    }
}

/// What changes from `before` to `after`. Plans that no configuration made are not compared.
#[must_use]
pub fn diff(before: &Plan, after: &Plan) -> Diff {
    let mut diff = Diff::default();
    if let (Some(old), Some(new)) = (&before.written, &after.written) {
        let both = Both { before, after, old, new };
        diff.listeners(&both);
        diff.routes(&both);
        diff.upstreams(&both);
        diff.map(Part::Policy, &old.policies, &new.policies, effect::policy);
        diff.map(Part::Consumer, &old.consumers, &new.consumers, effect::consumer);
        diff.one(Part::Tls, &old.tls.value, &new.tls.value);
        diff.one(Part::Shield, &*old.shield.value, &*new.shield.value);
        diff.one(Part::Limits, &old.limits.value, &new.limits.value);
        diff.one(Part::Telemetry, &old.telemetry.value, &new.telemetry.value);
        diff.one(Part::Admin, &old.admin.value, &new.admin.value);
    }
    diff.certificates(&before.records(), &after.records());
    diff
}

/// Two plans and what they were compiled from.
struct Both<'a> {
    before: &'a Plan,
    after: &'a Plan,
    old: &'a Config,
    new: &'a Config,
}

impl Diff {
    fn listeners(&mut self, both: &Both<'_>) {
        let name = |listener: &weir_schema::At<weir_schema::listener::Listener>| listener_name(listener);
        let old = both.old.listeners.iter().map(|it| (name(it), &it.value)).collect();
        let new = both.new.listeners.iter().map(|it| (name(it), &it.value)).collect();
        self.named(Part::Listener, old, new, |name, _, _| effect::listener(both.before, both.after, name));
    }

    fn routes(&mut self, both: &Both<'_>) {
        let [old, new] = [both.old, both.new].map(|config| {
            let mut seen: HashMap<String, usize> = HashMap::new();
            let label = |route: &weir_schema::At<weir_schema::route::Route>| {
                let label = route.label();
                let count = seen.entry(label.clone()).or_default();
                *count += 1;
                // Routes without a name may look alike; they are told apart by their order.
                if *count == 1 { label } else { format!("{label} ({count})") }
            };
            config.routes.iter().map(label).zip(config.routes.iter().map(|it| &it.value)).collect::<Vec<_>>()
        });
        if is_reordered(&old, &new) {
            self.changes.push(Change {
                part: Part::Route,
                name: String::new(),
                fate: Fate::Changed,
                leaves: Vec::new(),
                effect: "The order of routes changes, which decides between those that are alike.".to_owned(),
            });
        }
        let drain_s = both.after.limits.drain_timeout.as_secs();
        self.named(Part::Route, old, new, |_, old, new| effect::route(old.is_some(), new.is_some(), drain_s));
    }

    fn upstreams(&mut self, both: &Both<'_>) {
        self.map(Part::Upstream, &both.old.upstreams, &both.new.upstreams, |name, _, _| {
            effect::upstream(both.before, both.after, name)
        });
    }

    fn map<T: Value + PartialEq>(
        &mut self,
        part: Part,
        old: &Map<T>,
        new: &Map<T>,
        effect: impl Fn(&str, Option<&T>, Option<&T>) -> String,
    ) {
        let [old, new] = [old, new].map(|map| {
            map.iter().map(|(name, value)| (name.value.clone(), &value.value)).collect::<Vec<_>>()
        });
        self.named(part, old, new, effect);
    }

    /// Parts that are told apart by name.
    fn named<T: Value + PartialEq>(
        &mut self,
        part: Part,
        old: Vec<(String, &T)>,
        new: Vec<(String, &T)>,
        effect: impl Fn(&str, Option<&T>, Option<&T>) -> String,
    ) {
        let names: HashMap<String, &T> = old.iter().cloned().collect();
        let stay: HashMap<String, &T> = new.iter().cloned().collect();
        for (name, old) in old.into_iter().filter(|(name, _)| !stay.contains_key(name)) {
            let effect = effect(&name, Some(old), None);
            self.changes.push(Change { part, name, fate: Fate::Removed, leaves: Vec::new(), effect });
        }
        for (name, new) in new {
            let old = names.get(&name).copied();
            if old == Some(new) {
                continue;
            }
            let effect = effect(&name, old, Some(new));
            let leaves = old.map(|old| leaves(&old.show(), &new.show())).unwrap_or_default();
            let fate = if old.is_some() { Fate::Changed } else { Fate::Added };
            self.changes.push(Change { part, name, fate, leaves, effect });
        }
    }

    /// A part of which there is one.
    fn one<T: Value + PartialEq>(&mut self, part: Part, old: &T, new: &T) {
        if old != new {
            let leaves = leaves(&old.show(), &new.show());
            let effect = effect::one(part, &leaves);
            self.changes.push(Change { part, name: String::new(), fate: Fate::Changed, leaves, effect });
        }
    }

    /// Certificates are what the files hold, so they change without a word of the configuration.
    fn certificates(&mut self, old: &[CertificateRecord], new: &[CertificateRecord]) {
        let name = |record: &CertificateRecord| format!("{} for {}", record.source, record.names.join(", "));
        let mut push = |record: &CertificateRecord, fate| {
            let effect = effect::certificate(record, fate);
            self.changes.push(Change {
                part: Part::Certificate,
                name: name(record),
                fate,
                leaves: Vec::new(),
                effect,
            });
        };
        let twin = |list: &[CertificateRecord], record: &CertificateRecord| {
            list.iter()
                .find(|other| name(other) == name(record) && other.algorithm == record.algorithm)
                .cloned()
        };
        for record in old.iter().filter(|record| twin(new, record).is_none()) {
            push(record, Fate::Removed);
        }
        for record in new {
            match twin(old, record) {
                None => push(record, Fate::Added),
                Some(before) if before.digest != record.digest => push(record, Fate::Changed),
                Some(_) => {}
            }
        }
    }
}

/// Those that stay do so in another order.
fn is_reordered<T>(old: &[(String, T)], new: &[(String, T)]) -> bool {
    let places: HashMap<&str, usize> = old.iter().map(|(name, _)| name.as_str()).zip(0..).collect();
    let places: Vec<usize> = new.iter().filter_map(|(name, _)| places.get(name.as_str()).copied()).collect();
    !places.is_sorted()
}

impl Part {
    /// Its name in messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Listener => "listener",
            Self::Route => "route",
            Self::Upstream => "upstream",
            Self::Policy => "policy",
            Self::Consumer => "consumer",
            Self::Certificate => "certificate",
            Self::Tls => "tls",
            Self::Shield => "shield",
            Self::Limits => "limits",
            Self::Telemetry => "telemetry",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Diff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.changes.iter().try_for_each(|change| write!(f, "{change}"))
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.fate {
            Fate::Added => '+',
            Fate::Removed => '-',
            Fate::Changed => '~',
        };
        let name = if self.name.is_empty() { String::new() } else { format!(" `{}`", self.name) };
        writeln!(f, "{mark} {}{name}: {}", self.part.as_str(), self.effect)?;
        self.leaves.iter().try_for_each(|leaf| writeln!(f, "    {leaf}"))
    }
}

#[cfg(test)]
mod tests;
