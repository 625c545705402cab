//! What happened in a test, in order, as it is shown to people and written to reports.

use serde::{Serialize, Serializer};
use socklet_core::{Message, Opcode};
use std::{
    fmt::{self, Write},
    time::Duration,
};

/// A longer text is cut where it is shown.
const SHOWN: usize = 300;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// The time of the test.
    #[serde(rename = "at_ms", serialize_with = "millis")]
    pub at: Duration,
    /// The peer that it concerns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer: Option<String>,
    /// What it was.
    #[serde(flatten)]
    pub event: Event,
}

/// What can happen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// A peer asks for a WebSocket.
    Connects {
        /// Path and query.
        target: String,
    },
    /// It is let in.
    Accepted {
        /// The subprotocol that was agreed on.
        #[serde(skip_serializing_if = "Option::is_none")]
        subprotocol: Option<String>,
    },
    /// It is not.
    Refused {
        /// The status.
        status: u16,
        /// The body.
        body: String,
    },
    /// A peer sends something.
    Sends {
        /// What.
        #[serde(flatten)]
        payload: Payload,
    },
    /// Something arrives at a peer.
    Receives {
        /// What.
        #[serde(flatten)]
        payload: Payload,
    },
    /// A peer closes its connection.
    Closes {
        /// The code; none for an empty close frame.
        #[serde(skip_serializing_if = "Option::is_none")]
        code: Option<u16>,
        /// The reason.
        reason: String,
    },
    /// A peer goes away without a close frame.
    Vanishes,
    /// A connection was closed from the other side.
    Closed {
        /// The code.
        code: u16,
        /// The reason.
        reason: String,
        /// Who or what ended it, as `on-close` is told.
        cause: &'static str,
    },
    /// A line of the plugin's.
    Log {
        /// `debug`, `info`, `warn` or `error`.
        level: &'static str,
        /// The line.
        text: String,
    },
    /// A call failed.
    Died {
        /// The call.
        hook: &'static str,
        /// What killed the instance; `host` where it was not the plugin's failure.
        kind: &'static str,
        /// More about it.
        error: String,
    },
    /// Time passed.
    Advanced {
        /// How much.
        #[serde(rename = "by_ms", serialize_with = "millis")]
        by: Duration,
    },
    /// An instance was put to sleep.
    Hibernated,
    /// There is another version of the plugin.
    Swapped {
        /// Its number.
        version: u32,
    },
    /// An instance was ended.
    Killed,
}

/// What goes over a connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", content = "payload", rename_all = "kebab-case")]
pub enum Payload {
    /// A text message.
    Text(String),
    /// A binary message, in hexadecimal digits where it is written.
    Binary(#[serde(serialize_with = "as_hex")] Vec<u8>),
    /// A ping.
    Ping(#[serde(serialize_with = "as_hex")] Vec<u8>),
    /// A pong.
    Pong(#[serde(serialize_with = "as_hex")] Vec<u8>),
    /// One frame of a message of several.
    Fragment {
        /// `text`, `binary` or `continuation`.
        opcode: &'static str,
        /// Whether it is the last.
        fin: bool,
        /// What is in it.
        #[serde(serialize_with = "as_hex")]
        bytes: Vec<u8>,
    },
}

// === impl Payload ===

impl Payload {
    pub(crate) fn of_frame(opcode: Opcode, fin: bool, bytes: &[u8]) -> Self {
        let bytes = bytes.to_vec();
        match (opcode, fin) {
            (Opcode::Text, true) => match String::from_utf8(bytes) {
                Ok(text) => Self::Text(text),
                Err(error) => Self::Fragment { opcode: "text", fin: true, bytes: error.into_bytes() },
            },
            (Opcode::Binary, true) => Self::Binary(bytes),
            (Opcode::Ping, _) => Self::Ping(bytes),
            (Opcode::Pong, _) => Self::Pong(bytes),
            (opcode, fin) => Self::Fragment { opcode: opcode.as_str(), fin, bytes },
        }
    }
}

impl From<&Message> for Payload {
    fn from(message: &Message) -> Self {
        match message {
            Message::Text(text) => Self::Text(text.to_string()),
            Message::Binary(bytes) => Self::Binary(bytes.to_vec()),
        }
    }
}

impl fmt::Display for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(&quoted(text)),
            Self::Binary(bytes) => write!(f, "binary {}", short_hex(bytes)),
            Self::Ping(bytes) => write!(f, "ping {}", lossy(bytes)),
            Self::Pong(bytes) => write!(f, "pong {}", lossy(bytes)),
            Self::Fragment { opcode, fin, bytes } => {
                write!(f, "{opcode} frame{} {}", if *fin { ", the last," } else { "" }, lossy(bytes))
            }
        }
    }
}

