//! Opens connections: a request for an upgrade, and the answer to it.

use anyhow::{Context, bail};
use rustix::io::Errno;
use socket2::{Domain, Socket, Type};
use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    time::Duration,
};

/// The longest that a server may take for an answer.
const PATIENCE: Duration = Duration::from_secs(10);
const MOST_HEAD: usize = 4096;

/// Where to, and from which address.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    to: SocketAddr,
    from: Ipv4Addr,
    request: String,
}

// === impl Target ===

impl Target {
    pub(crate) fn new(to: SocketAddr, from: Ipv4Addr, path: &str) -> Self {
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {to}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        Self { to, from, request }
    }

    /// Opens a connection; it does not block any more.
    pub(crate) fn open(&self) -> anyhow::Result<TcpStream> {
        let mut stream = self.connect().context("failed to connect")?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.write_all(self.request.as_bytes())?;
        let mut head = Vec::new();
        let mut part = [0; 512];
        while !head.ends_with(b"\r\n\r\n") {
            match stream.read(&mut part).context("no answer to an upgrade")? {
                0 => bail!("hung up after {:?}", String::from_utf8_lossy(&head)),
                read => head.extend(&part[..read]),
            }
            if head.len() > MOST_HEAD || (head.len() >= 12 && !head.starts_with(b"HTTP/1.1 101")) {
                bail!("no upgrade: {:?}", String::from_utf8_lossy(&head));
            }
        }
        stream.set_nonblocking(true)?;
        Ok(stream)
    }

    /// The request, from its first line to the empty one.
    pub(crate) fn request(&self) -> &str {
        &self.request
    }

    /// Begins to connect without waiting.
    pub(crate) fn begin(&self) -> io::Result<TcpStream> {
        let socket = self.socket()?;
        socket.set_nonblocking(true)?;
        match socket.connect(&self.to.into()) {
            Err(error) if error.raw_os_error() != Some(Errno::INPROGRESS.raw_os_error()) => Err(error),
            _ => Ok(socket.into()),
        }
    }

    fn connect(&self) -> io::Result<TcpStream> {
        let socket = self.socket()?;
        socket.connect_timeout(&self.to.into(), PATIENCE)?;
        Ok(socket.into())
    }

    fn socket(&self) -> io::Result<Socket> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.bind(&SocketAddr::from((self.from, 0)).into())?;
        socket.set_tcp_nodelay(true)?;
        // However it ends, its port is free again at once.
        socket.set_linger(Some(Duration::ZERO))?;
        Ok(socket)
    }
}
