//! The all-round guest: a text is a command, the answer is JSON about what the host gives. `README.md` lists the commands.

use serde_json::{Value, json};
use socklet_sdk::{
    Acceptance, Behavior, Close, Connection, Ending, Message, Opcode, Principal, Request, Response, SendError,
    heartbeat, log, timers, topics,
};
use std::collections::BTreeMap;
use std::fmt::Display;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

type Answer = Result<Value, String>;

#[derive(Default)]
struct Reporter {
    requests: BTreeMap<Connection, Request>,
    early: BTreeMap<Connection, Value>,
    last: Value,
    calls: u64,
}

// === impl Reporter ===

impl Behavior for Reporter {
    fn on_upgrade(&mut self, request: Request, _principal: Option<Principal>) -> Result<Acceptance, Response> {
        self.calls += 1;
        if request.query_value("reject").is_some() {
            return Err(Response::new(418).with_header("x-reporter", "rejected").with_text("a teapot\n"));
        }
        let mut accept = Acceptance::default();
        if request.query_value("subprotocol").as_deref() == Some("first")
            && let Some(first) = request.subprotocols().next()
        {
            accept = accept.with_subprotocol(first);
        }
        if request.query_value("header").is_some() {
            accept = accept.with_header("x-reporter", "accepted");
        }
        let connection = request.connection();
        if request.query_value("early").is_some() {
            self.early.insert(connection, answer(sent(connection.send("early"))));
        }
        if let Some(attachment) = request.query_value("attach") {
            connection.set_attachment(attachment.as_bytes()).map_err(Response::internal_error)?;
        }
        self.requests.insert(connection, request);
        Ok(accept)
    }

    fn on_open(&mut self, connection: Connection) -> Result<(), Close> {
        self.calls += 1;
        let asked = |name: &str| self.requests.get(&connection).and_then(|request| request.query_value(name)).is_some();
        if asked("welcome") {
            connection.send("welcome")?;
        }
        if asked("deny-open") { Err(Close::new(4000, "denied at open")) } else { Ok(()) }
    }

    fn on_message(&mut self, connection: Connection, message: Message) -> Result<(), Close> {
        self.calls += 1;
        let Message::Text(text) = message else { return Ok(connection.send(message)?) };
        let (command, rest) = text.split_once(' ').unwrap_or((&text, ""));
        if command == "fail" {
            let (code, reason) = code(rest)?;
            return Err(Close { code, reason });
        }
        if command == "echo" {
            return Ok(connection.send(rest)?);
        }
        self.last = answer(self.obey(connection, command, rest));
        // Refused while a message is fragmented and after a close; `last` tells then.
        let _ = connection.send_json(&self.last);
        Ok(())
    }

    fn on_close(&mut self, connection: Connection, _ending: Ending) {
        self.calls += 1;
        self.requests.remove(&connection);
        self.early.remove(&connection);
    }
}

impl Reporter {
    fn obey(&self, me: Connection, command: &str, rest: &str) -> Answer {
        let (first, second) = rest.split_once(' ').unwrap_or((rest, ""));
        match command {
            "me" => Ok(json!(me.id())),
            "ids" => Ok(json!(ids(socklet_sdk::connections()))),
            "count" => Ok(json!(socklet_sdk::count())),
            "send" => sent(connection(first)?.send(second)),
            "send-binary" => sent(me.send(rest.as_bytes())),
            "send-all" => Ok(json!(socklet_sdk::send_all(rest, None))),
            "send-all-but-me" => Ok(json!(socklet_sdk::send_all(rest, Some(me)))),
            "frame" => {
                let (fin, payload) = second.split_once(' ').unwrap_or((second, ""));
                sent(me.send_frame(opcode(first)?, fin == "true", payload.as_bytes()))
            }
            "flush" => sent(me.flush()),
            "queued" => Ok(json!(me.queued())),
            "close" => {
                let (code, reason) = code(second).map_err(text)?;
                sent(connection(first)?.close(Close { code, reason }))
            }
            "close-me" => {
                let (code, reason) = code(rest).map_err(text)?;
                sent(me.close(Close { code, reason }))
            }
            "principal" => Ok(me.principal().map_or(Value::Null, |principal| {
                json!({
                    "subject": principal.subject,
                    "attributes": principal.attributes,
                    "expires_at": principal.expires_at,
                })
            })),
            "principal-of" => Ok(json!(connection(rest)?.principal().map(|principal| principal.subject))),
            "attach" => sent(me.set_attachment(rest.as_bytes())),
            "attach-bytes" => sent(me.set_attachment(&vec![b'a'; number(rest)?])),
            "attach-to" => sent(connection(first)?.set_attachment(second.as_bytes())),
            "attachment" if rest.is_empty() => Ok(json!(String::from_utf8_lossy(&me.attachment()))),
            "attachment" => Ok(json!(String::from_utf8_lossy(&connection(rest)?.attachment()))),
            "subscribe" => done(me.subscribe(rest)),
            "unsubscribe" => {
                me.unsubscribe(rest);
                Ok(Value::Null)
            }
            "publish" => Ok(json!(topics::publish(first, second, None))),
            "publish-but-me" => Ok(json!(topics::publish(first, second, Some(me)))),
            "subscribers" => Ok(json!(ids(topics::subscribers(rest)))),
            "heartbeat" => Ok(json!({ "interval": heartbeat::interval().as_secs(), "payload": heartbeat::payload() })),
            "heartbeat-interval" => done(heartbeat::set_interval(Duration::from_secs(number(rest)? as u64))),
            "heartbeat-payload" => done(heartbeat::set_payload(rest)),
            "timer" => done(timers::set(rest, Duration::from_secs(1))),
            "request" => self.requests.get(&me).map(request).ok_or_else(|| "not of this instance".to_owned()),
            "early" => Ok(self.early.get(&me).cloned().unwrap_or_default()),
            "last" => Ok(self.last.clone()),
            "instance" => Ok(json!({ "calls": self.calls, "connections": ids(self.requests.keys().copied()) })),
            "settings" => Ok(json!(socklet_sdk::settings::<BTreeMap<String, String>>().map_err(text)?)),
            "setting" => Ok(json!(socklet_sdk::setting::<String>(rest).map_err(text)?)),
            "env" => {
                let variables: Vec<_> =
                    std::env::vars_os().map(|(name, _)| name.to_string_lossy().into_owned()).collect();
                Ok(json!({ "variables": variables, "arguments": std::env::args_os().count() }))
            }
            "files" => Ok(json!({
                "list": said(std::fs::read_dir("/")),
                "read": said(std::fs::read("/etc/passwd")),
                "write": said(std::fs::write("file", "text")),
                "stdin": std::io::stdin().read(&mut [0; 16]).map_or_else(text, |bytes| bytes.to_string()),
            })),
            "network" => Ok(json!({
                "connect": said(TcpStream::connect("127.0.0.1:9")),
                "listen": said(std::net::TcpListener::bind("127.0.0.1:0")),
                "udp": said(std::net::UdpSocket::bind("127.0.0.1:0")),
                "resolve": said(std::net::ToSocketAddrs::to_socket_addrs("localhost:9")),
            })),
            "clock" => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).map_err(text)?;
                Ok(json!({ "unix": since.as_secs(), "thread_slept": slept() }))
            }
            "random" => Ok(json!(random())),
            "log" => log_line(first, second),
            "stdout" => done(writeln!(std::io::stdout(), "{rest}")),
            "stderr" => done(writeln!(std::io::stderr(), "{rest}")),
            "busy" => Ok(json!(busy(Duration::from_millis(number(rest)? as u64)))),
            _ => Err(format!("unknown command: {command}")),
        }
    }
}

