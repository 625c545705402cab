//! Listening sockets: TCP on IPv4 and IPv6, and UNIX sockets.

use crate::{
    edge::{Edge, Via},
    gate::Gate,
    inherited::{self, Inherited},
    tls::{Secured, Tls, TlsAcceptor},
    workers::Worker,
};
use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};
use socklet_core::ListenerName;
use std::{
    fmt, io,
    net::{Ipv6Addr, SocketAddr},
    os::{fd::AsFd, unix::fs::FileTypeExt},
    path::{Path, PathBuf},
    str::FromStr,
    sync::Arc,
};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

/// Connections that the kernel keeps for us to accept.
const BACKLOG: i32 = 1024;

/// Where a listener listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Bind {
    /// An IP address and port. `[::]` listens on IPv4 too.
    Tcp(SocketAddr),
    /// A UNIX socket, by its path.
    Unix(PathBuf),
    /// A socket that the process was given, by its name.
    Systemd(String),
}

/// Not an address to listen on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not an address to listen on: write \"127.0.0.1:8080\", \"[::1]:8080\", \":8080\", \"unix:/run/x.sock\" or \"systemd:NAME\""
)]
pub struct InvalidBind(String);

/// A listener to bind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerConfig {
    /// Its name.
    pub name: ListenerName,
    /// Where it listens.
    pub bind: Bind,
    /// TLS on it; none: it is plain.
    pub tls: Option<Tls>,
    /// What stands in front of it.
    pub edge: Edge,
    /// Whether other processes of this user may listen on the same address and port (`SO_REUSEPORT`).
    pub reuse_port: bool,
}

/// A listener cannot be bound.
#[derive(Debug, thiserror::Error)]
#[error("failed to bind listener {name} to {bind}: {source}")]
pub struct BindError {
    name: ListenerName,
    bind: Bind,
    source: io::Error,
}

// === impl BindError ===

impl BindError {
    /// Whether somebody else has the address.
    pub(crate) fn is_in_use(&self) -> bool {
        self.source.kind() == io::ErrorKind::AddrInUse
    }
}

/// A bound socket that nobody accepts from yet.
#[derive(Debug)]
pub struct Listener {
    name: ListenerName,
    /// As it is configured.
    bind: Bind,
    local: Bind,
    socket: Listening,
    tls: Option<TlsAcceptor>,
    edge: Arc<Edge>,
    worker: Arc<Worker>,
}

#[derive(Debug)]
enum Listening {
    Tcp(TcpListener),
    Unix(UnixSocket),
}

/// A UNIX socket, and its file.
#[derive(Debug)]
struct UnixSocket {
    listener: UnixListener,
    /// None: it belongs to whoever made the socket.
    file: Option<Arc<SocketFile>>,
}

/// Removes a UNIX socket's file when its listener goes.
#[derive(Debug)]
struct SocketFile(PathBuf);

/// A socket that was accepted.
#[derive(Debug)]
pub(crate) enum Accepted {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// Where a socket comes from.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    pub(crate) gate: Arc<Gate>,
    /// The listener's own address, as this socket sees it.
    pub(crate) local: String,
    /// None on a UNIX socket, and where a proxy knows no address.
    pub(crate) client: Option<SocketAddr>,
    /// None on a plain listener, and before the handshake.
    pub(crate) tls: Option<Secured>,
    /// The proxies in front.
    pub(crate) via: Via,
}

// === impl Bind ===

impl FromStr for Bind {
    type Err = InvalidBind;

    fn from_str(s: &str) -> Result<Self, InvalidBind> {
        let invalid = || InvalidBind(s.to_owned());
        if let Some(path) = s.strip_prefix("unix:") {
            return if path.is_empty() { Err(invalid()) } else { Ok(Self::Unix(path.into())) };
        }
        if let Some(name) = s.strip_prefix("systemd:") {
            let good =
                matches!(name.len(), 1..=255) && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':');
            return if good { Ok(Self::Systemd(name.to_owned())) } else { Err(invalid()) };
        }
        if let Some(port) = s.strip_prefix(':') {
            let port = port.parse().map_err(|_| invalid())?;
            return Ok(Self::Tcp((Ipv6Addr::UNSPECIFIED, port).into()));
        }
        s.parse().map(Self::Tcp).map_err(|_| invalid())
    }
}

impl fmt::Display for Bind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Systemd(name) => write!(f, "systemd:{name}"),
        }
    }
}

// === impl Origin ===

impl Origin {
    /// Whether the client's own connection is secure: a proxy in front may have ended it.
    pub(crate) fn is_secure(&self) -> bool {
        self.via.secure().unwrap_or(self.tls.is_some())
    }
}

// === impl Listener ===

