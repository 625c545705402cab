//! Kinds of values that have a meaning in Socklet: names, addresses, rates, plugin sources, log filters.

use super::value::{Form, Kind, Value, Wrong, choice_kind, text_kinds};
use http::Uri;
use socklet_core::{ListenerName, PluginName, Rate, RouteName, StoreName, TenantName};
use socklet_plugin::{AllowedOrigin, InvalidOrigin, OnSwap};
use socklet_server::{
    Bind, InvalidProxy, Level, ProxyProtocol, RealIpHeader, SlowConsumer, TlsVersion, TrustedProxy, WindowBits,
};
use std::{path::PathBuf, time::Duration};
use toml_edit::Value as Toml;
use tracing_subscriber::EnvFilter;

/// Where a plugin comes from: `file:` and a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Source(pub(crate) PathBuf);

/// A digest: `sha256:` and 64 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Digest(pub(crate) String);

/// What is logged. Known to be a filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Filter(pub(crate) String);

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// One object a line.
    Json,
}

/// When a plugin is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Load {
    /// Before it can be needed.
    Eager,
    /// When it is needed.
    Lazy,
}

/// A number of CPU cores: the time that they compute in a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cores(pub(crate) Duration);

/// A share of all: 0 for none to 1 for every one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Ratio(pub(crate) f64);

/// The shares of lines about connections that are logged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Sample {
    pub(crate) accepted: f64,
    pub(crate) refused: f64,
    pub(crate) closed: f64,
}

/// Where a collector takes traces: an absolute URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Collector(pub(crate) Uri);

/// Whether clients show a certificate, as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClientCertificates {
    /// They are not asked.
    None,
    /// They are asked.
    Optional,
    /// Without one they are not served.
    Required,
}

/// Who shares an instance, as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Instance {
    /// Nobody.
    Connection,
    /// All connections of the route.
    Shared,
    /// The connections for which this template is the same.
    Key(String),
    /// Nobody, and not for longer than an event.
    Event,
}

/// The web pages that may connect, as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum OriginList {
    /// All.
    Any,
    /// These origins.
    List(Vec<String>),
}

const NAME: &str = "a name of 1 to 63 of a-z, 0-9, '-' and '_'";

fn name<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| "not a name".to_owned())
}

text_kinds! {
    TenantName: "name", NAME, name;
    RouteName: "name", NAME, name;
    ListenerName: "name", NAME, name;
    PluginName: "name", NAME, name;
    StoreName: "name", NAME, name;
    AllowedOrigin: "origins", "origins such as [\"https://auth.example\", \"http://127.0.0.1:8081\", \"https://*.example\"]",
        |s| s.parse().map_err(|error: InvalidOrigin| error.to_string());
    Bind: "address", "an address such as \"127.0.0.1:8080\", \"[::1]:8080\", \":8080\", \"unix:/run/socklet.sock\" or \"systemd:NAME\"",
        |s| s.parse().map_err(|_| "not an address".to_owned());
    TrustedProxy: "proxies", "networks such as [\"10.0.0.0/8\", \"2001:db8::/32\"], addresses, or \"unix\"",
        |s| s.parse().map_err(|error: InvalidProxy| error.to_string());
    Rate: "rate", "a rate such as \"100/s\" or \"60/m\"", |s| s.parse().map_err(|_| "not a rate".to_owned());
    Source: "plugin file", "\"file:\" and a path, from the folder of the configuration file", |s| match s.strip_prefix("file:") {
        Some("") => Err("the path is empty".to_owned()),
        Some(path) => Ok(Self(path.into())),
        None => Err("plugins come from files".to_owned()),
    };
    Digest: "digest", "\"sha256:\" and 64 hexadecimal digits", |s| match s.strip_prefix("sha256:") {
        Some(hex) if hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit()) => Ok(Self(s.to_ascii_lowercase())),
        _ => Err("not a digest".to_owned()),
    };
    Collector: "URL", "the URL of a collector, such as \"http://127.0.0.1:4318\"", collector;
    Filter: "log filter", "error, warn, info, debug or trace, or a list such as \"info,socklet_plugin=debug\"", filter;
}

choice_kind!(Format: "word", "\"text\" or \"json\"", "text" => Text, "json" => Json);
choice_kind!(Load: "word", "\"eager\" or \"lazy\"", "eager" => Eager, "lazy" => Lazy);
choice_kind!(SlowConsumer: "word", "\"close\", \"drop-newest\" or \"drop-oldest\"",
    "close" => Close, "drop-newest" => DropNewest, "drop-oldest" => DropOldest);

choice_kind!(ClientCertificates: "word", "\"none\", \"optional\" or \"required\"",
    "none" => None, "optional" => Optional, "required" => Required);
