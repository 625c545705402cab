//! The steps of a test: what a peer does, what it is to hear, what happens to the route.

use super::reader::Table;
use crate::{expect::Expected, request::Request, watch::Pattern};
use regex::Regex;
use socklet_core::{Opcode, Principal, suggest::did_you_mean};
use std::{
    net::IpAddr,
    path::{Path, PathBuf},
    time::Duration,
};
use toml_edit::Value as Toml;

/// One step.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) line: usize,
    /// As it is written.
    pub(super) source: String,
    pub(super) action: Action,
}

#[derive(Clone, Debug)]
pub(super) enum Action {
    /// Of a peer.
    Peer(String, Deed),
    /// Of the route.
    Advance(Duration),
    Swap(PathBuf),
    Log(Option<String>, Pattern),
    Death(Option<String>, Pattern),
}

/// What a peer does, or hears.
#[derive(Clone, Debug)]
pub(super) enum Deed {
    Connect {
        request: Box<Request>,
        subprotocol: Option<String>,
        refused: Option<Refusal>,
    },
    Frame {
        opcode: Opcode,
        fin: bool,
        payload: Vec<u8>,
    },
    Close(Option<(u16, String)>),
    Vanish,
    Read(bool),
    AnswerPings(bool),
    Expect(Expected),
    ExpectNothing,
    /// What has come is fine, whatever it is.
    Ignore,
    Hibernate,
    Kill,
    Instance(Option<&'static str>),
    Timer {
        name: String,
        due: Option<Duration>,
    },
}

/// What a refusal has to be like.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) body: Option<String>,
    pub(super) headers: Vec<(String, String)>,
}

/// What a step can be, each with how it is read.
type Verb = (&'static str, fn(&Table<'_>, &Path) -> Option<Kind>);

enum Kind {
    OfPeer(Deed),
    OfRoute(Action),
}

const VERBS: &[Verb] = &[
    ("connect", connect),
    ("send", |table, _| frame(Opcode::Text, table.text("send")?.into_bytes())),
    ("send_json", |table, _| frame(Opcode::Text, table.json("send_json")?.to_string().into_bytes())),
    ("send_binary", |table, _| frame(Opcode::Binary, hex(table, "send_binary")?)),
    ("send_frame", send_frame),
    ("ping", |table, _| frame(Opcode::Ping, table.text("ping")?.into_bytes())),
    ("close", close),
    ("vanish", |table, _| table.yes("vanish").map(|()| Kind::OfPeer(Deed::Vanish))),
    ("read", |table, _| table.flag("read").map(Deed::Read).map(Kind::OfPeer)),
    ("answer_pings", |table, _| table.flag("answer_pings").map(Deed::AnswerPings).map(Kind::OfPeer)),
    ("expect", |table, _| expect(Expected::Text(table.text("expect")?))),
    ("expect_json", |table, _| expect(Expected::Json(table.json("expect_json")?))),
    ("expect_json_with", |table, _| expect(Expected::JsonWith(table.json("expect_json_with")?))),
    ("expect_match", |table, _| expect(Expected::Matching(pattern(table, "expect_match")?))),
    ("expect_binary", |table, _| expect(Expected::Binary(hex(table, "expect_binary")?))),
    ("expect_any", |table, _| table.yes("expect_any").and_then(|()| expect(Expected::Any))),
    ("expect_ping", |table, _| expect(Expected::Ping(table.text("expect_ping")?.into_bytes()))),
    ("expect_pong", |table, _| expect(Expected::Pong(table.text("expect_pong")?.into_bytes()))),
    ("expect_close", |table, _| {
        let (code, reason) = (table.number("expect_close", CODES), table.text("reason"));
        expect(Expected::Close { code: u16::try_from(code?).ok()?, reason })
    }),
    ("expect_nothing", |table, _| table.yes("expect_nothing").map(|()| Kind::OfPeer(Deed::ExpectNothing))),
    ("ignore", |table, _| table.yes("ignore").map(|()| Kind::OfPeer(Deed::Ignore))),
    ("hibernate", |table, _| table.yes("hibernate").map(|()| Kind::OfPeer(Deed::Hibernate))),
    ("kill", |table, _| table.yes("kill").map(|()| Kind::OfPeer(Deed::Kill))),
    ("expect_instance", instance),
    ("expect_timer", timer),
    ("advance", |table, _| table.duration("advance").map(Action::Advance).map(Kind::OfRoute)),
    ("swap", |table, folder| table.text("swap").map(|path| Kind::OfRoute(Action::Swap(folder.join(path))))),
    ("expect_log", |table, _| {
        let level = one_of(table, "level", &["debug", "info", "warn", "error"]);
        Some(Kind::OfRoute(Action::Log(level, text_or_pattern(table, "expect_log")?)))
    }),
    ("expect_death", |table, _| {
        let kind = one_of(table, "kind", KINDS);
        Some(Kind::OfRoute(Action::Death(kind, text_or_pattern(table, "expect_death")?)))
    }),
];

