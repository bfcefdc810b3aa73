//! Times as the platform writes them.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// An RFC 3339 time that orders by the moment it names.
///
/// The platform trims trailing zeros of the fraction, so its texts do not sort as strings.
///
/// ```
/// use molecule_protocol::Timestamp;
///
/// let early: Timestamp = "2026-11-22T04:01:56.36824Z".parse()?;
/// let late: Timestamp = "2026-11-22T04:01:56.368245Z".parse()?;
/// assert!(early < late);
/// assert!("yesterday".parse::<Timestamp>().is_err());
/// # Ok::<(), molecule_protocol::InvalidTimestamp>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Timestamp {
    seconds: i64,
    nanos: u32,
}

/// Why a text is not a time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an RFC 3339 time such as 2026-11-22T04:01:56Z")]
pub struct InvalidTimestamp(String);

impl Timestamp {
    /// Seconds since 1970-01-01T00:00:00Z, rounded down.
    #[must_use]
    pub const fn unix_seconds(&self) -> i64 {
        self.seconds
    }

    /// How much later this is; nothing if it is earlier.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Duration {
        let nanos = |time: &Self| i128::from(time.seconds) * 1_000_000_000 + i128::from(time.nanos);
        let nanos = u128::try_from(nanos(self) - nanos(earlier)).unwrap_or(0);
        let rest = (nanos % 1_000_000_000) as u32;
        Duration::new(
            u64::try_from(nanos / 1_000_000_000).unwrap_or(u64::MAX),
            rest,
        )
    }

    /// One microsecond later: the next moment that the platform's clock can tell apart.
    #[must_use]
    pub const fn next_microsecond(self) -> Self {
        match self.nanos {
            ..999_999_000 => Self {
                nanos: self.nanos + 1_000,
                ..self
            },
            _ => Self {
                seconds: self.seconds + 1,
                nanos: 0,
            },
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let (date, rest) = text.split_once(['T', 't'])?;
        let zone_at = rest.find(['Z', 'z', '+', '-'])?;
        let (clock, zone) = rest.split_at(zone_at);
        let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
        let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
        let [hour, minute, second] = numbers(clock, ':', [2, 2, 2])?;
        let in_range = (1..=12).contains(&month)
            && (1..=days_in_month(year, month)).contains(&day)
            && hour < 24
            && minute < 60
            && second <= 60;
        let day_seconds = hour * 3600 + minute * 60 + second;
        in_range.then_some(())?;
        Some(Self {
            seconds: days_from_civil(year, month, day) * 86_400 + day_seconds - zone_seconds(zone)?,
            nanos: nanos(fraction)?,
        })
    }
}

impl FromStr for Timestamp {
    type Err = InvalidTimestamp;

    fn from_str(text: &str) -> Result<Self, InvalidTimestamp> {
        Self::parse(text).ok_or_else(|| InvalidTimestamp(text.chars().take(40).collect()))
    }
}

impl TryFrom<String> for Timestamp {
    type Error = InvalidTimestamp;

    fn try_from(text: String) -> Result<Self, InvalidTimestamp> {
        text.parse()
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        let (seconds, nanos) = match time.duration_since(UNIX_EPOCH) {
            Ok(since) => (i64::try_from(since.as_secs()), since.subsec_nanos()),
            Err(before) => {
                let before = before.duration();
                let borrow = before.subsec_nanos() != 0;
                let seconds =
                    i64::try_from(before.as_secs()).map(|seconds| -seconds - i64::from(borrow));
                (
                    seconds,
                    (1_000_000_000 - before.subsec_nanos()) % 1_000_000_000,
                )
            }
        };
        // No clock gets that far.
        let seconds = seconds.unwrap_or(i64::MAX / 2);
        Self { seconds, nanos }
    }
}

impl From<Timestamp> for String {
    fn from(time: Timestamp) -> String {
        time.to_string()
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil_from_days(self.seconds.div_euclid(86_400));
        let second = self.seconds.rem_euclid(86_400);
        let (hour, minute) = (second / 3600, second / 60 % 60);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{:02}",
            second % 60
        )?;
        if self.nanos > 0 {
            write!(f, ".{}", format!("{:09}", self.nanos).trim_end_matches('0'))?;
        }
        f.write_str("Z")
    }
}

