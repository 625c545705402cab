//! How many things may happen in a time, as operators say it.

use std::{fmt, str::FromStr, time::Duration};

/// So many in that time; as text `100/s`, `60/m`, `1000/h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many. Nothing at all is allowed when it is 0, which no text stands for.
    pub count: u32,
    /// In which time.
    pub per: Duration,
}

/// Not a rate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a rate: write a number from 1 to 4294967295 and one of /s, /m and /h, such as \"100/s\"")]
pub struct InvalidRate(String);

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);

// === impl Rate ===

impl Rate {
    /// So many in each second.
    pub const fn per_second(count: u32) -> Self {
        Self { count, per: SECOND }
    }
}

impl FromStr for Rate {
    type Err = InvalidRate;

    fn from_str(s: &str) -> Result<Self, InvalidRate> {
        let parse = || {
            let (count, per) = s.split_once('/')?;
            let per = match per {
                "s" => SECOND,
                "m" => MINUTE,
                "h" => HOUR,
                _ => return None,
            };
            // u32's own parser takes a plus sign, too.
            let digits = count.bytes().all(|byte| byte.is_ascii_digit());
            let count = count.parse().ok().filter(|count| digits && *count > 0)?;
            Some(Self { count, per })
        };
        parse().ok_or_else(|| InvalidRate(s.to_owned()))
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.per {
            SECOND => write!(f, "{}/s", self.count),
            MINUTE => write!(f, "{}/m", self.count),
            HOUR => write!(f, "{}/h", self.count),
            per => write!(f, "{}/{per:?}", self.count),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_rates_parse_and_print_as_they_were() {
        for (text, count, per) in
            [("100/s", 100, SECOND), ("60/m", 60, MINUTE), ("1000/h", 1000, HOUR), ("4294967295/s", u32::MAX, SECOND)]
        {
            let rate: Rate = text.parse().unwrap();
            assert_eq!(rate, Rate { count, per });
            assert_eq!(rate.to_string(), text);
        }
        for text in [
            "", "/", "100", "100/", "/s", "0/s", "00/m", "-1/s", "+1/s", "1.5/s", "1/d", "1/S", "1 / s", "1/s ", " 1/s",
        ] {
            assert_eq!(text.parse::<Rate>(), Err(InvalidRate(text.to_owned())));
        }
        assert!("4294967296/s".parse::<Rate>().is_err());
        let message = "0/s".parse::<Rate>().unwrap_err().to_string();
        assert!(message.contains("\"0/s\"") && message.contains("\"100/s\""), "{message}");
        assert_eq!(Rate { count: 3, per: Duration::from_millis(250) }.to_string(), "3/250ms");
    }
}
