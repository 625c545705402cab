//! The hostile tenants: their plugins, and clients that set them off again and again.

use futures_util::{SinkExt, StreamExt};
use rustix::process::setpriority_process;
use socklet_server::Bind;
use std::{
    fmt,
    net::{Ipv4Addr, SocketAddr},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};
use tokio::{
    net::{TcpSocket, TcpStream},
    time::{sleep, timeout},
};
use tokio_tungstenite::{WebSocketStream, client_async, tungstenite::Message};

/// Clients of each kind; of a tenant that only computes, and of one that does it with more clients.
const CLIENTS: usize = 8;
const FEW: usize = 3;
const MANY: usize = 6;
/// The pause of a client between two connections.
const PAUSE: Duration = Duration::from_millis(100);
/// The longest that a client waits for anything; and when the attack is over.
const WAIT: Duration = Duration::from_secs(10);
const LAST_WAIT: Duration = Duration::from_secs(1);
/// How long a client of a plugin that hibernates is silent.
const NAP: Duration = Duration::from_millis(300);
/// How often one connection does the same, if it lives so long.
const ROUNDS: usize = 20;
/// The clients are not what is measured: they leave the processors to the server and to the quiet clients.
const NICE: i32 = 10;

/// A way to attack.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    pub(crate) tenant: &'static str,
    pub(crate) name: &'static str,
    pub(crate) guest: &'static str,
    pub(crate) authenticator: Option<&'static str>,
    /// What a client says, again and again; each but a connection's last is answered.
    says: &'static [&'static str],
    /// The most connections of one client.
    most: usize,
    clients: usize,
    /// The pause between two messages.
    rest: Duration,
    /// Whether a witness survives on the route.
    pub(crate) watched: bool,
}

const fn kind(tenant: &'static str, guest: &'static str, says: &'static [&'static str]) -> Kind {
    let (most, clients, rest) = (usize::MAX, CLIENTS, Duration::ZERO);
    Kind { tenant, name: guest, guest, authenticator: None, says, most, clients, rest, watched: true }
}

/// A tenant that computes for as long as it may, again and again, and does nothing else.
const fn spinner(name: &'static str, clients: usize) -> Kind {
    Kind { name, clients, ..kind(name, "spin_message", &["spin"]) }
}

/// Every way. A guest that does wrong while it starts is refused before the server serves.
pub(crate) const KINDS: &[Kind] = &[
    kind("spins", "spin_message", &["spin"]),
    kind("spins", "spin_open", &[]),
    // The server is done with the client when it begins to spin: without an end they would pile up.
    Kind { most: 20, ..kind("spins", "spin_close", &["hello"]) },
    kind("spins", "spin_upgrade", &[]),
    kind("spins", "spin_realloc", &["arm", "again"]),
    kind("traps", "trap_message", &["trap"]),
    kind("traps", "trap_open", &[]),
    kind("traps", "trap_close", &["hello"]),
    kind("traps", "trap_upgrade", &[]),
    kind("traps", "trap_second", &["hello"]),
    kind("floods", "flood_log", &["hello"]),
    kind("floods", "flood_send", &["flood"]),
    Kind { name: "flood_all", watched: false, ..kind("floods", "flood_send", &["flood-all"]) },
    kind("grows", "exhaust_memory", &["grow"]),
    kind("grows", "fill_memory", &["fill"]),
    kind("grows", "recurse", &["recurse"]),
    kind("grows", "leak_handles", &["leak"]),
    kind("errs", "bad_memory", &["bounds"]),
    kind("errs", "bad_code", &["1005"]),
    Kind { name: "auth_spin", authenticator: Some("auth_spin"), watched: false, ..kind("spins", "spin_message", &[]) },
    Kind { name: "auth_trap", authenticator: Some("auth_trap"), watched: false, ..kind("traps", "spin_message", &[]) },
    kind("sleeps", "sleeper", &["sleep"]),
    // Asleep and awake again, all the time: its route hibernates early.
    Kind { rest: NAP, ..kind("sleeps", "sleepy", &["count"]) },
    spinner("spinner-1", FEW),
    spinner("spinner-2", MANY),
    spinner("spinner-3", FEW),
    spinner("spinner-4", MANY),
    spinner("spinner-5", FEW),
    spinner("spinner-6", MANY),
    spinner("spinner-7", FEW),
    spinner("spinner-8", MANY),
];

