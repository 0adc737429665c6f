//! Shares of a whole: `20%`, `0.5%`.

use crate::code::Code;
use crate::shape::Shape;
use crate::value::{Fault, Leaf};

/// A share between 0 % and 100 %, in millionths: exact, and equal to itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Share(u32);

impl Share {
    /// The whole in millionths.
    const WHOLE: u32 = 1_000_000;
    /// All of it.
    pub const ALL: Self = Self(Self::WHOLE);

    /// So many per cent, at most 100.
    #[must_use]
    pub const fn percent(percent: u8) -> Self {
        let percent = if percent > 100 { 100 } else { percent };
        Self(percent as u32 * (Self::WHOLE / 100))
    }

    /// As a number between 0 and 1.
    #[must_use]
    pub fn ratio(self) -> f64 {
        f64::from(self.0) / f64::from(Self::WHOLE)
    }

    /// In millionths.
    #[must_use]
    pub fn millionths(self) -> u32 {
        self.0
    }
}

impl Leaf for Share {
    const WHAT: &'static str = "a share such as `20%`";
    const CODE: Code = Code::Share;

    fn parse(text: &str) -> Result<Self, Fault> {
        let Some(number) = text.strip_suffix('%') else {
            let hint = match text.parse::<f64>() {
                Ok(ratio) if (0.0..=1.0).contains(&ratio) => format!("Did you mean `{}%`?", ratio * 100.0),
                Ok(_) => format!("Did you mean `{text}%`?"),
                Err(_) => "Write a number and `%`, such as `20%` or `0.5%`.".to_owned(),
            };
            return Err(Fault::new("{} is not a share in per cent").hint(hint));
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || fraction.len() > 4 || !digits(whole) || !digits(fraction) {
            return Err(
                Fault::new("{} is not a share in per cent").hint("Write at most four places: `0.0125%`.")
            );
        }
        let millionths =
            format!("{whole}{fraction:0<4}").parse::<u32>().ok().filter(|share| *share <= Self::WHOLE);
        millionths
            .map(Self)
            .ok_or_else(|| Fault::new("{} is more than all of it").hint("A share is at most `100%`."))
    }

    fn spell(&self) -> String {
        let (whole, fraction) = (self.0 / 10_000, self.0 % 10_000);
        if fraction == 0 {
            return format!("{whole}%");
        }
        format!("{whole}.{}%", format!("{fraction:04}").trim_end_matches('0'))
    }

    fn shape() -> Shape {
        Shape::Text { what: Self::WHAT, example: "20%" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_read_and_spelled() {
        let check = |text: &str, millionths: u32| {
            let share = Share::parse(text).unwrap();
            assert_eq!((share.0, share.spell().as_str()), (millionths, text));
        };
        check("100%", 1_000_000);
        check("20%", 200_000);
        check("0.5%", 5_000);
        check("0.0125%", 125);
        check("0%", 0);
        for text in ["0.2", "20", "101%", "%", "-1%", "0.00001%", "1e2%"] {
            Share::parse(text).unwrap_err();
        }
    }
}
