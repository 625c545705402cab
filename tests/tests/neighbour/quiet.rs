//! The quiet tenant's clients: each sends at fixed times, whatever the answers do, and looks at every byte that comes back.
//!
//! A message is late from the moment that it should have been sent, so that a server that stalls its clients cannot hide that. One
//! thread keeps the times, another one reads; neither does anything else.

use socklet_server::Bind;
use socklet_tests::{Connect, Frame, PATIENCE};
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
};
use tokio::io::AsyncReadExt;

/// Each connection sends so often.
const EVERY: Duration = Duration::from_millis(100);

/// Open connections.
#[derive(Debug)]
pub(crate) struct Quiet {
    sockets: Vec<TcpStream>,
    sent: u64,
}

/// What became of the messages of a while.
#[derive(Debug)]
pub(crate) struct Round {
    /// From when a message should have been sent until it was back; for each connection.
    pub(crate) latencies: Vec<Vec<Duration>>,
    /// How late messages were sent: the clients' own share.
    pub(crate) late: Vec<Duration>,
    /// Whatever went wrong.
    pub(crate) broken: Vec<String>,
}

impl Quiet {
    /// Opens a connection to each path.
    pub(crate) fn open(to: &Bind, paths: &[String]) -> Self {
        let Bind::Tcp(address) = to else { panic!("a TCP listener: {to}") };
        Self { sockets: paths.iter().map(|path| open(*address, &Connect::new(to, path).head())).collect(), sent: 0 }
    }

    /// Messages that each connection has sent.
    pub(crate) fn sent(&self) -> u64 {
        self.sent
    }

    /// Sends for a while, and waits for what is still to come.
    pub(crate) fn round(&mut self, time: Duration) -> Round {
        let (first, count) = (self.sent, (time.as_millis() / EVERY.as_millis()) as u64);
        self.sent += count;
        let start = Instant::now() + EVERY;
        let due = |connection: usize, number: u64| {
            start + EVERY * (number - first) as u32 + EVERY * connection as u32 / self.sockets.len() as u32
        };
        thread::scope(|scope| {
            let reader = scope.spawn(|| receive(&self.sockets, first..first + count, due));
            let (mut late, mut unsent) = (Vec::new(), Vec::new());
            for number in first..first + count {
                for (connection, mut socket) in self.sockets.iter().enumerate() {
                    let due = due(connection, number);
                    thread::sleep(due.saturating_duration_since(Instant::now()));
                    late.push(due.elapsed());
                    if let Err(error) =
                        socket.write_all(&Frame { first: 0x81, payload: text(connection, number).into() }.masked())
                    {
                        unsent.push(format!("connection {connection}, message {number}: not sent, {error}"));
                    }
                }
            }
            let (latencies, mut broken) = reader.join().expect("reading does not panic");
            broken.extend(unsent);
            Round { latencies, late, broken }
        })
    }

    /// Closes every connection with 1000 and reads to its end.
    ///
    /// # Panics
    ///
    /// When anything but the answer to that comes.
    pub(crate) fn close(self) {
        let close = Frame { first: 0x88, payload: 1000u16.to_be_bytes().into() };
        for mut socket in self.sockets {
            socket.set_nonblocking(false).expect("a socket can block");
            socket.write_all(&close.masked()).expect("the connection takes a close frame");
            let mut rest = Vec::new();
            socket.read_to_end(&mut rest).expect("the server hangs up in time");
            assert_eq!(rest, [0x88, 2, 0x03, 0xe8], "the close frame comes back, and nothing else");
        }
    }
}

/// What a connection sends: it has a number in it, and the length of a short chat message.
fn text(connection: usize, number: u64) -> String {
    format!("connection {connection}, message {number:06}, and what one person has to say to another")
}

fn open(address: SocketAddr, head: &str) -> TcpStream {
    let mut socket = TcpStream::connect(address).expect("the server listens");
    socket.set_nodelay(true).expect("a TCP socket");
    socket.set_read_timeout(Some(PATIENCE)).expect("a TCP socket");
    socket.write_all(head.as_bytes()).expect("the server reads");
    let (mut answer, mut byte) = (Vec::new(), [0]);
    while !answer.ends_with(b"\r\n\r\n") {
        socket.read_exact(&mut byte).expect("the server answers");
        answer.push(byte[0]);
    }
    assert!(answer.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&answer));
    socket.set_nonblocking(true).expect("a TCP socket");
    socket
}

/// Reads on all connections until every message is back, or something is wrong, or nothing comes any more.
#[tokio::main(flavor = "current_thread")]
async fn receive(
    sockets: &[TcpStream],
    numbers: std::ops::Range<u64>,
    due: impl Fn(usize, u64) -> Instant,
) -> (Vec<Vec<Duration>>, Vec<String>) {
    let readers = sockets.iter().enumerate().map(|(connection, socket)| {
        let (due, numbers) = (&due, numbers.clone());
        async move {
            let socket = socket.try_clone().and_then(tokio::net::TcpStream::from_std);
            let mut socket = socket.map_err(|error| format!("connection {connection}: {error}"))?;
            let mut latencies = Vec::new();
            for number in numbers {
                let text = text(connection, number);
                let mut frame = vec![0; 2 + text.len()];
                let wait = due(connection, number).saturating_duration_since(Instant::now()) + PATIENCE;
                let read = tokio::time::timeout(wait, socket.read_exact(&mut frame)).await;
                let read = read
                    .map_err(|_| "it does not come".to_owned())
                    .and_then(|read| read.map_err(|error| error.to_string()));
                read.map_err(|error| format!("connection {connection}, message {number}: {error}"))?;
                latencies.push(due(connection, number).elapsed());
                if frame[..2] != [0x81, text.len() as u8] || frame[2..] != *text.as_bytes() {
                    return Err(format!("connection {connection}: {text:?}: {:?}", String::from_utf8_lossy(&frame)));
                }
            }
            Ok(latencies)
        }
    });
    let (mut latencies, mut broken) = (Vec::new(), Vec::new());
    for outcome in futures_util::future::join_all(readers).await {
        match outcome {
            Ok(times) => latencies.push(times),
            Err(error) => {
                latencies.push(Vec::new());
                broken.push(error);
            }
        }
    }
    (latencies, broken)
}
