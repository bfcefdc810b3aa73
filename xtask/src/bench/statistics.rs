//! Medians and percentiles, and how they are shown.

use std::time::Duration;

/// The middle one, or the mean of the two in the middle. Nothing measured is zero.
pub(crate) fn median(times: &[Duration]) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort();
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => Duration::ZERO,
        len if len % 2 == 1 => sorted[middle],
        _ => (sorted[middle - 1] + sorted[middle]) / 2,
    }
}

/// The shortest time that this part of them does not exceed: 0.99 of them, say. Nothing measured is zero.
pub(crate) fn percentile(times: &[Duration], part: f64) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort();
    let rank = (sorted.len() as f64 * part).ceil() as usize;
    sorted
        .get(rank.saturating_sub(1))
        .copied()
        .unwrap_or_default()
}

/// Milliseconds, with a decimal where they are few.
pub(crate) fn shown(time: Duration) -> String {
    let millis = time.as_secs_f64() * 1e3;
    if millis < 100.0 {
        format!("{millis:.1} ms")
    } else {
        format!("{millis:.0} ms")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(millis: &[u64], expected: u64) {
        let times: Vec<_> = millis.iter().copied().map(Duration::from_millis).collect();
        assert_eq!(median(&times), Duration::from_millis(expected));
    }

    #[test]
    fn the_median_is_in_the_middle() {
        check(&[], 0);
        check(&[7], 7);
        check(&[9, 1, 5], 5);
        check(&[9, 1, 5, 7], 6);
    }

    #[test]
    fn percentiles_are_times_that_were_measured() {
        let times: Vec<_> = (1..=200).rev().map(Duration::from_millis).collect();
        for (part, millis) in [(0.5, 100), (0.95, 190), (0.99, 198), (1.0, 200)] {
            assert_eq!(percentile(&times, part), Duration::from_millis(millis));
        }
        assert_eq!(percentile(&times[..1], 0.99), Duration::from_millis(200));
        assert_eq!(percentile(&[], 0.5), Duration::ZERO);
    }

    #[test]
    fn short_times_have_a_decimal() {
        assert_eq!(shown(Duration::from_micros(5_250)), "5.2 ms");
        assert_eq!(shown(Duration::from_millis(1234)), "1234 ms");
    }
}
