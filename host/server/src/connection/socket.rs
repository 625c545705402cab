//! The two halves of a connection's socket: its task reads, and whoever has something to write does that.

use crate::tls::{TlsReader, TlsWriter};
use std::{
    fmt,
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, UnixStream, tcp, unix},
};

/// What a connection can be served on.
pub(crate) trait Socket: AsyncRead + AsyncWrite + Send + Unpin + 'static {
    /// Its two halves.
    fn halves(self) -> (Reader, Writer);
}

/// The half that is read. Owned by the connection's task.
pub(crate) enum Reader {
    Tcp(tcp::OwnedReadHalf),
    Unix(unix::OwnedReadHalf),
    Tls(TlsReader),
    /// A stream of HTTP/2.
    Stream(Box<dyn AsyncRead + Send + Unpin>),
    #[cfg(test)]
    Other(Box<dyn AsyncRead + Send + Unpin>),
}

/// The half that is written.
pub(crate) enum Writer {
    Tcp(tcp::OwnedWriteHalf),
    Unix(unix::OwnedWriteHalf),
    Tls(TlsWriter),
    /// A stream of HTTP/2: only the connection's own task can write to it.
    Stream(Box<dyn AsyncWrite + Send + Unpin>),
    #[cfg(test)]
    Other(Box<dyn AsyncWrite + Send + Unpin>),
}

/// A stream that only its connection's own task can write to.
#[cfg(test)]
pub(crate) struct Stream<S>(pub(crate) S);

// === impl Socket ===

impl Socket for TcpStream {
    fn halves(self) -> (Reader, Writer) {
        let (reader, writer) = self.into_split();
        (Reader::Tcp(reader), Writer::Tcp(writer))
    }
}

impl Socket for UnixStream {
    fn halves(self) -> (Reader, Writer) {
        let (reader, writer) = self.into_split();
        (Reader::Unix(reader), Writer::Unix(writer))
    }
}

#[cfg(test)]
impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> Socket for Stream<S> {
    fn halves(self) -> (Reader, Writer) {
        let (reader, writer) = tokio::io::split(self.0);
        (Reader::Other(Box::new(reader)), Writer::Other(Box::new(writer)))
    }
}

// === impl Reader ===

impl Reader {
    /// Whether it is one of many on a socket.
    pub(crate) fn is_stream(&self) -> bool {
        matches!(self, Self::Stream(_))
    }
}

impl AsyncRead for Reader {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(half) => Pin::new(half).poll_read(cx, buf),
            Self::Unix(half) => Pin::new(half).poll_read(cx, buf),
            Self::Tls(half) => half.poll_read(cx, buf),
            Self::Stream(half) => Pin::new(half).poll_read(cx, buf),
            #[cfg(test)]
            Self::Other(half) => Pin::new(half).poll_read(cx, buf),
        }
    }
}

// === impl Writer ===

impl Writer {
    /// Writes what the system takes now. [`io::ErrorKind::WouldBlock`] when that is nothing, or only the connection's
    /// task can tell. What was not written comes first the next time, as it was.
    pub(crate) fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match (self, slices) {
            (Self::Tcp(half), [slice]) => half.try_write(slice),
            (Self::Tcp(half), _) => half.try_write_vectored(slices),
            (Self::Unix(half), [slice]) => half.try_write(slice),
            (Self::Unix(half), _) => half.try_write_vectored(slices),
            (Self::Tls(half), _) => half.try_write(slices),
            (Self::Stream(_), _) => Err(io::ErrorKind::WouldBlock.into()),
            #[cfg(test)]
            (Self::Other(_), _) => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    /// Writes; wakes the task when that is not possible now.
    pub(crate) fn poll_write(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        fn poll(
            half: &mut (impl AsyncWrite + Unpin),
            cx: &mut Context<'_>,
            slices: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            match slices {
                [slice] => Pin::new(half).poll_write(cx, slice),
                _ => Pin::new(half).poll_write_vectored(cx, slices),
            }
        }
        match self {
            Self::Tcp(half) => poll(half, cx, slices),
            Self::Unix(half) => poll(half, cx, slices),
            Self::Tls(half) => half.poll_write(cx, slices),
            Self::Stream(half) => poll(half, cx, slices),
            #[cfg(test)]
            Self::Other(half) => poll(half, cx, slices),
        }
    }

    /// Tells the client that nothing more comes.
    pub(crate) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(half) => Pin::new(half).poll_shutdown(cx),
            Self::Unix(half) => Pin::new(half).poll_shutdown(cx),
            Self::Tls(half) => half.poll_shutdown(cx),
            Self::Stream(half) => Pin::new(half).poll_shutdown(cx),
            #[cfg(test)]
            Self::Other(half) => Pin::new(half).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
impl<S: AsyncRead + Unpin> AsyncRead for Stream<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

#[cfg(test)]
impl<S: AsyncWrite + Unpin> AsyncWrite for Stream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reader")
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Writer")
    }
}
