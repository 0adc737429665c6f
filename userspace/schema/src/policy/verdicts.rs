//! `verdicts`: scores refusals, and bans those who collect too many of them.

use std::time::Duration;

use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::reader::Reader;
use crate::section::section;
use crate::shield::Mode;
use crate::span::{At, Span};
use crate::value::{Checked, Map};

section! {
    /// Scores refusals by client address, and has the kernel drop those who collect too many. Addresses of trusted proxies never are.
    pub struct Verdicts "verdicts" [checked] {
        /// What each reason adds to the score: `bad_token: 5`.
        pub score: Map<u32>,
        /// The score at which a client is banned.
        pub ban_at: At<u32> = 100,
        /// After how long a score is half of what it was.
        pub half_life: At<Duration> = Duration::from_secs(60),
        /// What a request that authenticated takes off the score, for many people behind one address.
        pub credit: At<u32> = 1,
        /// `observe` scores and reports, and bans nobody.
        pub mode: At<Mode> = Mode::Enforce,
    }
}

/// Reasons for a refusal that can be scored, as they are called in metrics and logs.
pub const REASONS: &[&str] = &[
    "bad_framing",
    "bad_token",
    "over_limit",
    "h2_abuse",
    "handshake_abuse",
    "denied",
    "slow_client",
    "too_large",
];

impl Checked for Verdicts {
    fn check(&self, _span: Span, reader: &mut Reader<'_>) {
        for (reason, score) in self.score.iter() {
            if !REASONS.contains(&reason.as_str()) {
                let found = Diagnostic::new(
                    Code::UnknownWord,
                    reason.span,
                    format!("`{}` is not a reason for a refusal", reason.value),
                );
                reader.push(found.hint_if(crate::hint::did_you_mean(reason, REASONS.iter().copied())));
            }
            if score.value > self.ban_at.value && self.ban_at.value > 0 {
                let message = format!(
                    "one `{}` alone scores more than the {} of a ban",
                    reason.value, self.ban_at.value
                );
                reader.push(
                    Diagnostic::new(Code::Verdict, score.span, message)
                        .hint("If that is meant, make both equal."),
                );
            }
        }
        if self.ban_at.value == 0 {
            reader.push(Diagnostic::new(Code::Verdict, self.ban_at.span, "at 0 everyone would be banned"));
        }
        if self.half_life.value.is_zero() {
            reader.push(Diagnostic::new(
                Code::Verdict,
                self.half_life.span,
                "a score that is forgotten at once never reaches a ban",
            ));
        }
    }
}
