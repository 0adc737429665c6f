//! Who is banned, why, since when and for how long next time: pure bookkeeping, time is an argument.
//!
//! The kernel's table holds only what a packet needs (until when, how often hit); all the rest stands here.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use weir_plan::shield::Bans as Terms;

/// Why a source is to be banned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// The reason, as `wire::Reason` spells it.
    pub reason: String,
    /// The rule or policy that asked, or what the operator wrote; cut to [`TEXT_CHARS_MAX`].
    pub rule: String,
    /// The request that led to it, if one did.
    pub request_id: Option<String>,
    /// Whether an operator asked: not subject to the cap per minute.
    pub by_hand: bool,
}

/// How much of a rule's or a request's name is kept, in characters.
pub const TEXT_CHARS_MAX: usize = 120;

/// One ban in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Why.
    #[serde(flatten)]
    pub cause: Cause,
    /// Since when, in seconds of the wall clock.
    pub since_s: u64,
    /// Until when, in seconds of the wall clock.
    pub until_s: u64,
    /// Which ban of this source it is, counted from 1, as far as it is remembered.
    pub nth: u32,
}

/// What is remembered of a ban that has ended, until its count has decayed to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Past {
    /// When it ended, in seconds of the wall clock.
    pub ended_s: u64,
    /// Which ban of this source it was.
    pub nth: u32,
}

impl Entry {
    /// Moves its times, because the clock by which they were kept was set.
    pub(super) const fn shift(&mut self, by_s: i64) {
        self.since_s = self.since_s.saturating_add_signed(by_s);
        self.until_s = self.until_s.saturating_add_signed(by_s);
    }
}

impl Past {
    /// As [`Entry::shift`].
    pub(super) const fn shift(&mut self, by_s: i64) {
        self.ended_s = self.ended_s.saturating_add_signed(by_s);
    }
}

/// Why a ban was not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The source is one that weir must never lock out.
    #[error("it is protected: {0}")]
    Protected(&'static str),
    /// Rules have made too many bans in the last minute.
    #[error("rules have already made {0} bans in the last minute")]
    TooMany(u32),
    /// The table of bans is full.
    #[error("the table of bans is full with {0} entries")]
    Full(u32),
}

/// Everything about bans but the kernel's table.
#[derive(Debug)]
pub struct Ledger {
    terms: Terms,
    entries: HashMap<IpAddr, Arc<Entry>>,
    past: HashMap<IpAddr, Past>,
    minute: Minute,
}

/// Bans that one call of [`Ledger::expire`] ends: each costs whoever calls a word to the kernel and a line of the journal.
/// The kernel lets their packets through in any case.
pub const ENDED_MAX: usize = 4096;

/// Counts bans by rules in a window that slides in steps of one minute.
#[derive(Debug, Default)]
struct Minute {
    began_s: u64,
    count: u32,
}

impl Ledger {
    /// An empty ledger under these terms.
    #[must_use]
    pub fn new(terms: Terms) -> Self {
        Self { terms, entries: HashMap::new(), past: HashMap::new(), minute: Minute::default() }
    }

    /// Changes the terms; bans in force stay as they are.
    pub fn set_terms(&mut self, terms: Terms) {
        self.terms = terms;
    }

    /// Enters a ban. With no `duration` the terms decide, longer each time. Returns the entry to enforce.
    ///
    /// # Errors
    /// The cap per minute and the bound of the table; who is protected is the caller's to know.
    pub fn ban(
        &mut self,
        source: IpAddr,
        duration: Option<Duration>,
        cause: Cause,
        now_s: u64,
    ) -> Result<Entry, Refusal> {
        self.end(source, now_s);
        if !self.entries.contains_key(&source) && self.entries.len() >= self.entries_max() {
            return Err(Refusal::Full(self.terms.entries_max));
        }
        if !cause.by_hand && !self.minute.admit(self.terms.per_minute_max, now_s) {
            return Err(Refusal::TooMany(self.terms.per_minute_max));
        }
        let before = self.entries.get(&source).cloned();
        let nth = self.count(source, now_s).saturating_add(u32::from(before.is_none())).max(1);
        let length =
            duration.unwrap_or_else(|| self.length(nth)).min(self.terms.max.max(Duration::from_secs(1)));
        let until_s = now_s.saturating_add(length.as_secs().max(1));
        // A ban in force is only ever lengthened; an operator may also shorten it.
        let until_s = match &before {
            Some(entry) if !cause.by_hand => until_s.max(entry.until_s),
            _ => until_s,
        };
        let since_s = before.map_or(now_s, |entry| entry.since_s);
        let entry = Entry { cause: cause.cut(), since_s, until_s, nth };
        self.past.remove(&source);
        self.entries.insert(source, Arc::new(entry.clone()));
        Ok(entry)
    }

