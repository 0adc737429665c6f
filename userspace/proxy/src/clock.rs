//! The time of one worker, on both clocks.
use std::cell::Cell;
use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use weir_message::http_date;
use weir_policy::Now;
use weir_reactor::now;

/// Wall time without a system call for each question: the wall clock is read once, then the turn's clock is added.
pub(crate) struct Clock {
    wall: Cell<Duration>,
    read: Cell<Instant>,
    date: Cell<(u64, [u8; 29])>,
    /// The same for all workers, also for one that begins later: they count in the same tables.
    start: Cell<Instant>,
    /// What was said last, and of which turn: a turn asks many times.
    said: Cell<(Instant, Now)>,
    is_real: Cell<bool>,
}

/// From when on workers count time.
static START: OnceLock<Instant> = OnceLock::new();
/// The wall clock may be set; this is how long that goes unnoticed.
const CLOCK_TRUST: Duration = Duration::from_secs(1);

impl Clock {
    pub(crate) fn new() -> Clock {
        let (read, wall) = (Instant::now(), wall());
        let start = *START.get_or_init(|| read);
        let mono_ns = u64::try_from(read.saturating_duration_since(start).as_nanos()).unwrap_or(u64::MAX);
        let first = Now { wall_ms: u64::try_from(wall.as_millis()).unwrap_or(u64::MAX), mono_ns };
        Clock {
            wall: Cell::new(wall),
            read: Cell::new(read),
            date: Cell::new((u64::MAX, [b' '; 29])),
            start: Cell::new(start),
            said: Cell::new((read, first)),
            is_real: Cell::new(true),
        }
    }

    /// From now on it begins at one moment always: what is simulated must come to the same end, and the length of a date in
    /// HPACK depends on its digits.
    pub(crate) fn pretend(&self) {
        let wall = Duration::from_secs(1 << 30);
        self.wall.set(wall);
        self.read.set(now());
        self.start.set(now());
        self.is_real.set(false);
        self.said.set((now(), self.read(now())));
    }

    pub(crate) fn now(&self) -> Now {
        let now = now();
        let (of, said) = self.said.get();
        if of == now {
            return said;
        }
        let said = self.read(now);
        self.said.set((now, said));
        said
    }

    fn read(&self, now: Instant) -> Now {
        let mut since = now.saturating_duration_since(self.read.get());
        if since > CLOCK_TRUST && self.is_real.get() {
            self.wall.set(wall());
            self.read.set(now);
            since = Duration::ZERO;
        }
        let wall = self.wall.get() + since;
        let mono = now.saturating_duration_since(self.start.get());
        Now {
            wall_ms: u64::try_from(wall.as_millis()).unwrap_or(u64::MAX),
            mono_ns: u64::try_from(mono.as_nanos()).unwrap_or(u64::MAX),
        }
    }

    pub(crate) fn date(&self) -> [u8; 29] {
        let second = self.now().wall_s();
        let (known, text) = self.date.get();
        if known == second {
            return text;
        }
        let text = http_date(second);
        self.date.set((second, text));
        text
    }
}

fn wall() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
