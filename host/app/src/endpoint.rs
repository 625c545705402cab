//! A listener of HTTP for operators, with TLS where they want it: one request on a connection, a few at a time, each with a deadline. Only answers that go on
//! for as long as somebody reads them have none; they end when nobody reads.

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::{Domain, SockAddr, Type};
use socklet_server::{Bind, ClientCertificate, TlsAcceptor};
use std::{
    convert::Infallible,
    fmt, fs,
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    os::unix::fs::{FileTypeExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, UnixListener},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use tokio_io_timeout::TimeoutStream;
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use tracing::{Instrument, Span, debug, warn};

/// How long a handshake may take, and a request's head.
const HEAD: Duration = Duration::from_secs(5);
/// How long a client may not read what it is sent.
const STALLED: Duration = Duration::from_secs(30);
/// Connections that the kernel keeps for us to accept.
const BACKLOG: i32 = 128;
/// A UNIX socket is for the user of this process alone.
const MODE: u32 = 0o600;

/// What is answered, and what is not waited for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    /// Requests that are answered at a time.
    pub(crate) connections: usize,
    /// How long a request and its answer may take.
    pub(crate) request: Duration,
}

/// The body of an answer.
pub(crate) type Body = UnsyncBoxBody<Bytes, Infallible>;

/// Who answers requests.
pub(crate) trait Answers: Clone + Send + Sync + 'static {
    /// Answers one. An `Arc<ClientCertificate>` among its extensions is what the client has shown. Dropped when the client goes away, or at the deadline.
    fn answer(&self, peer: Peer, request: Request<Incoming>) -> impl Future<Output = Response<Body>> + Send;
}

/// An extension of an answer that goes on for as long as somebody reads it. It has no deadline, and is none of those that are answered
/// at a time: whoever makes it bounds how many there are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lasting;

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Peer {
    Tcp(SocketAddr),
    /// The user of the process at the other end of a UNIX socket; none where the system does not tell.
    Unix(Option<u32>),
}

/// A bound socket that nobody accepts from yet.
#[derive(Debug)]
pub(crate) struct Socket {
    local: Bind,
    listening: Listening,
}

/// A running listener. Dropping it stops it.
#[derive(Debug)]
pub(crate) struct Endpoint {
    local: Bind,
    _task: AbortOnDropHandle<()>,
}

#[derive(Debug)]
enum Listening {
    Tcp(TcpListener),
    Unix { listener: UnixListener, _file: SocketFile },
}

/// Removes a UNIX socket's file when its listener goes.
#[derive(Debug)]
struct SocketFile(PathBuf);

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

// === impl Socket ===

impl Socket {
    /// Binds a socket. A UNIX socket that nobody listens on any more is replaced.
    pub(crate) fn bind(bind: &Bind) -> io::Result<Self> {
        match bind {
            Bind::Tcp(address) => Ok(Self::bind_tcp(*address)?.0),
            Bind::Unix(path) => Ok(Self { local: bind.clone(), listening: unix(path)? }),
            Bind::Systemd(_) => Err(io::Error::other("sockets of systemd are for listeners")),
        }
    }

    /// Binds an address. Also says which, with the port that the system chose for port 0.
    pub(crate) fn bind_tcp(address: SocketAddr) -> io::Result<(Self, SocketAddr)> {
        let listener = std::net::TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let local = listener.local_addr()?;
        Ok((Self { local: Bind::Tcp(local), listening: Listening::Tcp(TcpListener::from_std(listener)?) }, local))
    }

    /// Where it is, with the port that the system chose for port 0.
    pub(crate) fn local(&self) -> &Bind {
        &self.local
    }

    /// Answers requests from now on, by TLS where there is some.
    pub(crate) fn serve(self, terms: Terms, tls: Option<TlsAcceptor>, answers: impl Answers, span: Span) -> Endpoint {
        let task = tokio::spawn(accept(self.listening, terms, tls, answers).instrument(span));
        Endpoint { local: self.local, _task: AbortOnDropHandle::new(task) }
    }
}

/// Binds a UNIX socket that only this user can ever connect to.
fn unix(path: &Path) -> io::Result<Listening> {
    if let Ok(metadata) = path.symlink_metadata() {
        let abandoned = metadata.file_type().is_socket() && std::os::unix::net::UnixStream::connect(path).is_err();
        if abandoned {
            fs::remove_file(path)?;
        }
    }
    let socket = socket2::Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::unix(path)?)?;
    let file = SocketFile(path.to_owned());
    // Nobody can connect before it listens.
    fs::set_permissions(path, fs::Permissions::from_mode(MODE))?;
    socket.listen(BACKLOG)?;
    Ok(Listening::Unix { listener: UnixListener::from_std(socket.into())?, _file: file })
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0); // already gone is fine
    }
}