choice_kind!(TlsVersion: "word", "\"1.2\" or \"1.3\"", "1.2" => V12, "1.3" => V13);

choice_kind!(ProxyProtocol: "word", "\"off\", \"v1\", \"v2\" or \"any\"", "off" => Off, "v1" => V1, "v2" => V2, "any" => Any);
choice_kind!(RealIpHeader: "word", "\"forwarded\", \"x-forwarded-for\" or \"x-real-ip\"",
    "forwarded" => Forwarded, "x-forwarded-for" => XForwardedFor, "x-real-ip" => XRealIp);

choice_kind!(OnSwap: "word", "\"keep\" or \"close\"", "keep" => Keep, "close" => Close);

/// A kind that is a whole number of a few.
macro_rules! number_kind {
    ($type:ident: $hint:literal) => {
        impl Value for $type {
            fn kind() -> Kind {
                Kind::new("number", $hint, Form::Integer)
            }

            fn decode(toml: &Toml) -> Result<Self, Wrong> {
                let number = toml.as_integer().and_then(|number| u8::try_from(number).ok());
                number.and_then(Self::new).ok_or(Wrong::Kind)
            }
        }
    };
}

number_kind!(Level: "a whole number from 1 to 9");
number_kind!(WindowBits: "a whole number from 9 to 15");

impl Value for Cores {
    fn kind() -> Kind {
        Kind::new("cores", "a number of cores from 0.001 to 1024, such as 0.5", Form::Number)
    }

    fn decode(toml: &Toml) -> Result<Self, Wrong> {
        let cores = toml.as_float().or_else(|| toml.as_integer().map(|whole| whole as f64));
        let cores = cores.filter(|cores| (0.001..=1024.0).contains(cores));
        cores.map(|cores| Self(Duration::from_secs_f64(cores))).ok_or(Wrong::Kind)
    }
}

impl Value for Ratio {
    fn kind() -> Kind {
        Kind::new("share", "a number from 0 to 1, such as 0.01", Form::Number)
    }

    fn decode(toml: &Toml) -> Result<Self, Wrong> {
        let ratio = toml.as_float().or_else(|| toml.as_integer().map(|whole| whole as f64));
        ratio.filter(|ratio| (0.0..=1.0).contains(ratio)).map(Self).ok_or(Wrong::Kind)
    }
}

impl Value for Sample {
    fn kind() -> Kind {
        Kind::new("table", "a table of shares such as { accepted = 0.01, closed = 0.01 }", Form::Table)
    }

    fn decode(toml: &Toml) -> Result<Self, Wrong> {
        let mut sample = Self { accepted: 1.0, refused: 1.0, closed: 1.0 };
        for (kind, share) in toml.as_inline_table().ok_or(Wrong::Kind)?.iter() {
            let place = match kind {
                "accepted" => &mut sample.accepted,
                "refused" => &mut sample.refused,
                "closed" => &mut sample.closed,
                _ => return Err(Wrong::Nearly(format!("there is no kind {kind}, but accepted, refused and closed"))),
            };
            let wrong = |_| Wrong::Nearly(format!("the share of {kind} is not a number from 0 to 1"));
            *place = Ratio::decode(share).map_err(wrong)?.0;
        }
        Ok(sample)
    }
}

impl Value for Instance {
    fn kind() -> Kind {
        let hint = "\"connection\", \"shared\", \"event\" or { key = \"{capture}\" }";
        Kind::new("instance policy", hint, Form::TextOrTable)
    }

    fn decode(toml: &Toml) -> Result<Self, Wrong> {
        match toml.as_str() {
            Some("connection") => return Ok(Self::Connection),
            Some("shared") => return Ok(Self::Shared),
            Some("event") => return Ok(Self::Event),
            _ => {}
        }
        let table = toml.as_inline_table().filter(|table| table.len() == 1).ok_or(Wrong::Kind)?;
        let key = table.get("key").and_then(Toml::as_str).ok_or(Wrong::Kind)?;
        Ok(Self::Key(key.to_owned()))
    }
}

impl Value for OriginList {
    fn kind() -> Kind {
        let hint = "\"*\", or origins such as [\"https://app.example\", \"https://*.example\"]";
        Kind::new("origins", hint, Form::List)
    }

    fn decode(toml: &Toml) -> Result<Self, Wrong> {
        match Vec::<String>::decode(toml)?.as_slice() {
            [] => Err(Wrong::Nearly("no page could connect".to_owned())),
            [all] if all == "*" => Ok(Self::Any),
            list => Ok(Self::List(list.to_vec())),
        }
    }
}

