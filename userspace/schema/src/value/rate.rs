//! Rates: `20k/s`, `200/s burst 400`, `6000/m`; in bytes `10MiB/s`.

use std::time::Duration;

use crate::code::Code;
use crate::shape::Shape;
use crate::value::{Fault, Leaf, Size};

/// So many per time, with what may come at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rate {
    /// How many.
    pub count: u64,
    /// In which time: a second, minute, hour or day.
    pub per: Duration,
    /// How many at once; `None` if not written, then it is what one second (or one `per`, if longer) allows.
    pub burst: Option<u64>,
}

impl Rate {
    /// So many a second.
    #[must_use]
    pub const fn per_second(count: u64) -> Self {
        Self { count, per: Duration::from_secs(1), burst: None }
    }

    /// So many a second, and so many at once.
    #[must_use]
    pub const fn with_burst(count: u64, burst: u64) -> Self {
        Self { count, per: Duration::from_secs(1), burst: Some(burst) }
    }

    /// How many may come at once.
    #[must_use]
    pub fn burst(&self) -> u64 {
        self.burst.unwrap_or(self.count)
    }
}

const PERIODS: &[(&str, u64)] = &[("s", 1), ("m", 60), ("h", 3_600), ("d", 86_400)];
const MULTIPLES: &[(&str, u64)] = &[("", 1), ("k", 1_000), ("M", 1_000_000), ("G", 1_000_000_000)];

impl Leaf for Rate {
    const WHAT: &'static str = "a rate such as `20k/s`";
    const CODE: Code = Code::Rate;

    fn parse(text: &str) -> Result<Self, Fault> {
        let (rate, burst) =
            text.split_once(' ').map_or((text, None), |(rate, rest)| (rate, Some(rest.trim())));
        let (count, per) = split(rate)?;
        let burst = burst.map(|burst| parse_burst(burst, rate.len().saturating_add(1))).transpose()?;
        let rate = Self { count: parse_count(count, 0)?, per, burst };
        if rate.burst.is_some_and(|burst| burst == 0) {
            return Err(Fault::new("a burst of 0 would let nothing pass")
                .hint("Leave `burst` out, or make it at least 1."));
        }
        Ok(rate)
    }

    fn spell(&self) -> String {
        let rate = format!("{}/{}", spell_count(self.count), spell_period(self.per));
        self.burst.map_or(rate.clone(), |burst| format!("{rate} burst {}", spell_count(burst)))
    }

    fn shape() -> Shape {
        Shape::Text { what: Self::WHAT, example: "200/s burst 400" }
    }
}

/// So many bytes per time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ByteRate {
    /// How much.
    pub size: Size,
    /// In which time.
    pub per: Duration,
}

impl ByteRate {
    /// So much a second.
    #[must_use]
    pub const fn per_second(size: Size) -> Self {
        Self { size, per: Duration::from_secs(1) }
    }
}

impl Leaf for ByteRate {
    const WHAT: &'static str = "bytes per time such as `10MiB/s`";
    const CODE: Code = Code::Rate;

    fn parse(text: &str) -> Result<Self, Fault> {
        let (size, per) = split(text)?;
        Ok(Self { size: Size::parse(size)?, per })
    }

    fn spell(&self) -> String {
        format!("{}/{}", self.size.spell(), spell_period(self.per))
    }

    fn shape() -> Shape {
        Shape::Text { what: Self::WHAT, example: "10MiB/s" }
    }
}

fn split(text: &str) -> Result<(&str, Duration), Fault> {
    let Some((count, period)) = text.split_once('/') else {
        return Err(Fault::new("{} is not a rate")
            .hint("Say per what: `200/s`, `6000/m`; what may come at once follows: `200/s burst 400`."));
    };
    let offset = count.len().saturating_add(1);
    match PERIODS.iter().find(|(name, _)| *name == period) {
        Some((_, secs)) => Ok((count, Duration::from_secs(*secs))),
        None => {
            let meant = match period {
                "sec" | "second" => "Did you mean `s`?",
                "min" | "minute" => "Did you mean `m`?",
                "hr" | "hour" => "Did you mean `h`?",
                "day" => "Did you mean `d`?",
                _ => "A rate is per `s`, `m`, `h` or `d`.",
            };
            Err(Fault::new(format!("`{period}` is not a period")).part(offset, period.len()).hint(meant))
        }
    }
}

fn parse_count(text: &str, offset: usize) -> Result<u64, Fault> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor = MULTIPLES.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor);
    let Some(factor) = factor.filter(|_| !number.is_empty()) else {
        let is_of_nginx = !number.is_empty() && unit == "r";
        let hint = if is_of_nginx {
            format!("nginx counts in `r`; here it is `{number}/s`.")
        } else {
            "Write a whole number, if need be with `k`, `M` or `G`: `20k/s`.".to_owned()
        };
        return Err(Fault::new(format!("`{text}` is not a count")).part(offset, text.len()).hint(hint));
    };
    let count = number.parse::<u64>().ok().and_then(|number| number.checked_mul(factor));
    count.ok_or_else(|| Fault::new(format!("`{text}` is too many")).part(offset, text.len()))
}

fn parse_burst(text: &str, offset: usize) -> Result<u64, Fault> {
    match text.strip_prefix("burst ") {
        Some(count) => parse_count(count.trim(), offset.saturating_add(6)),
        None => Err(Fault::new(format!("`{text}` cannot follow a rate"))
            .part(offset, text.len())
            .hint("Only `burst N` can: `200/s burst 400`.")),
    }
}

fn spell_count(count: u64) -> String {
    let fits = |factor: u64| count >= factor && count.is_multiple_of(factor);
    let (unit, factor) = MULTIPLES.iter().rev().copied().find(|(_, factor)| fits(*factor)).unwrap_or(("", 1));
    format!("{}{unit}", count / factor)
}

fn spell_period(per: Duration) -> &'static str {
    PERIODS.iter().find(|(_, secs)| *secs == per.as_secs()).map_or("s", |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_and_spelled() {
        let check = |text: &str, count: u64, secs: u64, burst: u64| {
            let rate = Rate::parse(text).unwrap();
            assert_eq!((rate.count, rate.per.as_secs(), rate.burst()), (count, secs, burst), "{text}");
            assert_eq!(rate.spell(), text);
        };
        check("20k/s", 20_000, 1, 20_000);
        check("200/s burst 400", 200, 1, 400);
        check("6k/m", 6_000, 60, 6_000);
        check("0/s", 0, 1, 0);
        assert_eq!(ByteRate::parse("10MiB/s").unwrap().spell(), "10MiB/s");
    }

    #[test]
    fn other_spellings_are_refused_at_their_part() {
        let check = |text: &str, part: Option<(usize, usize)>| {
            assert_eq!(Rate::parse(text).unwrap_err().part, part, "{text}");
        };
        check("200", None);
        check("200/sec", Some((4, 3)));
        check("x/s", Some((0, 1)));
        check("20K/s", Some((0, 3)));
        check("20k/s bust 3", Some((6, 6)));
        check("20k/s burst x", Some((12, 1)));
        check("20k/s burst 0", None);
    }
}
