//! The limits of a route in a request that changes them, each as the configuration writes it.

use super::Problem;
use crate::config::value::{Limit, Size as Bytes, Value, Wrong};
use schemars::JsonSchema;
use serde::Deserialize;
use socklet_server::ConnectionLimits;
use toml_edit::Value as Toml;

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
        set(&mut to.control_frame_rate, "control_frame_rate", self.control_frame_rate, read)?;
        set(&mut to.messages_per_second, "messages_per_second", self.messages_per_second, or_none)?;
        let bytes = |text| or_none(text).map(|limit| limit.map(|Bytes(bytes)| bytes as u64));
        set(&mut to.bytes_per_second, "bytes_per_second", self.bytes_per_second, bytes)?;
        set(&mut to.send_queue_max_bytes, "send_queue_max_bytes", self.send_queue_max_bytes, size)?;
        set(&mut to.slow_consumer, "slow_consumer", self.slow_consumer, read)?;
        set(&mut to.send_timeout, "send_timeout", self.send_timeout, read)?;
        set(&mut to.close_timeout, "close_timeout", self.close_timeout, read)?;
        set(&mut to.pong_timeout, "pong_timeout", self.pong_timeout, read)?;
        set(&mut to.idle_timeout, "idle_timeout", self.idle_timeout, or_none)?;
        set(&mut to.max_lifetime, "max_lifetime", self.max_lifetime, or_none)?;
        set(&mut to.max_connections, "max_connections", self.max_connections, count_or_none)?;
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

/// What a text means where the configuration has a value of this kind.
fn read<V: Value>(text: String) -> Result<V, String> {
    V::decode(&Toml::from(text.as_str())).map_err(|wrong| {
        let unknown = if wrong == Wrong::Kind { "not known; " } else { "" };
        format!("{text:?}: {unknown}{}", wrong.message(&V::kind()))
    })
}

fn size(text: String) -> Result<usize, String> {
    read(text).map(|Bytes(bytes)| bytes)
}

fn or_none<V>(text: String) -> Result<Option<V>, String>
where
    Limit<V>: Value,
{
    read(text).map(|Limit(limit)| limit)
}

fn count_or_none(text: String) -> Result<Option<usize>, String> {
    if text == "none" {
        return Ok(None);
    }
    let number = text.parse().ok().filter(|number| *number > 0);
    number.map(Some).ok_or_else(|| format!("{text:?}: not a number; expected a number from 1, or \"none\""))
}

fn count(count: usize) -> Result<usize, String> {
    if (1..=MOST).contains(&count) { Ok(count) } else { Err(format!("{count}: expected 1 to {MOST}")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use socklet_core::Rate;
    use std::time::Duration;

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