const KINDS: &[&str] =
    &["trap", "deadline", "timeout", "memory", "stack", "host-calls", "invalid-answer", "load", "host"];
const CODES: std::ops::RangeInclusive<i64> = 1000..=4999;

/// The peer of steps that name none.
const PEER: &str = "peer";

/// What steps there are.
#[cfg(test)]
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    VERBS.iter().map(|(name, _)| *name)
}

// === impl Step ===

impl Step {
    /// Reads one. None when it is a mistake, which is noted.
    pub(super) fn read(table: &Table<'_>, source: String, folder: &Path) -> Option<Self> {
        let is_verb = |key: &str| VERBS.iter().find(|(verb, _)| *verb == key);
        let verbs: Vec<_> = table.keys().filter_map(is_verb).collect();
        let (_, read) = match verbs.as_slice() {
            [one] => one,
            [] => {
                let names: Vec<_> = VERBS.iter().map(|(verb, _)| *verb).collect();
                let keys = table.keys().filter(|key| *key != PEER);
                let near: Vec<_> = keys.map(|key| (key, did_you_mean(key, &names))).collect();
                match near.iter().find(|(_, near)| !near.is_empty()).or(near.first()) {
                    Some((key, near)) => {
                        table.wrong(key, format!("unknown step{near} (there are {})", names.join(", ")));
                    }
                    None => table.wrong_here(format!("missing what happens: one of {}", names.join(", "))),
                }
                return None;
            }
            [(one, _), (other, _), ..] => {
                table.wrong_here(format!("a step is one thing, and this is {one} and {other}: write two steps"));
                return None;
            }
        };
        let kind = read(table, folder);
        // Known for steps of the route only where it says so.
        let peer = match &kind {
            Some(Kind::OfRoute(_)) => None,
            _ => Some(table.text("peer").unwrap_or_else(|| PEER.to_owned())),
        };
        table.finish();
        let action = match (kind?, peer) {
            (Kind::OfPeer(deed), Some(peer)) => Action::Peer(peer, deed),
            (Kind::OfPeer(_), None) => return None,
            (Kind::OfRoute(action), _) => action,
        };
        Some(Self { line: table.line(), source, action })
    }
}

fn expect(expected: Expected) -> Option<Kind> {
    Some(Kind::OfPeer(Deed::Expect(expected)))
}

fn frame(opcode: Opcode, payload: Vec<u8>) -> Option<Kind> {
    Some(Kind::OfPeer(Deed::Frame { opcode, fin: true, payload }))
}

fn connect(table: &Table<'_>, _: &Path) -> Option<Kind> {
    let target = table.text("connect");
    let mut request = Request::to(target.as_deref().unwrap_or("/"));
    for (name, value) in table.pairs("headers") {
        request = request.header(&name, &value);
    }
    for (name, value) in table.pairs("captures") {
        request = request.capture(&name, &value);
    }
    for name in table.texts("subprotocols").unwrap_or_default() {
        request = request.subprotocol(&name);
    }
    let ip = table.value("client_ip", "an IP address", |value| value.as_str()?.parse::<IpAddr>().ok());
    let port = table.number("client_port", 0..=65_535).and_then(|port| u16::try_from(port).ok());
    let (ip, port) = (ip.unwrap_or(request.client_ip), port.unwrap_or(request.client_port));
    request = request.client(ip, port);
    if table.flag("secure") == Some(true) {
        request = request.secure();
    }
    if let Some(principal) = table.table("principal") {
        request.principal = self::principal(&principal);
    }
    let (subprotocol, refused) = (table.text("expect_subprotocol"), refusal(table));
    if subprotocol.is_some() && refused.is_some() {
        table.wrong("expect_subprotocol", "a request that is refused agrees on nothing: leave one of the two out");
    }
    target?;
    Some(Kind::OfPeer(Deed::Connect { request: Box::new(request), subprotocol, refused }))
}

fn principal(table: &Table<'_>) -> Option<Principal> {
    let subject = table.text("subject");
    let attributes = table.pairs("attributes");
    let expires_at = table.number("expires_at", 0..=i64::MAX).map(i64::unsigned_abs);
    table.finish();
    let Some(subject) = subject else {
        table.wrong("subject", "missing; expected a text");
        return None;
    };
    Principal::new(subject, attributes, expires_at).map_err(|error| table.wrong_here(error.to_string())).ok()
}

