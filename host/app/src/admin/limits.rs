//! The limits of a route in a request that changes them, each as the configuration writes it.

use super::Problem;
use crate::config::units::{parse_duration, parse_size};
use schemars::JsonSchema;
use serde::Deserialize;
use socklet_core::Rate;
use socklet_server::{ConnectionLimits, SlowConsumer};
use std::{fmt::Display, time::Duration};

/// Limits that are to change; what is left out stays as it is. `none` switches a limit off that can be off.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LimitsPatch {
    #[schemars(with = "Option<Size>")]
    max_message_size: Option<String>,
    #[schemars(with = "Option<Size>")]
    max_frame_size: Option<String>,
    #[schemars(range(min = 1, max = 1_000_000))]
    max_fragments: Option<usize>,
    #[schemars(range(min = 1, max = 1_000_000))]
    max_inflated_ratio: Option<usize>,
    #[schemars(with = "Option<Speed>")]
    control_frame_rate: Option<String>,
    #[schemars(with = "Option<Speed>")]
    messages_per_second: Option<String>,
    #[schemars(with = "Option<Size>")]
    bytes_per_second: Option<String>,
    #[schemars(with = "Option<Size>")]
    send_queue_max_bytes: Option<String>,
    #[schemars(extend("enum" = ["close", "drop-newest", "drop-oldest", null]))]
    slow_consumer: Option<String>,
    #[schemars(with = "Option<Time>")]
    send_timeout: Option<String>,
    #[schemars(with = "Option<Time>")]
    close_timeout: Option<String>,
    #[schemars(with = "Option<Time>")]
    pong_timeout: Option<String>,
    #[schemars(with = "Option<Time>")]
    idle_timeout: Option<String>,
    #[schemars(with = "Option<Time>")]
    max_lifetime: Option<String>,
    /// A number, or `none`.
    #[schemars(regex(pattern = "^([1-9][0-9]{0,6}|none)$"))]
    max_connections: Option<String>,
}

