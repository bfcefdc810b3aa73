//! Durations as people write them.

use std::time::Duration;

use molecule_agent::Since;

const HINT: &str = "write a duration like 30s, 5m, 2h, 500ms, or seconds";

/// Reads `30s`, `5m`, `2h`, `500ms`, or plain seconds such as `2.5`.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let number_len = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(number_len);
    let unit = match unit {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err(HINT.to_owned()),
    };
    let number: f64 = number.parse().map_err(|_| HINT.to_owned())?;
    Duration::try_from_secs_f64(number * unit).map_err(|_| "too long".to_owned())
}

/// A duration between two repetitions, which cannot be nothing.
pub(crate) fn parse_interval(text: &str) -> Result<Duration, String> {
    parse(text).and_then(|interval| {
        if interval.is_zero() {
            Err("an interval is longer than nothing".to_owned())
        } else {
            Ok(interval)
        }
    })
}

/// Reads `all`, `now`, or a duration.
pub(crate) fn parse_since(text: &str) -> Result<Since, String> {
    match text {
        "all" => Ok(Since::All),
        "now" => Ok(Since::Now),
        text => parse(text)
            .map(Since::Last)
            .map_err(|error| format!("{error}; or all, or now")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: Option<u64>) {
        let expect = expect.map(Duration::from_millis);
        assert_eq!(parse(text).ok(), expect, "{text:?}");
    }

    #[test]
    fn durations_have_a_unit_or_are_seconds() {
        check("30s", Some(30_000));
        check("5m", Some(300_000));
        check("2h", Some(7_200_000));
        check("500ms", Some(500));
        check("0.5", Some(500));
        check("7", Some(7000));
        check("0", Some(0));
        for text in [
            "", "s", "-1s", "1 s", "5d", "1.2.3s", "NaN", "inf", "1e400s",
        ] {
            check(text, None);
        }
        check(&"9".repeat(400), None);
    }

    #[test]
    fn since_also_takes_words() {
        assert_eq!(parse_since("all"), Ok(Since::All));
        assert_eq!(parse_since("now"), Ok(Since::Now));
        assert_eq!(parse_since("1m"), Ok(Since::Last(Duration::from_secs(60))));
        assert!(
            parse_since("yesterday")
                .unwrap_err()
                .contains("or all, or now")
        );
        assert!(parse_interval("0s").is_err());
    }
}
