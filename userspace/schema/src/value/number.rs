//! Numbers and truth: whole numbers of the usual widths, `1.25`, `true`.

use crate::code::Code;
use crate::shape::Shape;
use crate::value::{Fault, Leaf};

macro_rules! whole {
    ($($type:ty, $max:expr;)*) => {$(
        impl Leaf for $type {
            const WHAT: &'static str = "a whole number";
            const CODE: Code = Code::Number;

            fn parse(text: &str) -> Result<Self, Fault> {
                text.parse::<Self>().ok().filter(|_| !text.starts_with('+')).ok_or_else(|| fault(text, Self::MIN, Self::MAX))
            }

            fn spell(&self) -> String {
                self.to_string()
            }

            fn shape() -> Shape {
                Shape::Integer { min: i64::try_from(Self::MIN).unwrap_or(0), max: $max }
            }
        }
    )*};
}

whole! {
    u8, i64::from(u8::MAX);
    u16, i64::from(u16::MAX);
    u32, i64::from(u32::MAX);
    i32, i64::from(i32::MAX);
    u64, i64::MAX;
}

fn fault(text: &str, min: impl std::fmt::Display, max: impl std::fmt::Display) -> Fault {
    let whole = text.strip_prefix('-').unwrap_or(text);
    if !whole.is_empty() && whole.bytes().all(|b| b.is_ascii_digit()) {
        return Fault::new("{} is out of range").hint(format!("The least is {min}, the most {max}."));
    }
    let plain: String = text.chars().filter(|c| !matches!(c, '_' | ',' | ' ' | '\'')).collect();
    if !plain.is_empty() && plain.bytes().all(|b| b.is_ascii_digit()) {
        return Fault::new("{} is not a whole number")
            .hint(format!("Write it without separators: `{plain}`."));
    }
    Fault::new("{} is not a whole number")
}

impl Leaf for f64 {
    const WHAT: &'static str = "a number such as `1.25`";
    const CODE: Code = Code::Number;

    fn parse(text: &str) -> Result<Self, Fault> {
        let plain = text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-'));
        let number = text.parse::<Self>().ok().filter(|_| plain);
        number
            .ok_or_else(|| Fault::new("{} is not a number").hint("Write digits and a point, such as `1.25`."))
    }

    fn spell(&self) -> String {
        self.to_string()
    }

    fn shape() -> Shape {
        Shape::Number
    }
}

impl Leaf for bool {
    const WHAT: &'static str = "`true` or `false`";
    const CODE: Code = Code::Boolean;

    fn parse(text: &str) -> Result<Self, Fault> {
        match text {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(match text.to_ascii_lowercase().as_str() {
                "yes" | "on" | "1" | "y" | "true" | "enabled" => {
                    Fault::new("{} is neither `true` nor `false`").hint("Write `true`.")
                }
                "no" | "off" | "0" | "n" | "false" | "disabled" => {
                    Fault::new("{} is neither `true` nor `false`").hint("Write `false`.")
                }
                _ => Fault::new("{} is neither `true` nor `false`"),
            }),
        }
    }

    fn spell(&self) -> String {
        self.to_string()
    }

    fn shape() -> Shape {
        Shape::Boolean
    }
}

impl Leaf for String {
    const WHAT: &'static str = "text";
    const CODE: Code = Code::Text;

    fn parse(text: &str) -> Result<Self, Fault> {
        Ok(text.to_owned())
    }

    fn spell(&self) -> String {
        self.clone()
    }

    fn shape() -> Shape {
        Shape::Text { what: Self::WHAT, example: "text" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_in_their_range() {
        assert_eq!(u16::parse("65535"), Ok(65535));
        assert_eq!(i32::parse("-5"), Ok(-5));
        assert_eq!(f64::parse("1.25"), Ok(1.25));
        assert_eq!(bool::parse("true"), Ok(true));
        let hint = |fault: Fault| fault.hint.unwrap_or_default();
        assert_eq!(hint(u16::parse("65536").unwrap_err()), "The least is 0, the most 65535.");
        assert_eq!(hint(u32::parse("-1").unwrap_err()), "The least is 0, the most 4294967295.");
        assert_eq!(hint(u32::parse("1_000").unwrap_err()), "Write it without separators: `1000`.");
        assert_eq!(hint(bool::parse("yes").unwrap_err()), "Write `true`.");
        for text in ["inf", "NaN", "1e3", ""] {
            f64::parse(text).unwrap_err();
        }
    }
}