/// What the host must have counted of all that: one of each row.
pub(crate) const COUNTED: &[&[&str]] = &[
    &["socklet_plugin_traps_total{reason=\"trap\"}"],
    &["socklet_plugin_traps_total{reason=\"deadline\"}"],
    &["socklet_plugin_traps_total{reason=\"stack\"}"],
    &["socklet_plugin_traps_total{reason=\"invalid-answer\"}"],
    // Where dozens of endless loops share two threads, the time to wait may be over before the time to compute is.
    &[
        "socklet_plugin_calls_total{hook=\"on-open\",outcome=\"deadline\"}",
        "socklet_plugin_calls_total{hook=\"on-open\",outcome=\"timeout\"}",
    ],
    &["socklet_plugin_calls_total{hook=\"on-close\",outcome=\"trap\"}"],
    &["socklet_plugin_calls_total{hook=\"on-upgrade\",outcome=\"trap\"}"],
    &["socklet_auth_total{outcome=\"failed\"}"],
    &["socklet_plugin_hibernations_total{outcome=\"ok\"}"],
    &["socklet_slow_consumers_total{action=\"close\"}"],
    &["socklet_connections_closed_total{code=\"1011\",cause=\"plugin-failed\"}"],
];

/// The attack, going on.
#[derive(Debug)]
pub(crate) struct Attackers(JoinHandle<Vec<Attack>>);

/// What the clients of one kind did.
#[derive(Clone, Debug)]
pub(crate) struct Attack {
    pub(crate) name: &'static str,
    pub(crate) attempts: usize,
    refused: usize,
    /// Connections that the server ended.
    pub(crate) closed: usize,
    answers: usize,
}

/// Attacks for a while, on a thread of its own.
pub(crate) fn start(to: &Bind, time: Duration) -> Attackers {
    let Bind::Tcp(address) = *to else { panic!("a TCP listener: {to}") };
    let until = Instant::now() + time;
    Attackers(thread::spawn(move || {
        // On Linux this is the thread's own priority.
        let _ = setpriority_process(None, NICE);
        run(address, until)
    }))
}

#[tokio::main(flavor = "current_thread")]
async fn run(to: SocketAddr, until: Instant) -> Vec<Attack> {
    let kinds = KINDS.iter().enumerate().map(|(index, kind)| async move {
        let mut attack = Attack { name: kind.name, attempts: 0, refused: 0, closed: 0, answers: 0 };
        for client in futures_util::future::join_all((0..kind.clients).map(|_| client(to, index, kind, until))).await {
            attack.attempts += client.attempts;
            attack.refused += client.refused;
            attack.closed += client.closed;
            attack.answers += client.answers;
        }
        attack
    });
    futures_util::future::join_all(kinds).await
}

async fn client(to: SocketAddr, index: usize, kind: &Kind, until: Instant) -> Attack {
    let mut attack = Attack { name: kind.name, attempts: 0, refused: 0, closed: 0, answers: 0 };
    while Instant::now() < until && attack.attempts < kind.most {
        attack.attempts += 1;
        match timeout(patience(until), connect(to, index, kind)).await {
            Ok(Some(mut socket)) => {
                let ended = timeout(patience(until), misbehave(&mut socket, kind, &mut attack.answers)).await;
                attack.closed += usize::from(ended == Ok(true));
                // Every second one goes without a word.
                if attack.attempts.is_multiple_of(2) {
                    let _ = timeout(LAST_WAIT, socket.close(None)).await;
                }
            }
            Ok(None) | Err(_) => attack.refused += 1,
        }
        sleep(PAUSE).await;
    }
    attack
}

fn patience(until: Instant) -> Duration {
    WAIT.min(until.saturating_duration_since(Instant::now()) + LAST_WAIT)
}

/// A connection; none when the server refuses it. Each kind comes from an address of its own, so that no kind runs out of ports.
async fn connect(to: SocketAddr, index: usize, kind: &Kind) -> Option<WebSocketStream<TcpStream>> {
    let socket = TcpSocket::new_v4().ok()?;
    socket.bind((Ipv4Addr::new(127, 0, 1, 1 + index as u8), 0).into()).ok()?;
    let stream = socket.connect(to).await.ok()?;
    Some(client_async(format!("ws://{to}/hostile/{}", kind.name), stream).await.ok()?.0)
}

/// Says what there is to say, until the server ends the connection (true) or it was said often enough.
async fn misbehave(socket: &mut WebSocketStream<TcpStream>, kind: &Kind, answers: &mut usize) -> bool {
    if kind.says.is_empty() {
        // The hook does wrong by itself.
        return !matches!(socket.next().await, Some(Ok(Message::Text(_) | Message::Binary(_))));
    }
    for _ in 0..ROUNDS {
        for text in kind.says {
            if socket.send(Message::text(*text)).await.is_err() {
                return true;
            }
            match socket.next().await {
                Some(Ok(Message::Close(_)) | Err(_)) | None => return true,
                Some(Ok(_)) => *answers += 1,
            }
            sleep(kind.rest).await;
        }
    }
    false
}

impl Attackers {
    /// Waits for the last client.
    pub(crate) fn finish(self) -> Vec<Attack> {
        self.0.join().expect("an attacker does not panic")
    }
}

impl fmt::Display for Attack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, attempts, refused, closed, answers } = self;
        write!(f, "{name}: {attempts} attempts, {refused} refused, {closed} closed by the server, {answers} answers")
    }
}
