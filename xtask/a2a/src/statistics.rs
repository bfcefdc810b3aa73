//! Percentiles and medians.

use std::time::Duration;

/// How long answers took, shortest first.
pub(crate) struct Latencies(Vec<Duration>);

impl Latencies {
    pub(crate) fn new(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self(times)
    }

    /// Milliseconds that this part of them does not exceed: 0.99 of them, say.
    pub(crate) fn percentile(&self, part: f64) -> f64 {
        let rank = (self.0.len() as f64 * part).ceil() as usize;
        let time = self.0.get(rank.saturating_sub(1));
        time.copied().unwrap_or_default().as_secs_f64() * 1e3
    }
}

/// The one in the middle; of an even number the upper one.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.into_iter().collect();
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_times_that_were_measured() {
        let times = (1..=200).rev().map(Duration::from_millis).collect();
        let latencies = Latencies::new(times);
        for (part, millis) in [(0.5, 100.0), (0.99, 198.0), (1.0, 200.0)] {
            assert_eq!(latencies.percentile(part), millis);
        }
        assert_eq!(Latencies::new(Vec::new()).percentile(0.5), 0.0);
    }

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median([9.0, 1.0, 5.0]), 5.0);
        assert_eq!(median([]), 0.0);
    }
}
