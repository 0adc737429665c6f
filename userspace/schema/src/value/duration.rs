//! Durations: `250ms`, `10s`, `5m`, `24h`, `7d`.

use std::time::Duration;

use crate::code::Code;
use crate::shape::Shape;
use crate::value::{Fault, Leaf};

const UNITS: &[(&str, u64)] = &[("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

impl Leaf for Duration {
    const WHAT: &'static str = "a duration such as `10s`";
    const CODE: Code = Code::Duration;

    fn parse(text: &str) -> Result<Self, Fault> {
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        if number.is_empty() {
            return Err(Fault::new("{} is not a duration")
                .hint("Write a whole number and a unit, such as `250ms`, `10s`, `5m`, `24h` or `7d`."));
        }
        if unit.starts_with('.') {
            return Err(
                Fault::new("{} has a fraction").hint("Use the smaller unit: `1500ms` instead of `1.5s`.")
            );
        }
        if unit.is_empty() {
            let hint = format!("Seconds are `{number}s`, milliseconds `{number}ms`; only `0s` is nothing.");
            return Err(Fault::new("{} has no unit").hint(hint));
        }
        let Some((_, factor)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(Fault::new(format!("`{unit}` is not a unit of time"))
                .part(digits, unit.len())
                .hint(unit_hint(unit)));
        };
        let millis = number.parse::<u64>().ok().and_then(|number| number.checked_mul(*factor));
        millis.map(Self::from_millis).ok_or_else(|| Fault::new("{} is too long a time"))
    }

    fn spell(&self) -> String {
        let millis = self.as_millis();
        let fits = |factor: u64| millis.is_multiple_of(u128::from(factor));
        let unit = UNITS.iter().rev().find(|(_, factor)| fits(*factor)).filter(|_| millis > 0);
        let (unit, factor) = unit.copied().unwrap_or(("s", 1_000));
        format!("{}{unit}", millis / u128::from(factor))
    }

    fn shape() -> Shape {
        Shape::Text { what: Self::WHAT, example: "10s" }
    }
}

fn unit_hint(unit: &str) -> String {
    let meant = match unit.trim().to_ascii_lowercase().as_str() {
        "sec" | "secs" | "second" | "seconds" | "s" => "s",
        "min" | "mins" | "minute" | "minutes" | "m" => "m",
        "hr" | "hrs" | "hour" | "hours" | "h" => "h",
        "day" | "days" | "d" => "d",
        "msec" | "millis" | "milliseconds" | "ms" => "ms",
        _ => return "The units are `ms`, `s`, `m`, `h` and `d`; one number and one unit.".to_owned(),
    };
    format!("Did you mean `{meant}`?")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_spelled() {
        let check = |text: &str, millis: u64, spelled: &str| {
            let value = Duration::parse(text).unwrap();
            assert_eq!(value, Duration::from_millis(millis), "{text}");
            assert_eq!(value.spell(), spelled);
        };
        check("250ms", 250, "250ms");
        check("1000ms", 1000, "1s");
        check("90s", 90_000, "90s");
        check("120s", 120_000, "2m");
        check("24h", 86_400_000, "1d");
        check("0s", 0, "0s");
    }

    #[test]
    fn other_spellings_are_refused() {
        let check = |text: &str, part: Option<(usize, usize)>| {
            assert_eq!(Duration::parse(text).unwrap_err().part, part, "{text}");
        };
        check("10", None);
        check("s", None);
        check("10sec", Some((2, 3)));
        check("1.5s", None);
        check("1 s", Some((1, 2)));
        check("99999999999999999999s", None);
    }
}
