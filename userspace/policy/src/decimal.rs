//! Whole numbers as text, without memory of their own.

/// A number written in decimal.
pub(crate) struct Decimal {
    digits: [u8; 20],
    start: usize,
}

impl Decimal {
    /// Two digits at a time, from the end.
    pub(crate) fn new(mut number: u64) -> Decimal {
        let mut decimal = Decimal { digits: [b'0'; 20], start: 20 };
        let (pairs, _) = decimal.digits.as_chunks_mut::<2>();
        for pair in pairs.iter_mut().rev() {
            let (rest, two) = (number / 100, number % 100);
            *pair = usize::try_from(two).ok().and_then(|two| PAIRS.get(two)).copied().unwrap_or_default();
            decimal.start -= if rest == 0 && two < 10 { 1 } else { 2 };
            if rest == 0 {
                break;
            }
            number = rest;
        }
        decimal
    }

    pub(crate) fn text(&self) -> &[u8] {
        self.digits.get(self.start..).unwrap_or_default()
    }
}

/// `00` to `99`.
const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[b'0'; 2]; 100];
    let (mut rest, mut number): (&mut [[u8; 2]], u8) = (&mut pairs, 0);
    while let [pair, tail @ ..] = rest {
        *pair = [b'0' + number / 10, b'0' + number % 10];
        (rest, number) = (tail, number + 1);
    }
    pairs
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_the_standard_library_writes_them() {
        let powers = (0..20).map(|exponent| 10_u64.pow(exponent)).flat_map(|power| [power - 1, power]);
        for number in powers.chain([42, 101, 1_234_567_890, u64::MAX]) {
            assert_eq!(Decimal::new(number).text(), number.to_string().as_bytes());
        }
    }
}