/// `refused = 401`, or a table.
fn refusal(table: &Table<'_>) -> Option<Refusal> {
    let status = 100..=599;
    let number =
        table.value("refused", "a status, or { status = 401, body = \"...\", headers = { ... } }", |value| {
            value.as_integer().map(Some).or_else(|| value.is_inline_table().then_some(None))
        })?;
    let (status, body, headers) = match number {
        Some(number) => (Some(number).filter(|number| status.contains(number)), None, vec![]),
        None => {
            let table = table.table("refused")?;
            let read = (table.number("status", status), table.text("body"), table.pairs("headers"));
            table.finish();
            read
        }
    };
    let status = status.and_then(|status| u16::try_from(status).ok());
    if status.is_none() {
        table.wrong("refused", "expected a status from 100 to 599");
    }
    Some(Refusal { status: status?, body, headers })
}

fn send_frame(table: &Table<'_>, _: &Path) -> Option<Kind> {
    let expected = "\"text\", \"binary\", \"continuation\", \"ping\" or \"pong\"";
    let opcode = table.value("send_frame", expected, |value| {
        Some(match value.as_str()? {
            "text" => Opcode::Text,
            "binary" => Opcode::Binary,
            "continuation" => Opcode::Continuation,
            "ping" => Opcode::Ping,
            "pong" => Opcode::Pong,
            _ => return None,
        })
    });
    let fin = table.flag("fin").unwrap_or(true);
    let (text, bytes) = (table.text("payload"), hex(table, "payload_hex"));
    if text.is_some() && bytes.is_some() {
        table.wrong("payload_hex", "a frame has one payload: leave payload or payload_hex out");
    }
    let payload = text.map(String::into_bytes).or(bytes).unwrap_or_default();
    Some(Kind::OfPeer(Deed::Frame { opcode: opcode?, fin, payload }))
}

fn close(table: &Table<'_>, _: &Path) -> Option<Kind> {
    let reason = table.text("reason");
    let code = table.value("close", "a close code, or true for an empty close frame", |value| {
        value.as_integer().filter(|code| CODES.contains(code)).map(Some).or_else(|| (value.as_bool()?).then_some(None))
    })?;
    let frame = match code {
        None if reason.is_some() => {
            table.wrong("reason", "an empty close frame has no reason: write a code");
            return None;
        }
        None => None,
        Some(code) => Some((u16::try_from(code).ok()?, reason.unwrap_or_default())),
    };
    Some(Kind::OfPeer(Deed::Close(frame)))
}

fn instance(table: &Table<'_>, _: &Path) -> Option<Kind> {
    const STATES: [&str; 4] = ["live", "hibernated", "dead", "none"];
    let expected = "\"live\", \"hibernated\", \"dead\" or \"none\"";
    let state = table.value("expect_instance", expected, |value| {
        let state = value.as_str()?;
        STATES.into_iter().find(|known| *known == state)
    })?;
    Some(Kind::OfPeer(Deed::Instance(Some(state).filter(|state| *state != "none"))))
}

fn timer(table: &Table<'_>, _: &Path) -> Option<Kind> {
    let name = table.text("expect_timer");
    let expected = "a duration such as \"5s\", or \"none\" for a timer that is not set";
    let due = table.parsed("due_in", expected, |value: &Toml| match value.as_str() {
        Some("none") => Ok(None),
        Some(text) => socklet_core::units::parse_duration(text).map(Some),
        None => Err(String::new()),
    });
    if !table.has("due_in") {
        table.wrong("due_in", format!("missing; expected {expected}"));
    }
    Some(Kind::OfPeer(Deed::Timer { name: name?, due: due? }))
}

/// `"text"`, or `{ match = "pattern" }`.
fn text_or_pattern(table: &Table<'_>, key: &'static str) -> Option<Pattern> {
    table.parsed(key, "a part of the text, or { match = \"pattern\" }", |value| match value {
        Toml::String(text) => Ok(Pattern::Containing(text.value().clone())),
        Toml::InlineTable(of) if of.len() == 1 => match of.get("match").and_then(Toml::as_str) {
            Some(pattern) => Regex::new(pattern).map(Pattern::Matching).map_err(|error| one_line(&error.to_string())),
            None => Err(String::new()),
        },
        _ => Err(String::new()),
    })
}

fn pattern(table: &Table<'_>, key: &'static str) -> Option<Regex> {
    table.parsed(key, "a regular expression", |value| match value.as_str() {
        Some(pattern) => Regex::new(pattern).map_err(|error| one_line(&error.to_string())),
        None => Err(String::new()),
    })
}

fn one_of(table: &Table<'_>, key: &'static str, words: &[&str]) -> Option<String> {
    table.value(key, &format!("one of {}", words.join(", ")), |value| {
        value.as_str().filter(|word| words.contains(word)).map(str::to_owned)
    })
}

fn hex(table: &Table<'_>, key: &'static str) -> Option<Vec<u8>> {
    table.value(key, "bytes in hexadecimal digits such as \"00 ff\"", |value| {
        let digits: Vec<u8> = value.as_str()?.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
        let (pairs, []) = digits.as_chunks::<2>() else { return None };
        let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
    })
}

fn one_line(text: &str) -> String {
    text.lines().map(str::trim).collect::<Vec<_>>().join(" ")
}
