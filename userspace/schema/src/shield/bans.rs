//! How long offenders are shut out.

use std::time::Duration;

use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::reader::Reader;
use crate::section::section;
use crate::span::{At, Span};
use crate::value::Checked;

section! {
    /// How long offenders are shut out.
    pub struct Bans "bans" [checked] {
        /// The first time.
        pub first: At<Duration> = Duration::from_secs(60),
        /// How many times longer each further time.
        pub factor: At<u32> = 4,
        /// The longest time.
        pub max: At<Duration> = Duration::from_secs(86_400),
        /// After this long without offence the next ban is a first one again.
        pub forgive: At<Duration> = Duration::from_secs(7 * 86_400),
        /// New bans a minute; further ones are only counted, so that a mistake cannot shut out the world.
        pub per_minute_max: At<u32> = 500,
        /// Whether they act; left out, the mode of the shield.
        pub mode: Option<At<super::Mode>>,
    }
}

impl Checked for Bans {
    fn check(&self, _span: Span, reader: &mut Reader<'_>) {
        if self.first.value > self.max.value {
            let at = if self.first.span.is_written() { self.first.span } else { self.max.span };
            let found = Diagnostic::new(Code::Range, at, "the first ban is longer than the longest");
            reader.push(found.hint("Make `first` at most `max`."));
        }
        if self.factor.value == 0 {
            reader.push(
                Diagnostic::new(Code::Number, self.factor.span, "a factor of 0 would end every ban at once")
                    .hint("`1` keeps bans at the same length."),
            );
        }
    }
}
