//! Medians and spreads.

/// The middle of some measurements, and where the middle half of them lies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub low: f64,
    pub median: f64,
    pub high: f64,
}

impl Spread {
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut sorted: Vec<_> = values.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let [low, median, high] = [1, 2, 3].map(|quarter| quantile(&sorted, quarter, 4));
        Self { low, median, high }
    }
}

/// The value below which `part` of `whole` of the sorted values lie; of nothing it is none.
pub(crate) fn quantile(sorted: &[f64], part: usize, whole: usize) -> f64 {
    let last = sorted.len().saturating_sub(1);
    // Rounded to the nearest.
    sorted.get((last * part + whole / 2) / whole).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles() {
        let spread = Spread::of([5.0, 1.0, 4.0, 2.0, 3.0]);
        assert_eq!(spread, Spread { low: 2.0, median: 3.0, high: 4.0 });
        assert!((quantile(&[1.0, 2.0], 99, 100) - 2.0).abs() < f64::EPSILON);
        assert!(quantile(&[], 1, 2).is_nan());
    }
}