/// For schemas: `64KiB`.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "for the schema alone")]
struct Size(#[schemars(regex(pattern = "^[1-9][0-9]{0,3}(B|KiB|MiB)$"))] String);

/// For schemas: `20s`.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "for the schema alone")]
struct Time(#[schemars(regex(pattern = "^[1-9][0-9]{0,4}s$"))] String);

/// For schemas: `100/s`.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "for the schema alone")]
struct Speed(#[schemars(regex(pattern = "^[1-9][0-9]{0,6}/s$"))] String);

/// The most fragments of a message, and the most that one may grow when it is inflated.
const MOST: usize = 1_000_000;

// === impl LimitsPatch ===

impl LimitsPatch {
    /// These limits with what is to change.
    ///
    /// # Errors
    ///
    /// The first that is not one, with what would be.
    pub(super) fn apply(self, limits: &ConnectionLimits) -> Result<ConnectionLimits, Problem> {
        let mut to = limits.clone();
        set(&mut to.max_message_size, "max_message_size", self.max_message_size, size)?;
        set(&mut to.max_frame_size, "max_frame_size", self.max_frame_size, size)?;
        set(&mut to.max_fragments, "max_fragments", self.max_fragments, count)?;
        set(&mut to.max_inflated_ratio, "max_inflated_ratio", self.max_inflated_ratio, count)?;
        set(&mut to.control_frame_rate, "control_frame_rate", self.control_frame_rate, rate)?;
        set(&mut to.messages_per_second, "messages_per_second", self.messages_per_second, or_none(rate))?;
        let bytes = |text: String| size(text).map(|bytes| bytes as u64);
        set(&mut to.bytes_per_second, "bytes_per_second", self.bytes_per_second, or_none(bytes))?;
        set(&mut to.send_queue_max_bytes, "send_queue_max_bytes", self.send_queue_max_bytes, size)?;
        set(&mut to.slow_consumer, "slow_consumer", self.slow_consumer, slow_consumer)?;
        set(&mut to.send_timeout, "send_timeout", self.send_timeout, time)?;
        set(&mut to.close_timeout, "close_timeout", self.close_timeout, time)?;
        set(&mut to.pong_timeout, "pong_timeout", self.pong_timeout, time)?;
        set(&mut to.idle_timeout, "idle_timeout", self.idle_timeout, or_none(time))?;
        set(&mut to.max_lifetime, "max_lifetime", self.max_lifetime, or_none(time))?;
        set(&mut to.max_connections, "max_connections", self.max_connections, or_none(number))?;
        Ok(to)
    }
}

/// Sets a limit that is to change.
fn set<T, V>(to: &mut V, name: &str, wanted: Option<T>, parse: impl Fn(T) -> Result<V, String>) -> Result<(), Problem> {
    if let Some(wanted) = wanted {
        *to = parse(wanted).map_err(|error| Problem::Content(format!("limits.{name}: {error}")))?;
    }
    Ok(())
}

fn or_none<V>(parse: impl Fn(String) -> Result<V, String>) -> impl Fn(String) -> Result<Option<V>, String> {
    move |text| if text == "none" { Ok(None) } else { parse(text).map(Some) }
}

fn expected(text: &str, why: impl Display, example: &str) -> String {
    format!("{text:?}: {why}; expected {example}")
}

fn size(text: String) -> Result<usize, String> {
    parse_size(&text).map_err(|why| expected(&text, why, "a size such as \"64KiB\""))
}

fn time(text: String) -> Result<Duration, String> {
    parse_duration(&text).map_err(|why| expected(&text, why, "a duration such as \"25s\""))
}

fn rate(text: String) -> Result<Rate, String> {
    text.parse().map_err(|why| expected(&text, why, "a rate such as \"100/s\""))
}

fn number(text: String) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| expected(&text, "not a number", "a number from 1, or \"none\""))
}

fn count(count: usize) -> Result<usize, String> {
    if (1..=MOST).contains(&count) { Ok(count) } else { Err(format!("{count}: expected 1 to {MOST}")) }
}

fn slow_consumer(text: String) -> Result<SlowConsumer, String> {
    match text.as_str() {
        "close" => Ok(SlowConsumer::Close),
        "drop-newest" => Ok(SlowConsumer::DropNewest),
        "drop-oldest" => Ok(SlowConsumer::DropOldest),
        _ => Err(expected(&text, "not known", "\"close\", \"drop-newest\" or \"drop-oldest\"")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_stays_and_what_is_wrong_is_told() {
        let patch = |json: &str| serde_json::from_str::<LimitsPatch>(json).unwrap();
        let limits = ConnectionLimits { idle_timeout: Some(Duration::from_secs(1)), ..ConnectionLimits::default() };
        assert_eq!(patch("{}").apply(&limits).unwrap(), limits);
        let text = r#"{"max_message_size": "1KiB", "messages_per_second": "5/s", "idle_timeout": "none", "max_connections": "7"}"#;
        let expected = ConnectionLimits {
            max_message_size: 1024,
            messages_per_second: Some(Rate::per_second(5)),
            idle_timeout: None,
            max_connections: Some(7),
            ..limits.clone()
        };
        assert_eq!(patch(text).apply(&limits).unwrap(), expected);
        for (text, message) in [
            (r#"{"max_frame_size": "7"}"#, "limits.max_frame_size: \"7\": "),
            (r#"{"send_timeout": "none"}"#, "limits.send_timeout: \"none\": "),
            (r#"{"max_fragments": 0}"#, "limits.max_fragments: 0: expected 1 to 1000000"),
            (r#"{"slow_consumer": "wait"}"#, "limits.slow_consumer: \"wait\": not known"),
        ] {
            let error = patch(text).apply(&limits).unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        }
        assert!(serde_json::from_str::<LimitsPatch>(r#"{"max_mesage_size": "1KiB"}"#).is_err());
    }
}
