//! The section `[trace]`.

use super::{reader::Table, sections};
use crate::token::read_private;
use http::{
    HeaderMap, Uri,
    header::{HeaderName, HeaderValue},
};
use socklet_core::Rate;
use std::{
    ops::RangeInclusive,
    path::{Path, PathBuf},
    time::Duration,
};

/// The traces to record and where they go.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TracePlan {
    /// With the path of the signal.
    pub(crate) endpoint: Uri,
    pub(crate) headers: HeaderMap,
    /// From 0 to 1, as the next.
    pub(crate) sample: f64,
    pub(crate) sample_events: f64,
    pub(crate) trust_parent: bool,
    pub(crate) parent_rate: Rate,
    pub(crate) max_spans: Rate,
    pub(crate) queue: usize,
    pub(crate) interval: Duration,
    pub(crate) timeout: Duration,
    pub(crate) attributes: Vec<(String, String)>,
}

/// The largest file of header fields, in bytes.
const HEADERS_MAX: u64 = 16 * 1024;
/// How often spans may be sent.
const INTERVALS: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(60);
/// How long a request may take.
const TIMEOUTS: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(60);
/// The most spans that wait.
const QUEUE_MAX: usize = 1_000_000;

/// The traces. None when there are none, or something is wrong with them.
pub(super) fn trace(table: &Table<'_>, folder: &Path) -> Option<TracePlan> {
    let section = sections::Trace::read(table, None)?;
    if !table.has("endpoint") && table.has("headers_file") {
        table.wrong("headers_file", "there is nobody to send them to: write endpoint, too");
    }
    if !INTERVALS.contains(&section.interval) {
        table.wrong("interval", "expected a time from \"10ms\" to \"1m\"");
    }
    if !TIMEOUTS.contains(&section.timeout) {
        table.wrong("timeout", "expected a time from \"10ms\" to \"1m\"");
    }
    if section.queue.0 > QUEUE_MAX {
        table.wrong("queue", format!("expected at most {QUEUE_MAX}: they are kept in memory"));
    }
    let headers = section.headers_file.map(|path: PathBuf| {
        headers(&folder.join(path)).unwrap_or_else(|problem| {
            table.wrong("headers_file", problem);
            HeaderMap::new()
        })
    });
    Some(TracePlan {
        endpoint: section.endpoint?.0,
        headers: headers.unwrap_or_default(),
        sample: section.sample.0,
        sample_events: section.sample_events.0,
        trust_parent: section.trust_parent,
        parent_rate: section.parent_rate,
        max_spans: section.max_spans,
        queue: section.queue.0,
        interval: section.interval,
        timeout: section.timeout,
        attributes: section.attributes.0,
    })
}