fn answer(answer: Answer) -> Value {
    answer.map_or_else(|error| json!({ "error": error }), |value| json!({ "ok": value }))
}

fn sent(result: Result<(), SendError>) -> Answer {
    result.map(|()| Value::Null).map_err(|error| match error {
        SendError::Unknown => "unknown".into(),
        SendError::NotOpen => "not-open".into(),
        SendError::Full => "full".into(),
        SendError::Invalid => "invalid".into(),
        SendError::Other(other) => format!("other: {other}"),
    })
}

fn done<E: Display>(result: Result<(), E>) -> Answer {
    result.map(|()| Value::Null).map_err(text)
}

/// `ok`, or what the error says.
fn said<T, E: Display>(result: Result<T, E>) -> String {
    result.map_or_else(text, |_| "ok".into())
}

fn text(error: impl Display) -> String {
    error.to_string()
}

fn ids(connections: impl IntoIterator<Item = Connection>) -> Vec<u64> {
    connections.into_iter().map(Connection::id).collect()
}

fn connection(id: &str) -> Result<Connection, String> {
    id.parse().map(Connection::from_id).map_err(text)
}

fn number(digits: &str) -> Result<usize, String> {
    digits.parse().map_err(text)
}

fn code(words: &str) -> Result<(u16, String), std::num::ParseIntError> {
    let (code, reason) = words.split_once(' ').unwrap_or((words, ""));
    Ok((code.parse()?, reason.to_owned()))
}

fn opcode(name: &str) -> Result<Opcode, String> {
    Ok(match name {
        "continuation" => Opcode::Continuation,
        "text" => Opcode::Text,
        "binary" => Opcode::Binary,
        "close" => Opcode::Close,
        "ping" => Opcode::Ping,
        "pong" => Opcode::Pong,
        _ => return Err(format!("no opcode: {name}")),
    })
}

fn request(request: &Request) -> Value {
    let headers: Vec<_> = request.headers.iter().map(|field| (&field.name, &field.value)).collect();
    json!({
        "connection": request.connection,
        "listener": request.listener,
        "method": request.method,
        "secure": request.secure,
        "authority": request.authority,
        "path": request.path,
        "query": request.query,
        "headers": headers,
        "captures": request.captures,
        "client_ip": request.client_ip,
        "client_port": request.client_port,
        "attributes": request.attributes,
    })
}

/// Whether a sleep of 5 ms took at least that long.
fn slept() -> bool {
    let start = Instant::now();
    std::thread::sleep(Duration::from_millis(5));
    start.elapsed() >= Duration::from_millis(5)
}

fn random() -> String {
    let bytes = wasip2::random::random::get_random_bytes(8);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Computes for so long; the number says nothing.
fn busy(long: Duration) -> u64 {
    let start = Instant::now();
    let mut turns = 0u64;
    while start.elapsed() < long {
        turns = std::hint::black_box(turns.wrapping_add(1));
    }
    turns
}

fn log_line(level: &str, line: &str) -> Answer {
    match level {
        "debug" => log::debug(line),
        "info" => log::info(line),
        "warn" => log::warn(line),
        "error" => log::error(line),
        _ => return Err(format!("no level: {level}")),
    }
    Ok(Value::Null)
}

guests::export_guest!(Reporter);
