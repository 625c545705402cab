//! Listening sockets: TCP on IPv4 and IPv6, and UNIX sockets.

use crate::{
    edge::{Edge, Via},
    inherited::{self, Inherited},
    tls::{Secured, Tls, TlsAcceptor},
    workers::Worker,
};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use socklet_core::ListenerName;
use std::{
    fmt, io,
    net::{Ipv6Addr, SocketAddr},
    os::unix::fs::FileTypeExt,
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

/// A bound socket that nobody accepts from yet.
#[derive(Debug)]
pub struct Listener {
    name: ListenerName,
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
    _file: Option<SocketFile>,
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
    pub(crate) listener: ListenerName,
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
            Bind::Tcp(address) => bind_tcp(*address, reuse_port),
            Bind::Unix(path) => bind_unix(path),
            Bind::Systemd(name) => take_over(name),
        };
        match bound {
            Ok((local, socket)) => {
                let (tls, edge) = (tls.map(TlsAcceptor::new), Arc::new(edge));
                Ok(Self { name, local, socket, tls, edge, worker: worker.clone() })
            }
            Err(source) => Err(BindError { name, bind, source }),
        }
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
    pub(crate) async fn accept(&self) -> io::Result<(Accepted, Origin)> {
        let listener = self.name.clone();
        match &self.socket {
            Listening::Tcp(socket) => {
                let (stream, client) = socket.accept().await?;
                stream.set_nodelay(true)?;
                let local = stream.local_addr()?.to_string();
                let via = Via::new(self.edge.clone(), Some(client));
                Ok((Accepted::Tcp(stream), Origin { listener, local, client: Some(client), tls: None, via }))
            }
            Listening::Unix(socket) => {
                let (stream, _) = socket.listener.accept().await?;
                let local = self.local.to_string();
                let via = Via::new(self.edge.clone(), None);
                Ok((Accepted::Unix(stream), Origin { listener, local, client: None, tls: None, via }))
            }
        }
    }
}

fn bind_tcp(address: SocketAddr, reuse_port: bool) -> io::Result<(Bind, Listening)> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if let SocketAddr::V6(v6) = address {
        // Only the wildcard serves IPv4 too; whatever the system's default is.
        socket.set_only_v6(!v6.ip().is_unspecified())?;
    }
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(reuse_port)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::from(address))?;
    socket.listen(BACKLOG)?;
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
    let socket = UnixSocket { listener: UnixListener::bind(path)?, _file: Some(SocketFile(path.to_owned())) };
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
            Ok((local, Listening::Unix(UnixSocket { listener, _file: None })))
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
