//! The middle of several rounds, and how far apart they lie.

/// The middle figure.
pub(crate) fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// How far the middle half reaches, in parts of the median.
pub(crate) fn spread(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    (sorted[sorted.len() * 3 / 4] - sorted[sorted.len() / 4]) / 2.0 / median(figures)
}
