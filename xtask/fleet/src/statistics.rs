//! Percentiles of what was measured.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Percentiles in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Percentiles {
    pub(crate) count: usize,
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) max: f64,
}

impl Percentiles {
    pub(crate) fn of(times: &[Duration]) -> Self {
        let mut sorted = times.to_vec();
        sorted.sort_unstable();
        let at = |fraction: f64| {
            let index = (sorted.len() as f64 * fraction).ceil() as usize;
            let time = sorted.get(index.saturating_sub(1)).copied();
            time.unwrap_or_default().as_secs_f64() * 1000.0
        };
        Self {
            count: sorted.len(),
            p50: at(0.5),
            p99: at(0.99),
            max: at(1.0),
        }
    }
}

impl std::fmt::Display for Percentiles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            count,
            p50,
            p99,
            max,
        } = self;
        write!(
            f,
            "p50 {p50:.0} ms, p99 {p99:.0} ms, max {max:.0} ms of {count}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_sorted_times() {
        let times: Vec<_> = (1..=200).rev().map(Duration::from_millis).collect();
        let expect = Percentiles {
            count: 200,
            p50: 100.0,
            p99: 198.0,
            max: 200.0,
        };
        assert_eq!(Percentiles::of(&times), expect);
        assert_eq!(Percentiles::of(&[]), Percentiles::default());
    }
}