    /// Takes a ban back and forgets the source. False if there was none.
    pub fn unban(&mut self, source: IpAddr) -> bool {
        self.past.remove(&source);
        self.entries.remove(&source).is_some()
    }

    /// Enters a ban as it was found in the journal or in the kernel's table. False if there is no room.
    pub fn restore(&mut self, source: IpAddr, entry: Entry) -> bool {
        let has_room = self.entries.len() < self.entries_max();
        if has_room {
            self.entries.insert(source, Arc::new(entry));
        }
        has_room
    }

    /// Holds these bans and memories instead of those it held, as far as there is room.
    pub fn replace(&mut self, bans: HashMap<IpAddr, Entry>, past: HashMap<IpAddr, Past>) {
        let room = self.entries_max();
        self.entries = bans.into_iter().take(room).map(|(source, entry)| (source, Arc::new(entry))).collect();
        self.past = past.into_iter().take(room).collect();
    }

    /// What is remembered of a source that is not banned now.
    #[must_use]
    pub fn past_of(&self, source: IpAddr) -> Option<Past> {
        self.past.get(&source).copied()
    }

    /// Everybody who is not banned now and remembered, in no order.
    pub fn past(&self) -> impl Iterator<Item = (IpAddr, Past)> {
        self.past.iter().map(|(&source, &past)| (source, past))
    }

    /// Moves every time that is kept, because the clock by which it was kept was set.
    pub fn shift(&mut self, by_s: i64) {
        self.entries.values_mut().for_each(|entry| Arc::make_mut(entry).shift(by_s));
        self.past.values_mut().for_each(|past| past.shift(by_s));
        self.minute.began_s = self.minute.began_s.saturating_add_signed(by_s);
    }

    /// Moves one ban so that it ends at this time and has lasted as long as before. False if it ends there already, but for
    /// a second or two.
    pub fn end_at(&mut self, source: IpAddr, until_s: u64) -> bool {
        let Some(entry) = self.entries.get_mut(&source) else { return false };
        let differs = entry.until_s.abs_diff(until_s) > 2;
        if differs {
            let entry = Arc::make_mut(entry);
            let length_s = entry.until_s.saturating_sub(entry.since_s);
            (entry.since_s, entry.until_s) = (until_s.saturating_sub(length_s), until_s);
        }
        differs
    }

    /// The ban of a source.
    #[must_use]
    pub fn find(&self, source: IpAddr) -> Option<&Entry> {
        self.entries.get(&source).map(Arc::as_ref)
    }

    /// Every ban in force at this time, in no order.
    pub fn iter(&self, now_s: u64) -> impl Iterator<Item = (IpAddr, &Entry)> {
        self.entries
            .iter()
            .filter(move |(_, entry)| entry.until_s > now_s)
            .map(|(&source, entry)| (source, entry.as_ref()))
    }

    /// The same, to be looked at elsewhere while the ledger goes on.
    #[must_use]
    pub fn snapshot(&self, now_s: u64) -> Vec<(IpAddr, Arc<Entry>)> {
        let holds = |(_, entry): &(&IpAddr, &Arc<Entry>)| entry.until_s > now_s;
        self.entries.iter().filter(holds).map(|(&source, entry)| (source, Arc::clone(entry))).collect()
    }