/// Three fields of exactly these widths, digits only.
fn numbers(text: &str, separator: char, widths: [usize; 3]) -> Option<[i64; 3]> {
    let mut fields = text.split(separator);
    let mut out = [0; 3];
    for (slot, width) in out.iter_mut().zip(widths) {
        let field = fields.next().filter(|f| f.len() == width && is_digits(f))?;
        *slot = field.parse().ok()?;
    }
    fields.next().is_none().then_some(out)
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// Digits beyond the ninth are cut: the platform's clock has six.
fn nanos(fraction: &str) -> Option<u32> {
    is_digits(fraction).then(|| format!("{fraction:0<9}")[..9].parse().ok())?
}

fn zone_seconds(zone: &str) -> Option<i64> {
    if zone.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let sign = if zone.starts_with('-') { -1 } else { 1 };
    let [hours, minutes, _] = numbers(&format!("{}:00", &zone[1..]), ':', [2, 2, 2])?;
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

const fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 of a date of the Gregorian calendar, counted in 400-year eras that begin in March.
const fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// The inverse of [`days_from_civil`].
const fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = era * 400 + year_of_era + (month <= 2) as i64;
    (year, month, day_of_year - (153 * shifted_month + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str, expect: Option<(i64, u32)>) {
        let time = text.parse::<Timestamp>().ok().map(|t| (t.seconds, t.nanos));
        assert_eq!(time, expect, "{text}");
    }

    #[test]
    fn known_moments() {
        check("1970-01-01T00:00:00Z", Some((0, 0)));
        check("2000-02-29T12:00:00.5Z", Some((951_825_600, 500_000_000)));
        check(
            "2026-11-22T04:01:56.465448Z",
            Some((1_795_320_116, 465_448_000)),
        );
        check("2026-11-22T05:01:56+01:00", Some((1_795_320_116, 0)));
        check(
            "2026-11-22T04:09:55.817549038Z",
            Some((1_795_320_595, 817_549_038)),
        );
        check("1969-12-31T23:59:59Z", Some((-1, 0)));
    }

    #[test]
    fn the_time_between_two_moments_is_that_of_the_later_one() {
        let time = |text: &str| text.parse::<Timestamp>().unwrap();
        let (early, late) = (
            time("2026-11-22T04:01:56.9Z"),
            time("2026-11-22T05:02:00.1+01:00"),
        );
        assert_eq!(late.since(&early), Duration::from_millis(3_200));
        assert_eq!(early.since(&late), Duration::ZERO);
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "",
            "Z",
            "T",
            "2026-11-22",
            "2026-13-01T00:00:00Z",
            "2026-02-29T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:00:00",
            "2026-01-01T00:00:00.Z",
            "2026-01-01T00:00:00.5xZ",
            "+026-01-01T00:00:00Z",
            "2026-01-01T00:00:00+1:00",
            "2026-01-01T00:00:00+é",
            "2026-01-01T00:00:00Zjunk",
        ] {
            check(text, None);
        }
    }

    proptest! {
        #[test]
        fn display_and_parse_are_inverse(seconds in -62_000_000_000_i64..250_000_000_000, nanos in 0_u32..1_000_000_000) {
            let time = Timestamp { seconds, nanos };
            prop_assert_eq!(time.to_string().parse::<Timestamp>(), Ok(time));
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,40}") {
            let _ = text.parse::<Timestamp>();
        }
    }

    #[test]
    fn the_time_of_the_system_is_a_time() {
        for (offset, expect) in [
            (0.0, "1970-01-01T00:00:00Z"),
            (1.5, "1970-01-01T00:00:01.5Z"),
            (-0.5, "1969-12-31T23:59:59.5Z"),
            (-1.0, "1969-12-31T23:59:59Z"),
        ] {
            let distance = std::time::Duration::from_secs_f64(f64::abs(offset));
            let time = if offset < 0.0 {
                UNIX_EPOCH - distance
            } else {
                UNIX_EPOCH + distance
            };
            assert_eq!(Timestamp::from(time).to_string(), expect);
        }
    }
}
