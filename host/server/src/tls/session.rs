//! One TLS session between a socket and what is sent over it. Holds memory only for what is on its way.

use super::io::Io;
use bytes::{Buf, BytesMut};
use rustls::{
    CommonState, Error, ServerConfig,
    server::UnbufferedServerConnection,
    unbuffered::{ConnectionState, EncryptError, UnbufferedStatus},
};
use std::{
    cell::Cell,
    io::{self, IoSlice},
    mem,
    sync::Arc,
};
use tokio::io::ReadBuf;

/// The largest record on the wire (RFC 5246, section 6.2.3).
const RECORD: usize = 5 + 16 * 1024 + 2048;

/// What one read takes at most.
const READ: usize = 64 * 1024;

/// What is kept at most of what was read: the longest message of a handshake, in records.
const KEPT: usize = 68 * 1024;

/// What is encrypted in one go at most: four records.
const SEALED: usize = 64 * 1024;

/// The records of [`SEALED`] bytes, whatever the version.
const SEALED_RECORDS: usize = SEALED + 1024;

thread_local! {
    /// For records, while nobody uses it.
    static RECORDS: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
    /// For what is scattered and becomes one record, while nobody uses it.
    static GATHERED: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// A session of a server.
pub(super) struct Session {
    tls: UnbufferedServerConnection,
    /// What was read and not understood yet: part of a record, most of the time nothing.
    incoming: Vec<u8>,
    /// There may be whole records in `incoming`.
    unread: bool,
    /// What was decrypted and not asked for yet.
    plain: BytesMut,
    /// Records that the socket has not taken.
    outgoing: BytesMut,
    /// The first byte that the client sent.
    first: Option<u8>,
    /// Nothing more comes from the client.
    ended: bool,
    /// We have said that nothing more comes from us.
    closed: bool,
}

/// What has come of looking at what was read.
enum Understood {
    /// There may be more in it.
    Some,
    /// Nothing follows from the rest before there is more of it.
    All,
}

// === impl Session ===

impl Session {
    pub(super) fn new(config: Arc<ServerConfig>) -> Result<Self, Error> {
        let tls = UnbufferedServerConnection::new(config)?;
        let (incoming, plain, outgoing) = Default::default();
        Ok(Self { tls, incoming, unread: false, plain, outgoing, first: None, ended: false, closed: false })
    }

    /// What both sides have agreed on.
    pub(super) fn state(&self) -> &CommonState {
        &self.tls
    }

    /// Whether the client began with a request in plain HTTP.
    pub(super) fn is_http(&self) -> bool {
        self.first.is_some_and(|byte| byte.is_ascii_uppercase())
    }

    /// Whether nothing more comes from the client.
    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Bytes of memory that it holds for what is on its way.
    #[cfg(test)]
    pub(super) fn buffered(&self) -> usize {
        self.incoming.capacity() + self.plain.capacity() + self.outgoing.capacity()
    }

    /// Gives what was decrypted already, as far as it fits. Whether there was something.
    pub(super) fn give(&mut self, out: &mut ReadBuf<'_>) -> bool {
        let len = self.plain.len().min(out.remaining());
        out.put_slice(&self.plain[..len]);
        self.plain.advance(len);
        if self.plain.is_empty() {
            self.plain = BytesMut::new();
        }
        len > 0
    }

    /// Reads once, and decrypts what is there of whole records.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::WouldBlock`] when there is nothing to read. [`io::ErrorKind::InvalidData`] with rustls's error inside when the
    /// client breaks the protocol: what it is told of that is to be flushed then. [`io::ErrorKind::UnexpectedEof`] when it hangs up
    /// without saying that nothing more comes.
    pub(super) fn read(&mut self, io: &Io, out: &mut ReadBuf<'_>) -> io::Result<()> {
        if mem::take(&mut self.unread) {
            let mut records = mem::take(&mut self.incoming);
            let understood = self.understand(&mut records, out);
            return self.keep(&records, understood);
        }
        let kept = self.incoming.len();
        if kept > KEPT {
            return Err(invalid(Error::PeerSentOversizedRecord));
        }
        let mut records = RECORDS.take();
        records.resize(KEPT + READ, 0);
        records[..kept].copy_from_slice(&self.incoming);
        // Not much more than there is room for.
        let want = out.remaining().clamp(RECORD, READ);
        let read = io.try_read(&mut records[kept..kept + want]);
        let outcome = match read {
            Ok(0) if self.ended => Ok(()),
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => {
                self.first.get_or_insert(records[0]);
                let records = &mut records[..kept + read];
                let understood = self.understand(records, out);
                self.keep(records, understood)
            }
            Err(error) => Err(error),
        };
        RECORDS.set(records);
        outcome
    }

    /// Keeps what was not understood.
    fn keep(&mut self, records: &[u8], understood: (usize, Result<bool, Error>)) -> io::Result<()> {
        let (used, outcome) = understood;
        let rest = if self.ended { &[] } else { &records[used..] };
        if rest.is_empty() {
            self.incoming = Vec::new();
        } else {
            self.incoming.clear();
            self.incoming.extend_from_slice(rest);
        }
        self.unread = outcome.map_err(|error| {
            self.give_up();
            invalid(error)
        })?;
        Ok(())
    }

    /// After an error: takes what the client is to be told of it, and understands nothing more.
    fn give_up(&mut self) {
        while self.tls.wants_write() {
            // Before it looks at any record again, a session gives what is to be sent.
            let (_, outcome) = self.step(&mut [], |_, _| {});
            if outcome.is_err() {
                break;
            }
        }
        (self.ended, self.closed) = (true, true);
    }

    /// Decrypts until nothing more is understood, or there is no room. How many bytes were used, and whether more may be understood.
    fn understand(&mut self, records: &mut [u8], out: &mut ReadBuf<'_>) -> (usize, Result<bool, Error>) {
        let mut used = 0;
        loop {
            let plain = |bytes: &[u8], rest: &mut BytesMut| {
                let fits = bytes.len().min(out.remaining());
                out.put_slice(&bytes[..fits]);
                rest.extend_from_slice(&bytes[fits..]);
            };
            let (more, outcome) = self.step(&mut records[used..], plain);
            used += more;
            match outcome {
                Ok(Understood::Some) if self.plain.is_empty() => {}
                Ok(Understood::Some) => return (used, Ok(true)),
                Ok(Understood::All) => return (used, Ok(false)),
                Err(error) => return (used, Err(error)),
            }
        }
    }

    /// One step of the session. How many bytes of `records` are done with. What is to be sent for it goes to `outgoing`.
    fn step(
        &mut self,
        records: &mut [u8],
        mut plain: impl FnMut(&[u8], &mut BytesMut),
    ) -> (usize, Result<Understood, Error>) {
        let UnbufferedStatus { mut discard, state } = self.tls.process_tls_records(records);
        let understood = match state {
            Ok(ConnectionState::ReadTraffic(mut traffic)) => loop {
                match traffic.next_record() {
                    Some(Ok(record)) => {
                        discard += record.discard;
                        plain(record.payload, &mut self.plain);
                    }
                    Some(Err(error)) => break Err(error),
                    None => break Ok(Understood::Some),
                }
            },
            Ok(ConnectionState::EncodeTlsData(mut data)) => {
                let start = self.outgoing.len();
                // Tells how much room it needs.
                let needed = match data.encode(&mut []) {
                    Err(rustls::unbuffered::EncodeError::InsufficientSize(needed)) => needed.required_size,
                    _ => 0,
                };
                self.outgoing.resize(start + needed, 0);
                match data.encode(&mut self.outgoing[start..]) {
                    Ok(_) => Ok(Understood::Some),
                    Err(error) => Err(Error::General(error.to_string())),
                }
            }
            Ok(ConnectionState::TransmitTlsData(data)) => {
                // It is in `outgoing`, in its order.
                data.done();
                Ok(Understood::Some)
            }
            Ok(ConnectionState::PeerClosed) => {
                self.ended = true;
                Ok(Understood::Some)
            }
            Ok(ConnectionState::WriteTraffic(_) | ConnectionState::BlockedHandshake | ConnectionState::Closed) => {
                Ok(Understood::All)
            }
            Ok(_) => Err(Error::General("early data, which is not offered".to_owned())),
            Err(error) => Err(error),
        };
        (discard, understood)
    }

    /// Does what is to be done before something is sent. What a client sends that breaks the protocol is told by the next read.
    fn settle(&mut self) -> io::Result<()> {
        let mut records = mem::take(&mut self.incoming);
        let mut used = 0;
        let outcome = loop {
            let (more, outcome) = self.step(&mut records[used..], |bytes, rest| rest.extend_from_slice(bytes));
            used += more;
            match outcome {
                Ok(Understood::Some) => {}
                Ok(Understood::All) => break Ok(false),
                Err(error) => break Err(error),
            }
        };
        self.keep(&records, (used, outcome))
    }

    /// Encrypts, as much as goes in one go, and writes what the socket takes now. How much was encrypted: it is to be followed by
    /// [`Session::flush`].
    pub(super) fn seal(&mut self, slices: &[IoSlice<'_>], io: &Io) -> io::Result<usize> {
        if self.closed {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        match slices {
            [slice] => self.seal_one(&slice[..slice.len().min(SEALED)], io),
            _ => {
                // One record for all of them: a frame's header deserves none of its own.
                let mut gathered = GATHERED.take();
                for slice in slices {
                    gathered.extend_from_slice(&slice[..slice.len().min(SEALED - gathered.len())]);
                }
                let sealed = self.seal_one(&gathered, io);
                gathered.clear();
                GATHERED.set(gathered);
                sealed
            }
        }
    }

    fn seal_one(&mut self, plain: &[u8], io: &Io) -> io::Result<usize> {
        self.settle()?;
        let mut records = RECORDS.take();
        records.resize(KEPT + READ, 0);
        let sealed = self.encrypt(plain, &mut records[..SEALED_RECORDS]);
        let outcome = sealed.and_then(|len| {
            let records = &records[..len];
            let taken = if self.outgoing.is_empty() { io.try_write(records) } else { Ok(0) };
            let taken = taken.or_else(|error| match error.kind() {
                io::ErrorKind::WouldBlock => Ok(0),
                _ => Err(error),
            })?;
            self.outgoing.extend_from_slice(&records[taken..]);
            Ok(plain.len())
        });
        RECORDS.set(records);
        outcome
    }

    /// Encrypts into `records`. How many bytes.
    fn encrypt(&mut self, plain: &[u8], records: &mut [u8]) -> io::Result<usize> {
        match self.tls.process_tls_records(&mut self.incoming).state {
            Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                traffic.encrypt(plain, records).map_err(|error| match error {
                    EncryptError::EncryptExhausted => io::Error::other(error),
                    EncryptError::InsufficientSize(_) => io::Error::other(error),
                })
            }
            Ok(_) => Err(io::ErrorKind::NotConnected.into()),
            Err(error) => Err(invalid(error)),
        }
    }

    /// Has the client told that nothing more comes from us. Idempotent. To be followed by [`Session::flush`].
    pub(super) fn close(&mut self) -> io::Result<()> {
        if mem::replace(&mut self.closed, true) {
            return Ok(());
        }
        self.settle()?;
        let mut alert = [0; 256];
        if let Ok(ConnectionState::WriteTraffic(mut traffic)) = self.tls.process_tls_records(&mut self.incoming).state {
            let len = traffic.queue_close_notify(&mut alert).map_err(io::Error::other)?;
            self.outgoing.extend_from_slice(&alert[..len]);
        }
        Ok(())
    }

    /// Writes the records that wait.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::WouldBlock`] when the socket does not take all of them now.
    pub(super) fn flush(&mut self, io: &Io) -> io::Result<()> {
        while !self.outgoing.is_empty() {
            match io.try_write(&self.outgoing)? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                taken => self.outgoing.advance(taken),
            }
        }
        // A session at rest holds no buffers.
        self.outgoing = BytesMut::new();
        Ok(())
    }
}

fn invalid(error: Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
