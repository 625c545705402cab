//! A TLS session as the stream that HTTP is served on, and as the two halves of a connection's socket.

use super::{io::Io, session::Session};
use crate::connection::{Reader, Socket, Writer};
use rustls::{CommonState, Error, ServerConfig};
use std::{
    fmt,
    io::{self, IoSlice},
    mem,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A whole stream.
pub(crate) struct TlsStream(Arc<Shared>);

/// The half that is read.
pub(crate) struct TlsReader(Arc<Shared>);

/// The half that is written. Dropping it tells the client that nothing more comes.
pub(crate) struct TlsWriter(Arc<Shared>);

/// A session and its socket. Both halves are used by one thread: nobody ever waits for the lock.
struct Shared {
    io: Io,
    state: Mutex<State>,
}

struct State {
    session: Session,
    /// What was encrypted for the half that is written, and is not reported as written before the socket has all of it: so what the
    /// client has not taken counts as queued.
    sealed: usize,
}

// === impl TlsStream ===

impl TlsStream {
    /// A socket whose handshake is still to be made.
    pub(super) fn new(io: Io, config: Arc<ServerConfig>) -> Result<Self, Error> {
        let state = Mutex::new(State { session: Session::new(config)?, sealed: 0 });
        Ok(Self(Arc::new(Shared { io, state })))
    }

    /// Makes the handshake. After an error the client has been told, if that was possible without waiting.
    pub(super) fn poll_handshake(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Shared { io, .. } = &*self.0;
        loop {
            ready!(self.0.poll_flush(cx))?;
            let mut state = self.0.state();
            let session = &mut state.session;
            if !session.state().is_handshaking() {
                return Poll::Ready(Ok(()));
            }
            if session.has_ended() {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
            match session.read(io, &mut ReadBuf::new(&mut [])) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    drop(state);
                    ready!(io.poll_read_ready(cx))?;
                }
                Err(error) => {
                    // A client without TLS would not understand it.
                    if !session.is_http() {
                        let _ = session.flush(io);
                    }
                    return Poll::Ready(Err(error));
                }
            }
        }
    }

    /// What both sides have agreed on.
    pub(super) fn agreed<T>(&self, look: impl FnOnce(&CommonState) -> T) -> T {
        look(self.0.state().session.state())
    }

    /// Whether the client began with a request in plain HTTP.
    pub(super) fn is_http(&self) -> bool {
        self.0.state().session.is_http()
    }

    /// Bytes of memory that it holds for what is on its way.
    #[cfg(test)]
    pub(super) fn buffered(&self) -> usize {
        self.0.state().session.buffered()
    }

    /// The socket below.
    pub(super) fn io(&self) -> &Io {
        &self.0.io
    }
}

impl AsyncRead for TlsStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.0.poll_read(cx, buf)
    }
}

impl AsyncWrite for TlsStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // What waits is one write at most.
        ready!(self.0.poll_flush(cx))?;
        Poll::Ready(self.0.state().session.seal(slices, &self.0.io))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_shutdown(cx)
    }
}

impl Socket for TlsStream {
    fn halves(self) -> (Reader, Writer) {
        (Reader::Tls(TlsReader(self.0.clone())), Writer::Tls(TlsWriter(self.0)))
    }
}

// === impl TlsReader ===

impl TlsReader {
    pub(crate) fn poll_read(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.0.poll_read(cx, buf)
    }
}

// === impl TlsWriter ===

impl TlsWriter {
    /// Writes what the system takes now. [`io::ErrorKind::WouldBlock`] when that is not all of what was encrypted: the next call has
    /// to begin with the same bytes.
    pub(crate) fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let Shared { io, .. } = &*self.0;
        let State { session, sealed } = &mut *self.0.state();
        if *sealed == 0 {
            session.flush(io)?;
            *sealed = session.seal(slices, io)?;
        }
        session.flush(io)?;
        Ok(mem::take(sealed))
    }

    /// As [`TlsWriter::try_write`]; wakes the task when that is not possible now.
    pub(crate) fn poll_write(&self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        self.0.poll_writable(cx, || self.try_write(slices))
    }

    /// Tells the client that nothing more comes.
    pub(crate) fn poll_shutdown(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_shutdown(cx)
    }
}

impl Drop for TlsWriter {
    fn drop(&mut self) {
        // As the halves of plain sockets do.
        self.0.io.shut_down();
    }
}

// === impl Shared ===

impl Shared {
    fn poll_read(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        loop {
            let mut state = self.state();
            let session = &mut state.session;
            if session.give(buf) || buf.filled().len() > before || buf.remaining() == 0 || session.has_ended() {
                return Poll::Ready(Ok(()));
            }
            let read = session.read(&self.io, buf);
            // A session has something to say of its own, at times.
            let blocked = session.flush(&self.io).is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock);
            drop(state);
            if blocked && let Poll::Ready(Ok(())) = self.io.poll_write_ready(cx) {
                cx.waker().wake_by_ref();
            }
            match read {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready!(self.io.poll_read_ready(cx))?,
                read => read?,
            }
        }
    }

    fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_writable(cx, || self.state().session.flush(&self.io))
    }

    fn poll_shutdown(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // What is closed already, or broke, has nothing to say.
        let _ = self.state().session.close();
        let flushed = ready!(self.poll_flush(cx));
        self.io.shut_down();
        Poll::Ready(flushed)
    }

    /// Does something as soon as the socket takes what there is to write.
    fn poll_writable<T>(&self, cx: &mut Context<'_>, mut write: impl FnMut() -> io::Result<T>) -> Poll<io::Result<T>> {
        loop {
            match write() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready!(self.io.poll_write_ready(cx))?,
                outcome => return Poll::Ready(outcome),
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Whoever panics with it ends this connection, and its end needs it, too.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for TlsStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsStream")
    }
}
