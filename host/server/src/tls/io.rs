//! A socket under TLS: bytes as they are on the wire, without waiting.

use socket2::SockRef;
use std::{
    io,
    net::Shutdown,
    task::{Context, Poll},
};
use tokio::net::{TcpStream, UnixStream};

/// A socket.
#[derive(Debug)]
pub(crate) enum Io {
    Tcp(TcpStream),
    Unix(UnixStream),
}

// === impl Io ===

impl Io {
    /// Reads what is there now. [`io::ErrorKind::WouldBlock`] when that is nothing.
    pub(super) fn try_read(&self, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_read(bytes),
            Self::Unix(stream) => stream.try_read(bytes),
        }
    }

    /// Writes what the system takes now. [`io::ErrorKind::WouldBlock`] when that is nothing.
    pub(super) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_write(bytes),
            Self::Unix(stream) => stream.try_write(bytes),
        }
    }

    /// Wakes the task when there may be something to read.
    pub(super) fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => stream.poll_read_ready(cx),
            Self::Unix(stream) => stream.poll_read_ready(cx),
        }
    }

    /// Wakes the task when the system may take more.
    pub(super) fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => stream.poll_write_ready(cx),
            Self::Unix(stream) => stream.poll_write_ready(cx),
        }
    }

    /// Tells the other side that nothing more comes. It may be gone already.
    pub(super) fn shut_down(&self) {
        let _ = match self {
            Self::Tcp(stream) => SockRef::from(stream).shutdown(Shutdown::Write),
            Self::Unix(stream) => SockRef::from(stream).shutdown(Shutdown::Write),
        };
    }
}

impl From<TcpStream> for Io {
    fn from(stream: TcpStream) -> Self {
        Self::Tcp(stream)
    }
}

impl From<UnixStream> for Io {
    fn from(stream: UnixStream) -> Self {
        Self::Unix(stream)
    }
}