/// Header fields from a file that only its owner can read: `name: value`, one a line. What is wrong is told without what is in it.
fn headers(path: &Path) -> Result<HeaderMap, String> {
    let bytes = read_private(path, HEADERS_MAX + 1).map_err(|error| error.to_string())?;
    let shown = path.display();
    if bytes.len() as u64 > HEADERS_MAX {
        return Err(format!("{shown} is larger than {HEADERS_MAX} bytes"));
    }
    let text = String::from_utf8(bytes).map_err(|_| format!("{shown} is not UTF-8"))?;
    let mut headers = HeaderMap::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let field = line.split_once(':').and_then(|(name, value)| {
            let name = HeaderName::from_bytes(name.trim().as_bytes()).ok()?;
            Some((name, HeaderValue::from_str(value.trim()).ok()?))
        });
        let Some((name, mut value)) = field else {
            return Err(format!("line {} of {shown} is no header field: expected \"name: value\"", number + 1));
        };
        value.set_sensitive(true);
        headers.append(name, value);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use crate::Config;
    use std::{fs, os::unix::fs::PermissionsExt};

    /// The outcome of a section in a folder with header fields, without the folder.
    fn parse(text: &str) -> Result<Config, Vec<String>> {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str, mode| {
            fs::write(folder.path().join(name), text).unwrap();
            fs::set_permissions(folder.path().join(name), fs::Permissions::from_mode(mode)).unwrap();
        };
        write("headers", "x-team: a\n\nAuthorization: Bearer s3cret\n", 0o600);
        write("open", "x-team: a", 0o644);
        write("bad", "x-team: a\ns3cret\n", 0o600);
        let without_folder = |text: String| text.replace(&format!("{}/", folder.path().display()), "");
        Config::parse(text, folder.path().join("a.toml"))
            .map_err(|mistakes| mistakes.iter().map(|mistake| without_folder(mistake.to_string())).collect())
    }

    #[test]
    fn without_an_endpoint_there_are_none() {
        assert!(parse("").unwrap().trace.is_none());
        assert_eq!(
            parse("[trace]\nheaders_file = \"headers\"").unwrap_err(),
            ["a.toml:2: trace.headers_file = \"headers\": there is nobody to send them to: write endpoint, too"]
        );
    }

    #[test]
    fn an_endpoint_gets_the_path_of_traces() {
        for (written, asked) in [
            ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
            ("http://[::1]:4318/", "http://[::1]:4318/v1/traces"),
            ("https://otlp.example/of/acme/", "https://otlp.example/of/acme/v1/traces"),
        ] {
            let plan = parse(&format!("[trace]\nendpoint = \"{written}\"")).unwrap().trace.unwrap();
            assert_eq!(plan.endpoint.to_string(), asked);
        }
    }

    #[test]
    fn header_fields_are_secrets() {
        let plan = parse("[trace]\nendpoint = \"http://a\"\nheaders_file = \"headers\"").unwrap().trace.unwrap();
        assert_eq!(
            (&plan.headers["x-team"], &plan.headers["authorization"]),
            (&"a".parse().unwrap(), &"Bearer s3cret".parse().unwrap())
        );
        assert!(!format!("{plan:?}").contains("s3cret"));
    }

    #[test]
    fn every_mistake_is_told() {
        for (key, told) in [
            ("sample = 1.5", "a.toml:3: trace.sample = 1.5: expected a number from 0 to 1, such as 0.01"),
            (
                "sample_events = \"all\"",
                "a.toml:3: trace.sample_events = \"all\": expected a number from 0 to 1, such as 0.01",
            ),
            ("interval = \"2m\"", "a.toml:3: trace.interval = \"2m\": expected a time from \"10ms\" to \"1m\""),
            ("timeout = \"1ms\"", "a.toml:3: trace.timeout = \"1ms\": expected a time from \"10ms\" to \"1m\""),
            ("queue = 1000001", "a.toml:3: trace.queue = 1000001: expected at most 1000000: they are kept in memory"),
            ("headers_file = \"none\"", "a.toml:3: trace.headers_file = \"none\": there is no file none"),
            (
                "headers_file = \"open\"",
                "a.toml:3: trace.headers_file = \"open\": others than its owner can read or write open: chmod 600 open",
            ),
            (
                "headers_file = \"bad\"",
                "a.toml:3: trace.headers_file = \"bad\": line 2 of bad is no header field: expected \"name: value\"",
            ),
        ] {
            let mistakes = parse(&format!("[trace]\nendpoint = \"http://a\"\n{key}")).unwrap_err();
            assert_eq!(mistakes, [told]);
        }
        let expected = "expected the URL of a collector, such as \"http://127.0.0.1:4318\"";
        for (url, why) in [
            ("127.0.0.1:4318", "it does not begin with http:// or https://"),
            ("grpc://a", "it does not begin with http:// or https://"),
            ("http://", "not a URL"),
            ("http://user:pw@a", "no user and password may be in it: write them into headers_file"),
            ("http://a/?b", "no query may be in it"),
        ] {
            let told = parse(&format!("[trace]\nendpoint = \"{url}\"")).unwrap_err();
            assert_eq!(told, [format!("a.toml:2: trace.endpoint = \"{url}\": {why}; {expected}")]);
        }
    }
}
