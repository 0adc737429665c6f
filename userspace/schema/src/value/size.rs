//! Sizes in bytes: `512B`, `16KiB`, `10MiB`, `1GiB`.

use crate::code::Code;
use crate::shape::Shape;
use crate::value::{Fault, Leaf};

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Size(pub u64);

impl Size {
    /// So many KiB.
    #[must_use]
    pub const fn kib(count: u64) -> Self {
        Self(count << 10)
    }

    /// So many MiB.
    #[must_use]
    pub const fn mib(count: u64) -> Self {
        Self(count << 20)
    }
}

const UNITS: &[(&str, u32)] = &[("B", 0), ("KiB", 10), ("MiB", 20), ("GiB", 30), ("TiB", 40)];

impl Leaf for Size {
    const WHAT: &'static str = "a size such as `16KiB`";
    const CODE: Code = Code::Size;

    fn parse(text: &str) -> Result<Self, Fault> {
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        if number.is_empty() {
            return Err(Fault::new("{} is not a size")
                .hint("Write a whole number and a unit, such as `16KiB` or `10MiB`."));
        }
        if unit.is_empty() && number != "0" {
            return Err(
                Fault::new("{} has no unit").hint(format!("Bytes are `{number}B`, kibibytes `{number}KiB`."))
            );
        }
        let Some(shift) = shift(unit) else {
            return Err(Fault::new(format!("`{unit}` is not a unit of size"))
                .part(digits, unit.len())
                .hint(unit_hint(unit)));
        };
        let bytes = number.parse::<u64>().ok().and_then(|number| number.checked_mul(1 << shift));
        bytes.map(Self).ok_or_else(|| Fault::new("{} is larger than any memory"))
    }

    fn spell(&self) -> String {
        let fits = |shift: u32| self.0 > 0 && self.0.trailing_zeros() >= shift;
        let (unit, shift) = UNITS.iter().rev().copied().find(|(_, shift)| fits(*shift)).unwrap_or(("B", 0));
        format!("{}{unit}", self.0 >> shift)
    }

    fn shape() -> Shape {
        Shape::Text { what: Self::WHAT, example: "16KiB" }
    }
}

fn shift(unit: &str) -> Option<u32> {
    if unit.is_empty() {
        return Some(0);
    }
    UNITS.iter().find(|(name, _)| *name == unit).map(|(_, shift)| *shift)
}

fn unit_hint(unit: &str) -> String {
    let meant = match unit.trim().to_ascii_lowercase().as_str() {
        "b" | "byte" | "bytes" => "B",
        "k" | "kb" | "kib" | "ki" => "KiB",
        "m" | "mb" | "mib" | "mi" => "MiB",
        "g" | "gb" | "gib" | "gi" => "GiB",
        "t" | "tb" | "tib" | "ti" => "TiB",
        _ => return "The units are `B`, `KiB`, `MiB`, `GiB` and `TiB`, each 1024 of the one before; one number, no fraction.".to_owned(),
    };
    format!("Did you mean `{meant}`? Sizes count in steps of 1024.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_spelled() {
        let check = |text: &str, bytes: u64, spelled: &str| {
            let value = Size::parse(text).unwrap();
            assert_eq!((value.0, value.spell().as_str()), (bytes, spelled), "{text}");
        };
        check("0", 0, "0B");
        check("512B", 512, "512B");
        check("16KiB", 16 << 10, "16KiB");
        check("1024KiB", 1 << 20, "1MiB");
        check("1000B", 1000, "1000B");
    }

    #[test]
    fn other_spellings_are_refused() {
        let check = |text: &str, part: Option<(usize, usize)>| {
            assert_eq!(Size::parse(text).unwrap_err().part, part, "{text}");
        };
        check("16", None);
        check("16k", Some((2, 1)));
        check("16KB", Some((2, 2)));
        check("1.5MiB", Some((1, 5)));
        check("-1B", None);
        check("99999999999TiB", None);
    }
}
