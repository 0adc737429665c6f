//! One target as everybody sees it: what checks say, whether it is left out, what an operator wants of it.
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use weir_plan::upstream::Passive;

/// No check has said anything.
const UNASKED: u8 = 0;
/// Checks say that it is well.
const WELL: u8 = 1;
/// Checks say that it is not.
const ILL: u8 = 2;
/// The weight is that of the configuration.
const AS_WRITTEN: u32 = u32::MAX;
/// A target that warms up gets this part of its share at least, or it would never be warm.
const WARM_MIN: f64 = 0.1;

/// The state of one target. Moments are milliseconds of the board's clock.
#[derive(Debug)]
pub(crate) struct Pulse {
    checked: AtomicU8,
    drained: AtomicBool,
    weight: AtomicU32,
    /// Left out until then, for failing the requests of clients.
    out_until: AtomicU64,
    /// How often it has been left out in a row.
    ejections: AtomicU32,
    /// Since when it is in use; 0 is since ever.
    since: AtomicU64,
    complaint: Mutex<String>,
}

/// How a target does, the gravest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// An operator has taken it out of use.
    Drained,
    /// Its checks fail.
    Ill,
    /// It is left out for a while, because it failed the requests of clients.
    Out,
    /// It is used.
    Up,
}

impl State {
    /// All of them.
    pub const ALL: [State; 4] = [State::Drained, State::Ill, State::Out, State::Up];

    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            State::Drained => "drained",
            State::Ill => "ill",
            State::Out => "out",
            State::Up => "up",
        }
    }
}

impl Pulse {
    pub(crate) fn new(since: u64) -> Pulse {
        Pulse {
            checked: AtomicU8::new(UNASKED),
            drained: AtomicBool::new(false),
            weight: AtomicU32::new(AS_WRITTEN),
            out_until: AtomicU64::new(0),
            ejections: AtomicU32::new(0),
            since: AtomicU64::new(since),
            complaint: Mutex::default(),
        }
    }

    /// Nothing speaks against it.
    pub(crate) fn is_well(&self, now: u64) -> bool {
        self.out_until.load(Relaxed) <= now && self.checked.load(Relaxed) != ILL
    }

    /// An operator has taken it out of use.
    pub(crate) fn is_drained(&self) -> bool {
        self.drained.load(Relaxed)
    }

    pub(crate) fn state(&self, now: u64) -> State {
        if self.is_drained() {
            State::Drained
        } else if self.checked.load(Relaxed) == ILL {
            State::Ill
        } else if self.out_until.load(Relaxed) > now {
            State::Out
        } else {
            State::Up
        }
    }

    /// The part of its share that a target gets which was new or well again not long ago.
    pub(crate) fn warmth(&self, now: u64, slow_start: Duration) -> f64 {
        let since = self.since.load(Relaxed);
        if since == 0 {
            return 1.0;
        }
        let in_use = Duration::from_millis(now.saturating_sub(since));
        (in_use.as_secs_f64() / slow_start.as_secs_f64()).clamp(WARM_MIN, 1.0)
    }

    pub(crate) fn drain(&self, drained: bool, now: u64) {
        if self.drained.swap(drained, Relaxed) && !drained {
            self.since.store(now, Relaxed);
        }
    }

    pub(crate) fn weight(&self, written: u32) -> u32 {
        self.weight_set().unwrap_or(written)
    }

    pub(crate) fn weight_set(&self) -> Option<u32> {
        Some(self.weight.load(Relaxed)).filter(|weight| *weight != AS_WRITTEN)
    }

    pub(crate) fn set_weight(&self, weight: Option<u32>) {
        self.weight.store(weight.unwrap_or(AS_WRITTEN), Relaxed);
    }

    /// What a check has found.
    pub(crate) fn report(&self, found: Result<(), String>, now: u64) {
        let state = if found.is_ok() { WELL } else { ILL };
        *self.complaint.lock().unwrap_or_else(PoisonError::into_inner) = found.err().unwrap_or_default();
        if self.checked.swap(state, Relaxed) == ILL && state == WELL {
            self.since.store(now, Relaxed);
        }
    }

    pub(crate) fn forget_checks(&self) {
        self.checked.store(UNASKED, Relaxed);
        self.complaint.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    pub(crate) fn complaint(&self) -> String {
        self.complaint.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Leaves it out, longer each time. Once it has been well for as long as it can be left out, counting begins anew.
    pub(crate) fn eject(&self, passive: &Passive, now: u64) {
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let well_for = now.saturating_sub(self.out_until.load(Relaxed));
        let before = if well_for > ms(passive.eject_max) { 0 } else { self.ejections.load(Relaxed) };
        let times = before.saturating_add(1);
        self.ejections.store(times, Relaxed);
        let until = now.saturating_add(ms(passive.eject.saturating_mul(times).min(passive.eject_max)));
        self.out_until.store(until, Relaxed);
        self.since.store(until, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSIVE: Passive = Passive {
        consecutive_5xx_max: 5,
        consecutive_errors_max: 5,
        eject: Duration::from_secs(30),
        eject_max: Duration::from_secs(100),
        eject_share_max: 0.5,
    };

    #[test]
    fn b48_ejections_grow_to_a_limit_and_are_forgiven() {
        let pulse = Pulse::new(0);
        let mut now = 1_000_000;
        for seconds in [30, 60, 90, 100, 100] {
            pulse.eject(&PASSIVE, now);
            assert_eq!(pulse.state(now), State::Out);
            assert!(!pulse.is_well(now + seconds * 1000 - 1), "{seconds}");
            assert!(pulse.is_well(now + seconds * 1000), "{seconds}");
            now += seconds * 1000;
        }
        now += 100_001;
        pulse.eject(&PASSIVE, now);
        assert!(pulse.is_well(now + 30_000), "after a long time without fault it is the first time again");
    }

    #[test]
    fn b50_who_is_well_again_warms_up() {
        let pulse = Pulse::new(0);
        let slow = Duration::from_secs(10);
        let warmth = |now| pulse.warmth(now, slow);
        assert_eq!(warmth(1), 1.0, "there from the start");
        pulse.report(Ok(()), 1_000);
        assert_eq!(warmth(1_000), 1.0, "the first check decides, and nothing was wrong before");
        pulse.report(Err(String::from("refused")), 2_000);
        assert_eq!((pulse.state(2_000), pulse.complaint()), (State::Ill, String::from("refused")));
        pulse.report(Ok(()), 3_000);
        assert_eq!([warmth(3_000), warmth(8_000), warmth(13_000), warmth(99_000)], [0.1, 0.5, 1.0, 1.0]);
        assert_eq!(pulse.complaint(), "");
    }

    #[test]
    fn an_operator_decides_before_any_check() {
        let pulse = Pulse::new(0);
        pulse.report(Ok(()), 1);
        pulse.drain(true, 1);
        assert_eq!(pulse.state(1), State::Drained);
        pulse.drain(false, 5_000);
        assert_eq!((pulse.state(5_000), pulse.warmth(5_000, Duration::from_secs(1))), (State::Up, 0.1));
        pulse.set_weight(Some(7));
        assert_eq!((pulse.weight(1), pulse.weight_set()), (7, Some(7)));
        pulse.set_weight(None);
        assert_eq!((pulse.weight(1), pulse.weight_set()), (1, None));
    }
}