// === impl Entry ===

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>9.3}s  ", self.at.as_secs_f64())?;
        let peer = self.peer.as_deref().unwrap_or("route");
        match &self.event {
            Event::Connects { target } => write!(f, "{peer} connects to {target}"),
            Event::Accepted { subprotocol: None } => write!(f, "{peer} is let in"),
            Event::Accepted { subprotocol: Some(protocol) } => write!(f, "{peer} is let in, subprotocol {protocol}"),
            Event::Refused { status, body } => write!(f, "{peer} is refused: {status} {}", quoted(body)),
            Event::Sends { payload } => write!(f, "{peer} -> {payload}"),
            Event::Receives { payload } => write!(f, "{peer} <- {payload}"),
            Event::Closes { code: Some(code), reason } => write!(f, "{peer} closes: {code} {}", quoted(reason)),
            Event::Closes { code: None, .. } => write!(f, "{peer} closes without a code"),
            Event::Vanishes => write!(f, "{peer} vanishes"),
            Event::Closed { code, reason, cause } => {
                write!(f, "{peer} is closed: {code} {} ({cause})", quoted(reason))
            }
            Event::Log { level, text } => write!(f, "log {level}: {text}"),
            Event::Died { hook, kind, error } => write!(f, "instance died in {hook} ({kind}): {}", in_lines(error)),
            Event::Advanced { by } => write!(f, "route: {by:?} pass"),
            Event::Hibernated => write!(f, "{peer}'s instance sleeps"),
            Event::Swapped { version } => write!(f, "route: the plugin has another version, number {version}"),
            Event::Killed => write!(f, "{peer}'s instance is killed"),
        }
    }
}

impl Entry {
    /// What it was, without its time.
    pub(crate) fn event_text(&self) -> String {
        if let Event::Died { hook, kind, error } = &self.event {
            return format!("instance died in {hook} ({kind}): {}", gist(error));
        }
        let text = self.to_string();
        text.trim_start().split_once("  ").map_or(text.clone(), |(_, event)| event.to_owned())
    }
}

/// A text in quotation marks, on one line, and not too long. One with such marks in it, such as JSON, is in the others.
pub(crate) fn quoted(text: &str) -> String {
    let (shown, more) = match text.len() {
        0..=SHOWN => (text, String::new()),
        all => (&text[..text.floor_char_boundary(SHOWN)], format!("... ({all} bytes)")),
    };
    let plain = |char: char| !char.is_control() && char != '\'' && char != '\\';
    if shown.contains('"') && shown.chars().all(plain) {
        return format!("'{shown}'{more}");
    }
    format!("{shown:?}{more}")
}

/// What is most telling of why an instance died: without its backtrace.
pub(crate) fn gist(error: &str) -> String {
    const TRAP: &str = "wasm trap: ";
    let gist = error.rfind(TRAP).map_or(error, |at| &error[at + TRAP.len()..]);
    gist[..gist.floor_char_boundary(SHOWN)].to_owned()
}

/// A guest's backtrace as it was before it became one line of a log: a line for each frame.
pub(crate) fn in_lines(error: &str) -> String {
    error.replace("    ", "\n            ").replace("\n             ", "\n            ")
}

/// Hexadecimal digits, two for each byte.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}"); // a string takes everything
        hex
    })
}

fn short_hex(bytes: &[u8]) -> String {
    match bytes.len() {
        0 => "(empty)".to_owned(),
        1..=64 => hex(bytes),
        all => format!("{}... ({all} bytes)", hex(&bytes[..64])),
    }
}

fn lossy(bytes: &[u8]) -> String {
    quoted(&String::from_utf8_lossy(bytes))
}

fn millis<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_u64(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

fn as_hex<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&hex(bytes))
}
