//! The times at which an open loop sends: a steady or changing rate, at even distances or as independent clients come.

use super::random::Random;
use crate::scenario::Arrivals;
use std::time::Duration;

/// A rate that changes evenly over a while and stays as it is then.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ramp {
    pub(crate) from: f64,
    pub(crate) to: f64,
    pub(crate) over: Duration,
}

impl Ramp {
    pub(crate) fn steady(rate: f64) -> Self {
        Self { from: rate, to: rate, over: Duration::from_secs(1) }
    }

    /// The second in which `count` requests have come on average.
    fn second_of(&self, count: f64) -> f64 {
        let over = self.over.as_secs_f64();
        let within = f64::midpoint(self.from, self.to) * over;
        if count >= within {
            return over + (count - within) / self.to;
        }
        // count = from·t + slope·t²/2, solved in the form that stays exact for small slopes.
        let slope = (self.to - self.from) / over;
        2.0 * count / (self.from + (self.from * self.from + 2.0 * slope * count).sqrt())
    }
}

/// The times, one after the other, each as a distance from the beginning.
pub(crate) struct Schedule {
    ramp: Ramp,
    arrivals: Arrivals,
    random: Random,
    /// How many requests would have come by now at even distances.
    count: f64,
}

impl Schedule {
    pub(crate) fn new(ramp: Ramp, arrivals: Arrivals, seed: u64) -> Self {
        Self { ramp, arrivals, random: Random::new(seed), count: 0.0 }
    }
}

impl Iterator for Schedule {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        self.count += match self.arrivals {
            Arrivals::Constant => 1.0,
            Arrivals::Poisson => -self.random.unit().ln(),
        };
        Duration::try_from_secs_f64(self.ramp.second_of(self.count)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gaps(arrivals: Arrivals, count: usize) -> Vec<f64> {
        let times: Vec<f64> =
            Schedule::new(Ramp::steady(1000.0), arrivals, 7).take(count).map(|t| t.as_secs_f64()).collect();
        times.windows(2).map(|pair| pair[1] - pair[0]).collect()
    }

    #[test]
    fn constant_arrivals_come_at_even_distances() {
        assert!(gaps(Arrivals::Constant, 1000).iter().all(|gap| (gap - 0.001).abs() < 1e-8));
    }

    #[test]
    fn poisson_arrivals_have_exponential_gaps() {
        let mut gaps = gaps(Arrivals::Poisson, 100_000);
        gaps.sort_by(f64::total_cmp);
        // Kolmogorov and Smirnov: the largest distance to the distribution asked for, at the 0.1 % level.
        let n = gaps.len() as f64;
        let distance = gaps
            .iter()
            .zip(1..)
            .map(|(gap, rank)| ((1.0 - (-gap * 1000.0).exp()) - f64::from(rank) / n).abs())
            .fold(0.0, f64::max);
        assert!(distance < 1.95 / n.sqrt(), "{distance}");
    }

    #[test]
    fn a_ramp_brings_as_many_as_its_mean_rate() {
        let ramp = Ramp { from: 100.0, to: 900.0, over: Duration::from_secs(10) };
        let times: Vec<f64> = Schedule::new(ramp, Arrivals::Constant, 1)
            .map(|t| t.as_secs_f64())
            .take_while(|t| *t <= 12.0)
            .collect();
        let by = |second: f64| times.iter().filter(|t| **t <= second).count();
        // 100·t + 40·t² while it changes, 900 a second afterwards.
        for (second, expect) in [(1.0, 140), (5.0, 1500), (10.0, 5000), (12.0, 6800)] {
            assert!(by(second).abs_diff(expect) <= 1, "{second}: {} {expect}", by(second));
        }
    }
}
