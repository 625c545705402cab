//! HTTP/2 on one socket: plain requests are answered, and each extended CONNECT (RFC 8441) becomes a connection on a stream of its own.

use crate::{
    connection::{Reader, Socket, Writer},
    http::{self, Carrier},
    listener::Origin,
    server::{Inner, Slot},
};
use bytes::{Buf, BufMut, Bytes};
use hyper::{server::conn::http2, service::service_fn, upgrade::Upgraded};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{
    io,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf},
    sync::watch,
    time::{Instant, sleep_until, timeout_at},
};
use tokio_util::task::TaskTracker;
use tracing::debug;

/// What a client begins with that knows without asking (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Requests and connections on one socket at a time.
const STREAMS: u32 = 128;

/// What a client may send on a stream that is not read, and on all of a socket: more is not sent before something was read.
const STREAM_WINDOW: u32 = 64 * 1024;
const SOCKET_WINDOW: u32 = 1024 * 1024;

/// What is written to a stream in one go at most.
const WRITE: usize = 16 * 1024;

/// Streams that a client has reset and nobody has looked at yet; more, and the socket ends (CVE-2023-44487).
const RESET: usize = 20;

/// Streams that were reset here for what the client did on them; more, and the socket ends.
const RESET_HERE: usize = 128;

/// How long a socket is silent before it is pinged, and how long the answer may take.
const PING: Duration = Duration::from_secs(20);
const PONG: Duration = Duration::from_secs(10);

/// How long responses may take to be read by a client that has no connection, once no more requests are taken.
const LAST_RESPONSE: Duration = Duration::from_secs(30);

/// Counts the WebSocket connections on one socket. Clones count together.
#[derive(Clone, Debug)]
pub(crate) struct Streams(Arc<watch::Sender<usize>>);

/// One WebSocket connection on a socket, counted for as long as this lives.
#[derive(Debug)]
pub(crate) struct OpenStream(Streams);

/// A socket of which something was read already.
struct Begun<S> {
    start: Bytes,
    stream: S,
}

/// A stream as a socket that takes a little at a time: what is written to it is copied.
struct Stream(TokioIo<Upgraded>);

/// Spawns tasks that a drain waits for.
#[derive(Clone, Debug)]
struct Tasks(TaskTracker);

/// Serves a socket whose client may begin with either version of HTTP.
pub(crate) async fn tell_apart<S: Socket>(
    server: Arc<Inner>,
    mut stream: S,
    origin: Origin,
    slot: Slot,
    deadline: Instant,
) {
    let mut start = Vec::with_capacity(PREFACE.len());
    let begins = async {
        while start.len() < PREFACE.len() && PREFACE.starts_with(&start) {
            let missing = PREFACE.len() - start.len();
            if stream.read_buf(&mut (&mut start).limit(missing)).await? == 0 {
                break;
            }
        }
        Ok::<(), io::Error>(())
    };
    let begun = tokio::select! {
        begun = timeout_at(deadline, begins) => begun,
        () = server.draining.cancelled() => return,
    };
    if !matches!(begun, Ok(Ok(()))) {
        debug!(listener = %origin.gate.name(), "nothing was asked");
        return;
    }
    let is_http2 = start == PREFACE;
    let stream = Begun { start: start.into(), stream };
    if is_http2 {
        serve(server, stream, origin, slot, deadline).await;
    } else {
        http::serve(server, stream, origin, slot, deadline).await;
    }
}

/// Serves one socket until it closes. `deadline` is that of the first connection on it; when the last one is gone, the next has as
/// long as a handshake may take.
pub(crate) async fn serve<S: Socket>(server: Arc<Inner>, stream: S, origin: Origin, mut slot: Slot, deadline: Instant) {
    // A client has what it has on the streams: the socket itself is no connection.
    let shared = slot.of_client(&server, None);
    slot = shared;
    let slot = Arc::new(slot);
    let origin = Arc::new(origin);
    let (config, gate) = (server.config.load_full(), origin.gate.clone());
    let streams = Streams(Arc::new(watch::Sender::new(0)));
    let carrier = Carrier { take, streams: Some(streams.clone()) };
    let service = {
        let server = server.clone();
        service_fn(move |request| {
            let client = if origin.via.expects_field() { None } else { origin.client };
            let slot = Arc::new(slot.of_client(&server, client));
            http::respond(server.clone(), origin.clone(), slot, request, carrier.clone())
        })
    };
    let connection = http2::Builder::new(Tasks(server.tasks.clone()))
        .timer(TokioTimer::new())
        .enable_connect_protocol()
        .max_concurrent_streams(STREAMS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(SOCKET_WINDOW)
        .max_send_buf_size(STREAM_WINDOW as usize)
        .max_header_list_size(u32::try_from(config.max_header_bytes).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(RESET)
        .max_local_error_reset_streams(RESET_HERE)
        .keep_alive_interval(PING)
        .keep_alive_timeout(PONG)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let served = async {
        tokio::select! {
            served = connection.as_mut() => return served,
            () = server.draining.cancelled() => {}
            () = gate.closed() => {}
            () = streams.idle(deadline, config.handshake_timeout) => {}
        }
        // No more streams; the drain ends those that are there.
        connection.as_mut().graceful_shutdown();
        tokio::select! {
            served = connection => served,
            () = streams.idle(Instant::now() + LAST_RESPONSE, LAST_RESPONSE) => Ok(()),
        }
    };
    let served = tokio::select! {
        served = served => served,
        () = server.force.cancelled() => Ok(()),
    };
    if let Err(error) = served {
        debug!(%error, "http connection failed");
    }
}

/// The two halves of a stream that has become a connection.
fn take(upgraded: Upgraded) -> ((Reader, Writer), Bytes) {
    let (reader, writer) = tokio::io::split(Stream(TokioIo::new(upgraded)));
    ((Reader::Stream(Box::new(reader)), Writer::Stream(Box::new(writer))), Bytes::new())
}

// === impl Streams ===

impl Streams {
    /// One more connection.
    pub(crate) fn open(&self) -> OpenStream {
        self.0.send_modify(|open| *open += 1);
        OpenStream(self.clone())
    }

    /// Waits until there is no connection.
    async fn closed(&self) {
        let _ = self.0.subscribe().wait_for(|open| *open == 0).await; // the sender is here
    }

    /// Waits until there has been none for too long: at the deadline, or for so long after the last one.
    async fn idle(&self, mut deadline: Instant, pause: Duration) {
        loop {
            sleep_until(deadline).await;
            if *self.0.borrow() == 0 {
                return;
            }
            self.closed().await;
            deadline = Instant::now() + pause;
        }
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.0.send_modify(|open| *open -= 1);
    }
}

// === impl Tasks ===

impl<F> hyper::rt::Executor<F> for Tasks
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, task: F) {
        self.0.spawn(task);
    }
}

// === impl Begun ===

impl<S: Socket> Socket for Begun<S> {
    fn halves(self) -> (Reader, Writer) {
        debug_assert!(self.start.is_empty(), "whoever reads a request has read its start");
        self.stream.halves()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Begun<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.start.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buf);
        }
        let length = self.start.len().min(buf.remaining());
        buf.put_slice(&self.start[..length]);
        self.start.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Begun<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

// === impl Stream ===

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, &bytes[..bytes.len().min(WRITE)])
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