fn collector(text: &str) -> Result<Collector, String> {
    if !text.starts_with("http://") && !text.starts_with("https://") {
        return Err("it does not begin with http:// or https://".to_owned());
    }
    let uri: Uri = text.parse().map_err(|_| "not a URL".to_owned())?;
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err("no user and password may be in it: write them into headers_file".to_owned());
    }
    if uri.query().is_some() {
        return Err("no query may be in it".to_owned());
    }
    let whole = format!("{}/v1/traces", text.trim_end_matches('/'));
    whole.parse().map(Collector).map_err(|_| "not a URL".to_owned())
}

/// Checks that every part is a level or names one: a bare word would silently mean a module at its most talkative.
fn filter(text: &str) -> Result<Filter, String> {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    if let Some(part) = text.split(',').find(|part| !LEVELS.contains(&part.trim()) && !part.contains('=')) {
        return Err(format!("{part:?} is not a level"));
    }
    match EnvFilter::builder().parse(text) {
        Ok(_) => Ok(Filter(text.to_owned())),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode<T: Value>(toml: &str) -> Result<T, Wrong> {
        T::decode(&toml.parse().unwrap())
    }

    #[test]
    fn instances() {
        assert_eq!(decode::<Instance>("\"shared\"").unwrap(), Instance::Shared);
        assert_eq!(decode::<Instance>("{ key = \"{room}\" }").unwrap(), Instance::Key("{room}".to_owned()));
        for bad in ["\"room\"", "{ key = 1 }", "{ key = \"{a}\", more = 1 }", "{}"] {
            assert_eq!(decode::<Instance>(bad), Err(Wrong::Kind), "{bad}");
        }
        assert_eq!(decode::<Instance>("\"event\"").unwrap(), Instance::Event);
    }

    #[test]
    fn filters() {
        for good in ["info", "warn,socklet=debug", "off"] {
            assert_eq!(filter(good).unwrap().0, good);
        }
        for bad in ["", "inof", "info,socklet", "socklet=loud"] {
            assert!(filter(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn cores() {
        for (text, millis) in [("0.5", 500), ("2", 2000), ("1.25", 1250), ("0.001", 1), ("1024", 1_024_000)] {
            assert_eq!(decode::<Cores>(text), Ok(Cores(Duration::from_millis(millis))), "{text}");
        }
        for bad in ["0", "-1", "0.0001", "1024.1", "nan", "inf", "\"1\"", "\"50%\""] {
            assert_eq!(decode::<Cores>(bad), Err(Wrong::Kind), "{bad}");
        }
    }

    #[test]
    fn shares() {
        for (text, share) in [("0", 0.0), ("1", 1.0), ("0.01", 0.01), ("1.0", 1.0)] {
            assert_eq!(decode(text), Ok(Ratio(share)), "{text}");
        }
        for bad in ["-0.1", "1.01", "2", "nan", "\"1%\""] {
            assert_eq!(decode::<Ratio>(bad), Err(Wrong::Kind), "{bad}");
        }
    }

    #[test]
    fn shares_of_lines() {
        let sample = decode::<Sample>("{ accepted = 0.5, closed = 0 }").unwrap();
        assert_eq!(sample, Sample { accepted: 0.5, refused: 1.0, closed: 0.0 });
        assert_eq!(decode::<Sample>("0.5"), Err(Wrong::Kind));
        for bad in ["{ opened = 0.5 }", "{ closed = 2 }"] {
            assert!(matches!(decode::<Sample>(bad), Err(Wrong::Nearly(_))), "{bad}");
        }
    }

    #[test]
    fn digests_and_sources() {
        assert!(decode::<Digest>(&format!("\"sha256:{}\"", "A0".repeat(32))).is_ok());
        assert!(matches!(decode::<Digest>("\"sha256:ab\""), Err(Wrong::Nearly(_))));
        assert_eq!(decode::<Source>("\"file:a/b.wasm\"").unwrap(), Source("a/b.wasm".into()));
        assert!(decode::<Source>("\"https://a.example/b.wasm\"").is_err());
    }

    #[test]
    fn policies_for_slow_consumers() {
        assert_eq!(decode("\"close\""), Ok(SlowConsumer::Close));
        assert_eq!(decode("\"drop-newest\""), Ok(SlowConsumer::DropNewest));
        assert_eq!(decode("\"drop-oldest\""), Ok(SlowConsumer::DropOldest));
        assert_eq!(decode::<SlowConsumer>("\"stop\""), Err(Wrong::Kind));
    }

    #[test]
    fn numbers_of_a_few() {
        for (number, level, bits) in [(0, false, false), (1, true, false), (9, true, true), (10, false, true)] {
            assert_eq!(decode::<Level>(&number.to_string()).is_ok(), level, "{number}");
            assert_eq!(decode::<WindowBits>(&number.to_string()).is_ok(), bits, "{number}");
        }
        for bad in ["16", "-9", "265", "9.0", "\"9\""] {
            assert_eq!(decode::<WindowBits>(bad), Err(Wrong::Kind), "{bad}");
        }
    }
}
