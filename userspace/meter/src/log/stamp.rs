//! The time of a line, in the form of RFC 3339 and in UTC. The second is worked out once and then remembered.

use super::line::{digits, short};

/// Writes times; most of a text is that of the line before.
#[derive(Clone, Debug)]
pub struct Stamp {
    second: u64,
    text: Vec<u8>,
}

impl Default for Stamp {
    fn default() -> Self {
        Self { second: u64::MAX, text: Vec::with_capacity(32) }
    }
}

impl Stamp {
    /// The text for milliseconds since 1970, such as `2026-11-21T03:14:15.926Z`.
    pub fn text(&mut self, wall_ms: u64) -> &[u8] {
        let (second, ms) = (wall_ms / 1000, wall_ms % 1000);
        if second != self.second {
            self.second = second;
            self.text.clear();
            let (year, month, day) = civil(second / 86_400);
            let clock = [second / 3600 % 24, second / 60 % 60, second % 60];
            digits(year, 4, &mut self.text);
            for (mark, number) in b"--T::".iter().zip([month, day].into_iter().chain(clock)) {
                self.text.push(*mark);
                digits(number, 2, &mut self.text);
            }
            self.text.push(b'.');
        }
        self.text.truncate(20);
        short(ms, 3, &mut self.text);
        self.text.push(b'Z');
        &self.text
    }
}

/// Year, month and day of a number of days since 1970-01-01, in the Gregorian calendar. Years are counted from March, so
/// that the leap day is the last of its year.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_as_rfc_3339() {
        let mut stamp = Stamp::default();
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_007, "2000-02-29T00:00:00.007Z"),
            (951_782_400_999, "2000-02-29T00:00:00.999Z"),
            (951_868_799_000, "2000-02-29T23:59:59.000Z"),
            (951_868_800_000, "2000-03-01T00:00:00.000Z"),
            (1_795_230_855_926, "2026-11-21T03:14:15.926Z"),
            (4_102_444_799_000, "2099-12-31T23:59:59.000Z"),
        ] {
            assert_eq!(stamp.text(ms), text.as_bytes());
        }
    }
}