impl Listener {
    /// Binds a socket.
    ///
    /// # Errors
    ///
    /// When the address is in use or not ours. A UNIX socket that nobody listens on any more is replaced.
    pub(crate) fn bind(config: ListenerConfig, worker: &Arc<Worker>) -> Result<Self, BindError> {
        let ListenerConfig { name, bind, tls, edge, reuse_port } = config;
        let _entered = worker.runtime().enter();
        let bound = match &bind {
            Bind::Tcp(address) => bind_tcp(*address, reuse_port, None),
            Bind::Unix(path) => bind_unix(path),
            Bind::Systemd(name) => take_over(name),
        };
        match bound {
            Ok((local, socket)) => {
                let (tls, edge) = (tls.map(TlsAcceptor::new), Arc::new(edge));
                Ok(Self { name, bind, local, socket, tls, edge, worker: worker.clone() })
            }
            Err(source) => Err(BindError { name, bind, source }),
        }
    }

    /// Another listener with the socket of this one, which may go on or not: whoever waits in the kernel is accepted by one of them.
    ///
    /// # Errors
    ///
    /// When there is no descriptor left.
    pub(crate) fn with_socket_of(config: ListenerConfig, other: &Self) -> Result<Self, BindError> {
        let ListenerConfig { name, bind, tls, edge, reuse_port } = config;
        let _entered = other.worker.runtime().enter();
        match other.socket.again().and_then(|socket| socket.shared(reuse_port)) {
            Ok(socket) => {
                let (local, tls, worker) = (other.local.clone(), tls.map(TlsAcceptor::new), other.worker.clone());
                Ok(Self { name, bind, local, socket, tls, edge: Arc::new(edge), worker })
            }
            Err(source) => Err(BindError { name, bind, source }),
        }
    }

    /// Binds an address that `other`, which is about to go, is in the way of: `0.0.0.0:80` beside `127.0.0.1:80`. Until it goes, the
    /// more exact one of the two gets what is meant for both.
    ///
    /// # Errors
    ///
    /// As [`Listener::bind`].
    pub(crate) fn bind_beside(config: ListenerConfig, other: &Self) -> Result<Self, BindError> {
        let ListenerConfig { name, bind, tls, edge, reuse_port } = config;
        let _entered = other.worker.runtime().enter();
        let bound = match (&bind, &other.socket) {
            (Bind::Tcp(address), Listening::Tcp(socket)) => bind_tcp(*address, reuse_port, Some(socket)),
            _ => Err(io::ErrorKind::AddrInUse.into()),
        };
        match bound {
            Ok((local, socket)) => {
                let (tls, edge) = (tls.map(TlsAcceptor::new), Arc::new(edge));
                Ok(Self { name, bind, local, socket, tls, edge, worker: other.worker.clone() })
            }
            Err(source) => Err(BindError { name, bind, source }),
        }
    }

    /// Where it was told to listen.
    pub(crate) fn configured(&self) -> &Bind {
        &self.bind
    }

    /// The thread that accepts.
    pub(crate) fn worker(&self) -> &Arc<Worker> {
        &self.worker
    }

    /// Its name.
    pub fn name(&self) -> &ListenerName {
        &self.name
    }

    /// Where it listens, with the port that the system chose for port 0.
    pub fn local(&self) -> Bind {
        self.local.clone()
    }

    /// Its TLS, which can be changed while it listens; none: it is plain.
    pub fn tls(&self) -> Option<&TlsAcceptor> {
        self.tls.as_ref()
    }

    /// Waits for a connection. Cancel-safe.
    pub(crate) async fn accept(&self, gate: &Arc<Gate>) -> io::Result<(Accepted, Origin)> {
        match &self.socket {
            Listening::Tcp(socket) => {
                let (stream, client) = socket.accept().await?;
                self.accepted(Accepted::Tcp(stream), Some(client), gate)
            }
            Listening::Unix(socket) => {
                let (stream, _) = socket.listener.accept().await?;
                self.accepted(Accepted::Unix(stream), None, gate)
            }
        }
    }

    /// A connection that waits in the kernel.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub(crate) fn accept_now(&self, gate: &Arc<Gate>) -> io::Result<(Accepted, Origin)> {
        // The runtime learns of connections only when it looks for them: the system itself is asked.
        match &self.socket {
            Listening::Tcp(socket) => {
                let socket = std::net::TcpListener::from(socket.as_fd().try_clone_to_owned()?);
                let (stream, client) = socket.accept()?;
                stream.set_nonblocking(true)?;
                self.accepted(Accepted::Tcp(TcpStream::from_std(stream)?), Some(client), gate)
            }
            Listening::Unix(UnixSocket { listener, .. }) => {
                let socket = std::os::unix::net::UnixListener::from(listener.as_fd().try_clone_to_owned()?);
                let (stream, _) = socket.accept()?;
                stream.set_nonblocking(true)?;
                self.accepted(Accepted::Unix(UnixStream::from_std(stream)?), None, gate)
            }
        }
    }

    fn accepted(
        &self,
        stream: Accepted,
        client: Option<SocketAddr>,
        gate: &Arc<Gate>,
    ) -> io::Result<(Accepted, Origin)> {
        let local = match &stream {
            Accepted::Tcp(stream) => {
                stream.set_nodelay(true)?;
                stream.local_addr()?.to_string()
            }
            Accepted::Unix(_) => self.local.to_string(),
        };
        let via = Via::new(self.edge.clone(), client);
        Ok((stream, Origin { gate: gate.clone(), local, client, tls: None, via }))
    }
}

