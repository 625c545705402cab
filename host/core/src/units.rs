//! Durations and sizes as people write them: `"25s"`, `"64KiB"`.

use std::time::Duration;

/// Units of time, largest first.
const TIMES: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Units of size, largest first.
const SIZES: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// Reads a duration: whole numbers with `ms`, `s`, `m`, `h` or `d`, at least 1 ms, at most 10 years.
///
/// # Errors
///
/// When it is not one; the text completes "…: ".
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let millis = parse(text, &TIMES)?;
    match millis {
        0 => Err("zero is not a time to wait".to_owned()),
        1..=315_360_000_000 => Ok(Duration::from_millis(millis)),
        _ => Err("longer than ten years".to_owned()),
    }
}

/// Reads a size: a whole number of bytes with `B`, `KiB`, `MiB` or `GiB`, at least 1.
///
/// # Errors
///
/// When it is not one; the text completes "…: ".
pub fn parse_size(text: &str) -> Result<usize, String> {
    match parse(text, &SIZES)? {
        0 => Err("zero bytes hold nothing".to_owned()),
        bytes => usize::try_from(bytes).map_err(|_| "too large for this machine".to_owned()),
    }
}

/// A duration as it is written: in the largest unit that says it in whole numbers.
pub fn show_duration(duration: Duration) -> String {
    show(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX), &TIMES)
}

/// A size as it is written: in the largest unit that says it in whole numbers.
pub fn show_size(bytes: u64) -> String {
    show(bytes, &SIZES)
}

fn show(number: u64, units: &[(&str, u64)]) -> String {
    let fits = |(_, factor): &&(&str, u64)| number >= *factor && number.is_multiple_of(*factor);
    let smallest = units.last().expect("there are units");
    let (name, factor) = units.iter().find(fits).unwrap_or(smallest);
    format!("{}{name}", number / factor)
}

fn parse(text: &str, units: &[(&str, u64)]) -> Result<u64, String> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let names = || units.iter().rev().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    if number.is_empty() {
        return Err("no whole number in front".to_owned());
    }
    let Some((_, factor)) = units.iter().find(|(name, _)| *name == unit.trim_start()) else {
        return Err(match unit {
            "" => format!("no unit (there are {})", names()),
            unit => format!("no such unit: {} (there are {})", unit.trim(), names()),
        });
    };
    number.parse::<u64>().ok().and_then(|number| number.checked_mul(*factor)).ok_or_else(|| "too large".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, millis) in
            [("1ms", 1), ("90 s", 90_000), ("25s", 25_000), ("5m", 300_000), ("36h", 129_600_000), ("2d", 172_800_000)]
        {
            assert_eq!(parse_duration(text).unwrap(), Duration::from_millis(millis));
        }
    }

    #[test]
    fn durations_that_are_none() {
        assert_eq!(parse_duration("25").unwrap_err(), "no unit (there are ms, s, m, h, d)");
        assert_eq!(parse_duration("25 sec").unwrap_err(), "no such unit: sec (there are ms, s, m, h, d)");
        for bad in ["", "s", "0s", "-1s", "1.5s", "99999999999999999999s", "4000000d", "1s2"] {
            assert!(parse_duration(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn what_is_shown_can_be_read() {
        for millis in [1, 999, 1_000, 1_500, 60_000, 90_000, 3_600_000, 86_400_000, 90_000_000] {
            let duration = Duration::from_millis(millis);
            assert_eq!(parse_duration(&show_duration(duration)), Ok(duration));
        }
        assert_eq!([show_duration(Duration::from_secs(90)), show_duration(Duration::from_secs(3600))], ["90s", "1h"]);
        for bytes in [1, 1_000, 1_024, 65_536, 65_537, 1 << 20, 3 << 30] {
            assert_eq!(parse_size(&show_size(bytes)), Ok(bytes as usize));
        }
        assert_eq!([show_size(65_536), show_size(1_000), show_size(0)], ["64KiB", "1000B", "0B"]);
    }

    #[test]
    fn sizes() {
        for (text, bytes) in [("1B", 1), ("1000B", 1000), ("64KiB", 65_536), ("1MiB", 1 << 20), ("3GiB", 3 << 30)] {
            assert_eq!(parse_size(text).unwrap(), bytes);
        }
        assert_eq!(parse_size("64KB").unwrap_err(), "no such unit: KB (there are B, KiB, MiB, GiB)");
        for bad in ["", "64", "0KiB", "64 kib", "99999999999GiB"] {
            assert!(parse_size(bad).is_err(), "{bad:?}");
        }
    }
}
