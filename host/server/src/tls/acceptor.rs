//! Makes the handshakes of a listener, with what its files had in them the last time that they were read.

use super::{
    client::{ClientCertificate, Secured},
    io::Io,
    material::Tls,
    names,
    stream::TlsStream,
};
use crate::handshake;
use rustls::{Error, HandshakeKind, InvalidMessage};
use socklet_core::Refusal;
use std::{
    future::poll_fn,
    io,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, timeout, timeout_at},
};

/// How long a client that is not served may take to hear why.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// The TLS of a listener that can change while it accepts. Clones are the same.
#[derive(Clone, Debug)]
pub struct TlsAcceptor(Arc<RwLock<Tls>>);

/// A handshake that was not made.
#[derive(Debug)]
pub(crate) struct Failed {
    /// Why, as metrics call it.
    pub(crate) outcome: &'static str,
    /// Why, for the log.
    pub(crate) reason: String,
}

// === impl TlsAcceptor ===

impl TlsAcceptor {
    /// Makes handshakes with what was loaded.
    pub fn new(tls: Tls) -> Self {
        Self(Arc::new(RwLock::new(tls)))
    }

    /// What new handshakes are made with.
    pub fn current(&self) -> Tls {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Makes new handshakes with this. Connections that are open stay as they are.
    pub fn install(&self, tls: Tls) {
        let mut current = self.0.write().unwrap_or_else(PoisonError::into_inner);
        *current = tls.resuming(&current);
    }

    /// As [`TlsAcceptor::install`], unless something else than `before` was installed meanwhile. Whether it was done.
    pub fn install_instead_of(&self, before: &Tls, tls: Tls) -> bool {
        let mut current = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let done = current.is(before);
        if done {
            *current = tls.resuming(&current);
        }
        done
    }

    /// Makes a handshake over any stream, for endpoints beside the listeners: the stream, and whose certificate the client has shown. How
    /// long it may take is up to the caller.
    ///
    /// # Errors
    ///
    /// When it is not made.
    pub async fn handshake<S>(
        &self,
        stream: S,
    ) -> io::Result<(tokio_rustls::server::TlsStream<S>, Option<ClientCertificate>)>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let stream = tokio_rustls::TlsAcceptor::from(self.current().config()).accept(stream).await?;
        let certificate = ClientCertificate::of(stream.get_ref().1);
        Ok((stream, certificate))
    }

    /// Makes a handshake before a deadline: the stream, what is known of it, and the outcome as metrics call it.
    pub(crate) async fn accept(&self, io: Io, deadline: Instant) -> Result<(TlsStream, Secured, &'static str), Failed> {
        let stream = TlsStream::new(io, self.current().config()).map_err(|error| Failed::of(&error))?;
        let mut server_name = None;
        let handshake = poll_fn(|cx| {
            let made = stream.poll_handshake(cx);
            // Looked up by this very call.
            server_name = names::asked().or(server_name.take());
            made
        });
        match timeout_at(deadline, handshake).await {
            Ok(Ok(())) => {
                let (secured, kind) = stream.agreed(|state| (Secured::of(state, server_name), state.handshake_kind()));
                let outcome = if kind == Some(HandshakeKind::Resumed) { "resumed" } else { "ok" };
                Ok((stream, secured, outcome))
            }
            Ok(Err(error)) => {
                let http = stream.is_http();
                if error.kind() == io::ErrorKind::InvalidData {
                    hang_up(&stream, &if http { plain_http() } else { Vec::new() }).await;
                }
                Err(if http {
                    Failed::new("plain-http", "the client speaks HTTP without TLS")
                } else {
                    Failed::from(error)
                })
            }
            Err(_) => Err(Failed::new("timeout", "not made in time")),
        }
    }
}

/// What a client is answered that speaks HTTP without TLS.
fn plain_http() -> Vec<u8> {
    let refusal = handshake::refuse(&Refusal::BadHandshake("this address speaks TLS: write https:// or wss://"));
    let mut answer = format!("HTTP/1.1 {}\r\nconnection: close\r\n", refusal.status()).into_bytes();
    for (name, value) in refusal.headers() {
        answer.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    answer.extend([format!("content-length: {}\r\n\r\n", refusal.body().len()).as_bytes(), refusal.body()].concat());
    answer
}

/// Ends a socket whose client has been told why, or is: what it still sends is read away, since a reset would take that from it.
async fn hang_up(stream: &TlsStream, words: &[u8]) {
    let io = stream.io();
    let _ = io.try_write(words); // a client that takes nothing is not told
    io.shut_down();
    let drain = async {
        let mut away = [0; 1024];
        loop {
            match io.try_read(&mut away) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if poll_fn(|cx| io.poll_read_ready(cx)).await.is_err() {
                        break;
                    }
                }
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
        }
    };
    let _ = timeout(LAST_WORDS, drain).await; // whoever does not hang up by then is cut off
}

// === impl Failed ===

impl Failed {
    fn new(outcome: &'static str, reason: impl Into<String>) -> Self {
        Self { outcome, reason: reason.into() }
    }

    fn of(error: &Error) -> Self {
        let outcome = match error {
            Error::InvalidMessage(InvalidMessage::InvalidContentType) => "not-tls",
            Error::PeerIncompatible(_) | Error::NoApplicationProtocol => "incompatible",
            Error::NoCertificatesPresented => "no-certificate",
            Error::InvalidCertificate(_) => "bad-certificate",
            Error::AlertReceived(_) => "refused",
            _ => "malformed",
        };
        Self::new(outcome, error.to_string())
    }
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
            Some(error) => Self::of(error),
            None => Self::new("closed", format!("the client hung up: {error}")),
        }
    }
}