// === impl Listening ===

impl Listening {
    /// Lets other processes listen at its address, or not.
    fn shared(self, reuse_port: bool) -> io::Result<Self> {
        if let Self::Tcp(socket) = &self {
            SockRef::from(socket).set_reuse_port(reuse_port)?;
        }
        Ok(self)
    }

    /// The same socket once more.
    fn again(&self) -> io::Result<Self> {
        Ok(match self {
            Self::Tcp(socket) => {
                let again = std::net::TcpListener::from(socket.as_fd().try_clone_to_owned()?);
                Self::Tcp(TcpListener::from_std(again)?)
            }
            Self::Unix(UnixSocket { listener, file }) => {
                let again = std::os::unix::net::UnixListener::from(listener.as_fd().try_clone_to_owned()?);
                Self::Unix(UnixSocket { listener: UnixListener::from_std(again)?, file: file.clone() })
            }
        })
    }
}

/// `beside`: a socket that may be in the way, and is about to go.
fn bind_tcp(address: SocketAddr, reuse_port: bool, beside: Option<&TcpListener>) -> io::Result<(Bind, Listening)> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if let SocketAddr::V6(v6) = address {
        // Only the wildcard serves IPv4 too; whatever the system's default is.
        socket.set_only_v6(!v6.ip().is_unspecified())?;
    }
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(reuse_port)?;
    socket.set_nonblocking(true)?;
    let bind = || {
        socket.bind(&SockAddr::from(address))?;
        socket.listen(BACKLOG)
    };
    match beside {
        None => bind()?,
        Some(other) => {
            // Linux allows it where both sockets have the option. Neither keeps it where it is not asked for: a second server is to be
            // kept off the port.
            let other = SockRef::from(other);
            let before = other.reuse_port()?;
            other.set_reuse_port(true)?;
            let bound = socket.set_reuse_port(true).and_then(|()| bind());
            other.set_reuse_port(before)?;
            bound.and_then(|()| socket.set_reuse_port(reuse_port))?;
        }
    }
    let socket = TcpListener::from_std(socket.into())?;
    Ok((Bind::Tcp(socket.local_addr()?), Listening::Tcp(socket)))
}

fn bind_unix(path: &Path) -> io::Result<(Bind, Listening)> {
    if let Ok(metadata) = path.symlink_metadata() {
        let abandoned = metadata.file_type().is_socket() && std::os::unix::net::UnixStream::connect(path).is_err();
        if abandoned {
            std::fs::remove_file(path)?;
        }
    }
    let file = Some(Arc::new(SocketFile(path.to_owned())));
    let socket = UnixSocket { listener: UnixListener::bind(path)?, file };
    Ok((Bind::Unix(path.to_owned()), Listening::Unix(socket)))
}

fn take_over(name: &str) -> io::Result<(Bind, Listening)> {
    match inherited::socket(name)? {
        Inherited::Tcp(socket) => {
            let local = Bind::Tcp(socket.local_addr()?);
            Ok((local, Listening::Tcp(TcpListener::from_std(socket)?)))
        }
        Inherited::Unix(socket) => {
            let address = socket.local_addr()?;
            let local =
                address.as_pathname().map_or_else(|| Bind::Systemd(name.to_owned()), |path| Bind::Unix(path.into()));
            let listener = UnixListener::from_std(socket)?;
            Ok((local, Listening::Unix(UnixSocket { listener, file: None })))
        }
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0); // already gone is fine
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workers::Threads;

    #[test]
    fn addresses() {
        for (text, shown) in [
            ("127.0.0.1:80", "127.0.0.1:80"),
            ("[::1]:80", "[::1]:80"),
            (":80", "[::]:80"),
            ("unix:/run/x.sock", "unix:/run/x.sock"),
            ("systemd:web.socket", "systemd:web.socket"),
        ] {
            assert_eq!(text.parse::<Bind>().unwrap().to_string(), shown);
        }
        for bad in ["", "80", "localhost:80", "127.0.0.1", ":", "unix:", "[::1]", "systemd:", "systemd:a:b"] {
            assert!(bad.parse::<Bind>().is_err(), "{bad:?}");
        }
    }

    #[tokio::test]
    async fn an_abandoned_unix_socket_is_replaced_and_a_live_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let config = || ListenerConfig {
            name: "a".parse().unwrap(),
            bind: Bind::Unix(path.clone()),
            tls: None,
            edge: Edge::default(),
            reuse_port: false,
        };
        let threads = Threads::here();
        let live = Listener::bind(config(), threads.for_listener()).unwrap();
        assert!(Listener::bind(config(), threads.for_listener()).is_err());
        drop(live);
        assert!(!path.exists());
    }
}
