//! Latencies as written: `250us`, `1.5ms`, `2s`.

use std::time::Duration;
use weir_schema::Code;
use weir_schema::shape::Shape;
use weir_schema::value::{Fault, Leaf};

/// A latency; finer than the durations of settings.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub(crate) struct Latency(pub Duration);

const UNITS: &[(&str, f64)] = &[("us", 1e-6), ("µs", 1e-6), ("ms", 1e-3), ("s", 1.0)];

impl Leaf for Latency {
    const WHAT: &'static str = "a latency such as `5ms`";
    const CODE: Code = Code::Duration;

    fn parse(text: &str) -> Result<Self, Fault> {
        let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let factor = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor);
        let seconds = number.parse::<f64>().ok().zip(factor).map(|(number, factor)| number * factor);
        let latency = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        latency.map(Self).ok_or_else(|| {
            Fault::new("{} is not a latency").hint("Write a number and a unit: `250us`, `1.5ms` or `2s`.")
        })
    }

    fn spell(&self) -> String {
        format!("{}us", self.0.as_micros())
    }

    fn shape() -> Shape {
        Shape::Text { what: Self::WHAT, example: "5ms" }
    }
}

weir_schema::leaves!(Latency);
