//! Medians and their uncertainty.

/// The middle value; `NaN` of nothing.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
    if sorted.len() % 2 == 1 { at(middle) } else { f64::midpoint(at(middle.wrapping_sub(1)), at(middle)) }
}

/// The median of the distances to the median.
pub(crate) fn spread(values: &[f64]) -> f64 {
    let middle = median(values);
    median(&values.iter().map(|value| (value - middle).abs()).collect::<Vec<_>>())
}

/// A range that holds the median of the population in 95 of 100 cases: by drawing anew from the sample, many times over.
pub(crate) fn median_interval(values: &[f64]) -> (f64, f64) {
    const DRAWS: usize = 2000;
    let mut random = crate::load::random::Random::new(1);
    let mut medians: Vec<f64> = (0..DRAWS)
        .map(|_| {
            let draw = |_| values.get(random.below(values.len())).copied().unwrap_or(f64::NAN);
            median(&values.iter().map(draw).collect::<Vec<_>>())
        })
        .collect();
    medians.sort_by(f64::total_cmp);
    let at = |index: usize| medians.get(index).copied().unwrap_or(f64::NAN);
    (at(DRAWS / 40), at(DRAWS - DRAWS / 40 - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_and_spread() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(spread(&[1.0, 2.0, 4.0]), 1.0);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn the_interval_holds_the_median_and_narrows_with_the_sample() {
        let sample = |n: u32| (0..n).map(|i| f64::from(i * 37 % 101)).collect::<Vec<_>>();
        let (low, high) = median_interval(&sample(20));
        let (lower, higher) = median_interval(&sample(2000));
        assert!(
            low <= lower && lower < 50.0 && 50.0 < higher && higher <= high,
            "{low} {lower} {higher} {high}"
        );
    }
}