// === impl Endpoint ===

impl Endpoint {
    /// Where it is, with the port that the system chose for port 0.
    pub(crate) fn local(&self) -> &Bind {
        &self.local
    }
}

// === impl Listening ===

impl Listening {
    async fn accept(&self) -> io::Result<(Box<dyn Stream>, Peer)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, address) = listener.accept().await?;
                Ok((Box::new(stream), Peer::Tcp(address)))
            }
            Self::Unix { listener, .. } => {
                let (stream, _) = listener.accept().await?;
                let user = stream.peer_cred().ok().map(|credentials| credentials.uid());
                Ok((Box::new(stream), Peer::Unix(user)))
            }
        }
    }
}

// === impl Peer ===

impl Peer {
    /// Its address; none on a UNIX socket.
    pub(crate) fn ip(self) -> Option<IpAddr> {
        match self {
            Self::Tcp(address) => Some(address.ip().to_canonical()),
            Self::Unix(_) => None,
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "{address}"),
            Self::Unix(Some(user)) => write!(f, "user {user}"),
            Self::Unix(None) => f.write_str("a local user"),
        }
    }
}

async fn accept(listening: Listening, terms: Terms, tls: Option<TlsAcceptor>, answers: impl Answers) {
    let slots = Arc::new(Semaphore::new(terms.connections));
    let mut quiet_until = Instant::now();
    loop {
        let slot = slots.clone().acquire_owned().await.expect("nobody closes the slots");
        match listening.accept().await {
            Ok((stream, peer)) => {
                let (tls, answers) = (tls.clone(), answers.clone());
                let served = async move {
                    match secure(stream, tls).await {
                        Ok((stream, certificate)) => serve(stream, peer, certificate, terms, answers, slot).await,
                        Err(error) => debug!(%peer, %error, "handshake failed"),
                    }
                };
                tokio::spawn(served.in_current_span());
            }
            Err(error) => {
                // Out of descriptors, most of the time: come back when some may be free.
                if quiet_until <= Instant::now() {
                    warn!(%error, "failed to accept, trying again");
                    quiet_until = Instant::now() + Duration::from_secs(1);
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Makes the handshake, where there is TLS: the stream inside, and whose certificate the client has shown.
async fn secure(
    stream: Box<dyn Stream>,
    tls: Option<TlsAcceptor>,
) -> io::Result<(Box<dyn Stream>, Option<Arc<ClientCertificate>>)> {
    let Some(tls) = tls else { return Ok((stream, None)) };
    let (stream, certificate) = timeout(HEAD, tls.handshake(stream)).await??;
    Ok((Box::new(stream), certificate.map(Arc::new)))
}

async fn serve(
    stream: Box<dyn Stream>,
    peer: Peer,
    certificate: Option<Arc<ClientCertificate>>,
    terms: Terms,
    answers: impl Answers,
    slot: OwnedSemaphorePermit,
) {
    let lasts = CancellationToken::new();
    let answer = |mut request: Request<Incoming>| {
        let (answers, lasts) = (answers.clone(), lasts.clone());
        certificate.iter().cloned().for_each(|certificate| drop(request.extensions_mut().insert(certificate)));
        async move {
            let answer = answers.answer(peer, request).await;
            if answer.extensions().get::<Lasting>().is_some() {
                lasts.cancel();
            }
            Ok::<_, Infallible>(answer)
        }
    };
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(STALLED));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .keep_alive(false)
        .serve_connection(TokioIo::new(Box::pin(stream)), service_fn(answer));
    let deadline = async {
        tokio::select! {
            () = tokio::time::sleep(terms.request) => {}
            () = lasts.cancelled() => {
                drop(slot);
                std::future::pending().await
            }
        }
    };
    tokio::select! {
        served = connection => {
            if let Err(error) = served {
                debug!(%error, "request failed");
            }
        }
        () = deadline => debug!("request timed out"),
    }
}

/// A body that is all there.
pub(crate) fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).boxed_unsync()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_unix_socket_is_private_and_an_abandoned_one_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let bind = Bind::Unix(path.clone());
        let live = Socket::bind(&bind).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, MODE);
        assert_eq!(Socket::bind(&bind).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop(live);
        assert!(!path.exists());
        fs::write(&path, "a file of somebody").unwrap();
        assert!(Socket::bind(&bind).is_err() && path.exists());
    }
}