    /// Lets bans end, up to [`ENDED_MAX`] of them, and memories fade. Returns the sources whose ban has ended.
    pub fn expire(&mut self, now_s: u64) -> Vec<IpAddr> {
        let decay_s = self.decay_s();
        self.past.retain(|_, past| faded(*past, now_s, decay_s) > 0);
        let is_over = |(source, entry): (&IpAddr, &Arc<Entry>)| (entry.until_s <= now_s).then_some(*source);
        let ended: Vec<IpAddr> = self.entries.iter().filter_map(is_over).take(ENDED_MAX).collect();
        ended.iter().for_each(|&source| self.end(source, now_s));
        ended
    }

    /// Lets the ban of a source end if it is over, and remembers it.
    fn end(&mut self, source: IpAddr, now_s: u64) {
        let Some(entry) = self.entries.get(&source).filter(|entry| entry.until_s <= now_s) else { return };
        let past = Past { ended_s: entry.until_s, nth: entry.nth };
        self.entries.remove(&source);
        if self.past.len() < self.entries_max() && faded(past, now_s, self.decay_s()) > 0 {
            self.past.insert(source, past);
        }
    }

    /// Whether there is room for nobody else.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.entries.len() >= self.entries_max()
    }

    /// How many sources are banned or remembered.
    #[must_use]
    pub fn known(&self) -> usize {
        self.entries.len().saturating_add(self.past.len())
    }

    /// How many bans are in the ledger.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nobody is banned.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many bans of this source are remembered.
    fn count(&self, source: IpAddr, now_s: u64) -> u32 {
        if let Some(entry) = self.entries.get(&source) {
            return entry.nth;
        }
        self.past.get(&source).map_or(0, |&past| faded(past, now_s, self.decay_s()))
    }

    /// How long the `nth` ban lasts: first × factor^(nth − 1), at most max.
    fn length(&self, nth: u32) -> Duration {
        let factor = self.terms.factor.max(1).checked_pow(nth.saturating_sub(1)).unwrap_or(u32::MAX);
        self.terms.first.checked_mul(factor).unwrap_or(self.terms.max).min(self.terms.max)
    }

    fn decay_s(&self) -> u64 {
        self.terms.decay.as_secs().max(1)
    }

    fn entries_max(&self) -> usize {
        usize::try_from(self.terms.entries_max).unwrap_or(usize::MAX)
    }
}

/// A count that loses one for every `decay_s` since it was last raised.
fn faded(Past { ended_s, nth }: Past, now_s: u64, decay_s: u64) -> u32 {
    let steps = now_s.saturating_sub(ended_s).checked_div(decay_s).unwrap_or_default();
    nth.saturating_sub(u32::try_from(steps).unwrap_or(u32::MAX))
}

impl Minute {
    fn admit(&mut self, max: u32, now_s: u64) -> bool {
        if now_s.saturating_sub(self.began_s) >= 60 || now_s < self.began_s {
            *self = Self { began_s: now_s, count: 0 };
        }
        let admitted = self.count < max;
        self.count += u32::from(admitted);
        admitted
    }
}

impl Cause {
    /// An operator's wish, in the operator's words.
    #[must_use]
    pub fn by_hand(words: &str) -> Self {
        let reason = weir_wire::Reason::Operator.as_str().to_owned();
        Self { reason, rule: words.to_owned(), request_id: None, by_hand: true }
    }

    /// A rule's verdict.
    #[must_use]
    pub fn by_rule(reason: weir_wire::Reason, rule: &str, request_id: Option<&str>) -> Self {
        Self {
            reason: reason.as_str().to_owned(),
            rule: rule.to_owned(),
            request_id: request_id.map(str::to_owned),
            by_hand: false,
        }
    }

    fn cut(self) -> Self {
        let cut = |text: String| text.chars().take(TEXT_CHARS_MAX).collect();
        Self { rule: cut(self.rule), request_id: self.request_id.map(cut), ..self }
    }
}

#[cfg(test)]
mod tests;
