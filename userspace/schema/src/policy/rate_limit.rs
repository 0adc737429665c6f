//! `rate_limit`: lets only so many requests pass.

use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::reader::Reader;
use crate::section::{section, words};
use crate::shield::Mode;
use crate::span::{At, Span};
use crate::value::{Checked, HashKey, Map, Rate};

section! {
    /// Lets only so many requests pass: `rate` for a token bucket, `windows` for fixed or sliding windows.
    pub struct RateLimit "rate_limit" [checked, needed] {
        /// What is counted together: the combination of all of these.
        pub by: Vec<At<HashKey>> = HashKey::Ip,
        /// A token bucket: `20/s burst 40`.
        pub rate: Option<At<Rate>>,
        /// Requests in each window; all must have room.
        pub windows: Option<At<Windows>>,
        /// How windows count.
        pub algorithm: At<Algorithm> = Algorithm::Sliding,
        /// Other windows for consumers in a group; of several the most generous.
        pub groups: Map<Windows>,
        /// Other windows for single consumers, by name; before those of their groups.
        pub consumers: Map<Windows>,
        /// Which headers tell the client.
        pub headers: At<LimitHeaders> = LimitHeaders::Ietf,
        /// `observe` counts what it would refuse, and passes it.
        pub mode: At<Mode> = Mode::Enforce,
        /// What happens to a request that cannot be counted, because no place can be had for its key in time.
        pub on_store_error: At<OnStoreError> = OnStoreError::Local,
        /// Keys counted at once; beyond it those least recently seen are forgotten.
        pub keys_max: At<u32> = 1_000_000,
    }
}

impl Checked for RateLimit {
    fn check(&self, span: Span, reader: &mut Reader<'_>) {
        match (&self.rate, &self.windows) {
            (None, None) => {
                let found = Diagnostic::new(Code::MissingKey, span, "this limit has no number");
                reader.push(found.hint("Give `rate: 20/s burst 40`, or `windows: { minute: 600 }`."));
            }
            (Some(rate), Some(windows)) => {
                let found = Diagnostic::new(Code::Conflict, windows.span, "a limit counts in one way");
                reader.push(
                    found
                        .also(rate.span, "`rate` is set here")
                        .hint("Keep one; two limits are two policies."),
                );
            }
            _ => {}
        }
    }
}

section! {
    /// Requests in each window.
    pub struct Windows "windows" [checked] {
        /// Requests a second.
        pub second: Option<At<u64>>,
        /// Requests a minute.
        pub minute: Option<At<u64>>,
        /// Requests an hour.
        pub hour: Option<At<u64>>,
        /// Requests a day.
        pub day: Option<At<u64>>,
        /// Requests a month of 30 days.
        pub month: Option<At<u64>>,
        /// Requests a year of 365 days.
        pub year: Option<At<u64>>,
    }
}

impl Windows {
    /// Each window that is set: its name, its length in seconds, and how many.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64, &At<u64>)> {
        let windows = [
            ("second", 1, &self.second),
            ("minute", 60, &self.minute),
            ("hour", 3_600, &self.hour),
            ("day", 86_400, &self.day),
            ("month", 30 * 86_400, &self.month),
            ("year", 365 * 86_400, &self.year),
        ];
        windows.into_iter().filter_map(|(name, secs, limit)| limit.as_ref().map(|limit| (name, secs, limit)))
    }
}

impl Checked for Windows {
    fn check(&self, span: Span, reader: &mut Reader<'_>) {
        if self.iter().next().is_none() {
            reader.push(
                Diagnostic::new(Code::Empty, span, "no window is set")
                    .hint("For instance `{ minute: 600 }`."),
            );
        }
        for ((short, _, few), (long, _, many)) in self.iter().zip(self.iter().skip(1)) {
            if many.value < few.value {
                let message = format!("{} a {long} is less than {} a {short}", many.value, few.value);
                let found =
                    Diagnostic::new(Code::Windows, many.span, message).also(few.span, "the shorter window");
                reader.push(found.hint("The shorter window could never be used up."));
            }
        }
    }
}

words! {
    /// How windows count.
    pub enum Algorithm "a way to count" {
        /// From the clock's full second, minute and so on.
        Fixed = "fixed",
        /// The window before counts in proportion to what is left of it.
        Sliding = "sliding",
    }
}

words! {
    /// Which headers tell the client about its limit.
    pub enum LimitHeaders "a family of headers" {
        /// `RateLimit` and `RateLimit-Policy`.
        Ietf = "ietf",
        /// `RateLimit-Limit`, `X-RateLimit-Limit-Minute` and so on.
        Kong = "kong",
        /// `X-RateLimit-Limit` and so on.
        X = "x",
        /// None; `Retry-After` is sent all the same.
        None = "none",
    }
}

words! {
    /// What happens to a request that cannot be counted.
    pub enum OnStoreError "what to do then" {
        /// Let pass.
        Open = "open",
        /// Refuse with 503.
        Closed = "closed",
        /// Count in the tables of this host alone; where these are what has no place, let pass.
        Local = "local",
    }
}
