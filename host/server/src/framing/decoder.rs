//! Bytes to messages and control frames.

use super::{
    FramingError,
    assembly::{Assembly, growth},
    header::{Header, HeaderReader},
    inflation::{Inflation, on_the_wire},
    unmask::unmask,
};
use crate::compression::Deflate;
use bytes::{Buf, Bytes, BytesMut};
use bytestring::ByteString;
use socklet_core::{CloseCode, CloseFrame, Frame, Message, Opcode};

/// What a client may send.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FrameLimits {
    /// The largest payload of a data frame in bytes.
    pub(crate) max_frame: usize,
    /// The largest message in bytes, fragments together.
    pub(crate) max_message: usize,
    /// The most frames of a message; one is always allowed.
    pub(crate) max_fragments: usize,
}

/// What a client sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Inbound {
    /// A complete message.
    Message(Message),
    /// A ping: at most 125 bytes.
    Ping(Bytes),
    /// A pong: at most 125 bytes.
    Pong(Bytes),
    /// A close frame; none when it was empty, which stands for 1005.
    Close(Option<CloseFrame>),
    /// A frame to decide on: see [`Decoder::with_frames`].
    Frame(Frame),
}

/// Decodes what one client sends. Holds memory only while part of a frame or message is here; besides, with context takeover, an
/// inflater from the first compressed message on.
#[derive(Debug)]
pub(crate) struct Decoder {
    limits: FrameLimits,
    header: HeaderReader,
    frame: Option<Arriving>,
    /// A message that is fragmented, or whose only frame did not come at once, or was not at once a message.
    pub(super) message: Option<Assembly>,
    /// The payload of a frame that has to be complete and did not come at once.
    payload: Vec<u8>,
    /// Where compression was agreed on.
    pub(super) inflation: Option<Box<Inflation>>,
    /// Whether frames are handed out one by one.
    frames: bool,
    pub(super) finished: bool,
}

/// A frame whose header is complete.
#[derive(Debug)]
struct Arriving {
    fin: bool,
    opcode: Opcode,
    /// How much of the payload is still to come.
    remaining: usize,
    /// Turned to fit the next byte.
    mask: [u8; 4],
}

/// Smaller payloads are copied: a few bytes that a plugin is busy with must not hold on to a whole read buffer (128 KiB).
const COPY_BELOW: usize = 32 * 1024;

/// What a fragment of a compressed message may have beside what it says: a flush.
const FLUSH: usize = 8;

// === impl Decoder ===

impl Decoder {
    /// A decoder at the beginning of a stream.
    pub(crate) fn new(limits: FrameLimits) -> Self {
        Self {
            limits,
            header: HeaderReader::default(),
            frame: None,
            message: None,
            payload: Vec::new(),
            inflation: None,
            frames: false,
            finished: false,
        }
    }

    /// Takes compressed messages, too (RFC 7692): call it when the handshake agreed on it. They are inflated while they arrive. The
    /// limit of a message holds for what it becomes. Above 64 KiB it may not become more than `max_ratio` times its size on the
    /// wire, either. A compressed frame may be larger than the limit of frames by a sixteenth and 64 bytes, since what cannot be
    /// compressed grows a little.
    pub(crate) fn with_compression(self, deflate: &Deflate, max_ratio: usize) -> Self {
        let inflation = Inflation::new(deflate, self.limits.max_message, max_ratio);
        Self { inflation: Some(Box::new(inflation)), ..self }
    }

    /// Other limits hold from the next frame on.
    pub(crate) fn set_limits(&mut self, limits: FrameLimits, max_ratio: usize) {
        self.limits = limits;
        if let Some(inflation) = &mut self.inflation {
            inflation.set_limits(limits.max_message, max_ratio);
        }
    }

    /// Hands out every complete frame that kept the rules that concern a frame, in place of what it would mean, as
    /// [`Inbound::Frame`]: unmasked, otherwise as it was on the wire. Before the next call of [`Self::decode`] each must be given
    /// back once: to [`Self::process`], or to [`Self::skip`].
    pub(crate) fn with_frames(self) -> Self {
        Self { frames: true, ..self }
    }

    /// Takes bytes off `buf`, up to the end of one event. Call it until it returns none: then `buf` is empty and can be
    /// given up, since incomplete parts are kept in here. Payloads of 32 KiB and more share the memory of `buf` where
    /// they came at once.
    ///
    /// After an error or a close frame the decoder is finished: it drops whatever comes (RFC 6455, section 1.4).
    ///
    /// # Errors
    ///
    /// At the first byte that breaks a rule or announces more than the limits allow.
    pub(crate) fn decode(&mut self, buf: &mut BytesMut) -> Result<Option<Inbound>, FramingError> {
        if self.finished {
            buf.clear();
            return Ok(None);
        }
        let outcome = self.next(buf);
        if matches!(outcome, Err(_) | Ok(Some(Inbound::Close(_)))) {
            self.finish_stream();
        }
        outcome
    }

    /// Whether neither a part of a frame nor a part of a message is here.
    #[cfg(test)]
    pub(crate) fn is_idle(&self) -> bool {
        self.header.is_empty() && self.frame.is_none() && self.message.is_none()
    }

    /// The bytes that the inflater holds on to; the parts of messages that are here do not count.
    pub(crate) fn inflater_memory(&self) -> usize {
        self.inflation.as_ref().map_or(0, |inflation| inflation.memory())
    }

    /// Nothing that comes is of interest any more.
    pub(super) fn finish_stream(&mut self) {
        *self = Self { finished: true, ..Self::new(self.limits) };
    }

    fn next(&mut self, buf: &mut BytesMut) -> Result<Option<Inbound>, FramingError> {
        loop {
            let mut frame = match self.frame.take() {
                Some(frame) => frame,
                None => {
                    let Some(header) = self.header.read(buf, self.inflation.is_some())? else { return Ok(None) };
                    self.begin(&header)?
                }
            };
            let inbound = if self.frames {
                self.whole_frame(&mut frame, buf)?
            } else if frame.opcode.is_control() {
                let payload = self.whole_payload(&mut frame, buf);
                payload.map(|payload| control(frame.opcode, payload)).transpose()?
            } else {
                self.data(&mut frame, buf)?.map(Inbound::Message)
            };
            if frame.remaining > 0 {
                self.frame = Some(frame);
                return Ok(None);
            }
            if inbound.is_some() {
                return Ok(inbound);
            }
        }
    }

    /// Checks what a header means at this point, before any payload is kept.
    fn begin(&mut self, header: &Header) -> Result<Arriving, FramingError> {
        let &Header { fin, rsv1, opcode, len, mask } = header;
        let remaining = usize::try_from(len).unwrap_or(usize::MAX);
        if !opcode.is_control() {
            match &self.message {
                None if opcode == Opcode::Continuation => return Err(FramingError::UnexpectedContinuation),
                Some(_) if opcode != Opcode::Continuation => return Err(FramingError::ExpectedContinuation),
                _ => {}
            }
            self.check_size(remaining, rsv1)?;
            if let Some(message) = &mut self.message {
                if message.frames() >= self.limits.max_fragments {
                    return Err(FramingError::TooManyFragments);
                }
                message.begin_frame();
            } else if rsv1 {
                self.message = Some(Assembly::new(opcode == Opcode::Text).compressed());
            }
            if let Some(message) = &mut self.message {
                message.announce(remaining);
            }
        }
        Ok(Arriving { fin, opcode, remaining, mask })
    }

    /// Checks the announced size of a frame and of its message with it.
    fn check_size(&self, len: usize, rsv1: bool) -> Result<(), FramingError> {
        let FrameLimits { max_frame, max_message, .. } = self.limits;
        let before = self.message.as_ref();
        let (max_frame, left) = match before.map_or(rsv1.then_some(0), Assembly::wire) {
            // What is inflated is checked when it is.
            Some(wire) => {
                let flushes = before.map_or(0, |message| message.frames() * FLUSH);
                (on_the_wire(max_frame), (on_the_wire(max_message).saturating_add(flushes)).saturating_sub(wire))
            }
            None => (max_frame, max_message.saturating_sub(before.map_or(0, Assembly::len))),
        };
        if len > max_frame {
            return Err(FramingError::FrameTooBig);
        }
        if len > left {
            return Err(FramingError::MessageTooBig);
        }
        Ok(())
    }

    fn data(&mut self, frame: &mut Arriving, buf: &mut BytesMut) -> Result<Option<Message>, FramingError> {
        let taken = frame.remaining.min(buf.len());
        unmask(&mut buf[..taken], &mut frame.mask);
        if frame.fin && self.message.is_none() && taken == frame.remaining {
            frame.remaining = 0;
            return whole(frame.opcode == Opcode::Text, taken, buf).map(Some);
        }
        let message = self.message.get_or_insert_with(|| Assembly::new(frame.opcode == Opcode::Text));
        let end = frame.fin.then(|| message.len() + frame.remaining);
        self.push(&buf[..taken], end)?;
        buf.advance(taken);
        frame.remaining -= taken;
        if frame.fin && frame.remaining == 0 { self.finish_message() } else { Ok(None) }
    }

    /// Adds bytes to the message, inflated where it is compressed. `end` is the size of the whole message where it is known.
    pub(super) fn push(&mut self, bytes: &[u8], end: Option<usize>) -> Result<(), FramingError> {
        let Some(message) = &mut self.message else { return Ok(()) };
        match (message.wire(), &mut self.inflation) {
            (Some(_), _) if bytes.is_empty() => Ok(()),
            (Some(_), Some(inflation)) if message.is_dropped() && !inflation.takeover() => Ok(()),
            (Some(wire), Some(inflation)) => {
                let (have, end) = (message.len(), Some(self.limits.max_message));
                inflation.push(bytes, have, wire, |inflated| message.push(inflated, end))
            }
            _ => message.push(bytes, end),
        }
    }

    /// The message that is complete now; none when nobody wants it.
    pub(super) fn finish_message(&mut self) -> Result<Option<Message>, FramingError> {
        let Some(message) = self.message.take() else { return Ok(None) };
        if message.wire().is_some()
            && let Some(inflation) = &mut self.inflation
        {
            if message.is_dropped() && !inflation.takeover() {
                inflation.forget();
            } else {
                inflation.finish()?;
            }
        }
        message.finish()
    }

    /// A frame to decide on, once it is complete.
    fn whole_frame(&mut self, frame: &mut Arriving, buf: &mut BytesMut) -> Result<Option<Inbound>, FramingError> {
        let Some(payload) = self.whole_payload(frame, buf) else { return Ok(None) };
        let &mut Arriving { fin, opcode, .. } = frame;
        match opcode {
            Opcode::Close => drop(close(&payload)?),
            // From now on, whatever is decided on it.
            Opcode::Text | Opcode::Binary => {
                self.message.get_or_insert_with(|| Assembly::new(opcode == Opcode::Text));
            }
            Opcode::Continuation | Opcode::Ping | Opcode::Pong => {}
        }
        Ok(Some(Inbound::Frame(Frame { opcode, fin, payload })))
    }

    /// A payload as it was on the wire, unmasked, once it is complete.
    fn whole_payload(&mut self, frame: &mut Arriving, buf: &mut BytesMut) -> Option<Bytes> {
        let taken = frame.remaining.min(buf.len());
        unmask(&mut buf[..taken], &mut frame.mask);
        frame.remaining -= taken;
        if frame.remaining == 0 && self.payload.is_empty() {
            if taken >= COPY_BELOW {
                return Some(buf.split_to(taken).freeze());
            }
            let payload = Bytes::copy_from_slice(&buf[..taken]);
            buf.advance(taken);
            return Some(payload);
        }
        let end = self.payload.len() + taken + frame.remaining;
        let more = growth(self.payload.len(), self.payload.capacity(), taken, Some(end));
        self.payload.reserve_exact(more);
        self.payload.extend_from_slice(&buf[..taken]);
        buf.advance(taken);
        (frame.remaining == 0).then(|| Bytes::from(std::mem::take(&mut self.payload)))
    }
}

/// A message whose only frame came at once.
fn whole(text: bool, len: usize, buf: &mut BytesMut) -> Result<Message, FramingError> {
    if len >= COPY_BELOW {
        return message(text, buf.split_to(len).freeze());
    }
    let message = if text {
        let text = str::from_utf8(&buf[..len]).map_err(|_| FramingError::NotUtf8)?;
        Message::Text(ByteString::from(text))
    } else {
        Message::Binary(Bytes::copy_from_slice(&buf[..len]))
    };
    buf.advance(len);
    Ok(message)
}

/// A message of this payload.
pub(super) fn message(text: bool, payload: Bytes) -> Result<Message, FramingError> {
    Ok(if text {
        Message::Text(ByteString::try_from(payload).map_err(|_| FramingError::NotUtf8)?)
    } else {
        Message::Binary(payload)
    })
}

/// What a control frame means.
pub(super) fn control(opcode: Opcode, payload: Bytes) -> Result<Inbound, FramingError> {
    Ok(match opcode {
        Opcode::Ping => Inbound::Ping(payload),
        Opcode::Pong => Inbound::Pong(payload),
        _ => Inbound::Close(close(&payload)?),
    })
}

/// The payload of a close frame, RFC 6455 sections 5.5.1 and 7.4.
fn close(payload: &[u8]) -> Result<Option<CloseFrame>, FramingError> {
    match payload {
        [] => Ok(None),
        [_] => Err(FramingError::CloseLength),
        [high, low, reason @ ..] => {
            let code = CloseCode::from_wire(u16::from_be_bytes([*high, *low])).ok_or(FramingError::CloseCode)?;
            let reason = str::from_utf8(reason).map_err(|_| FramingError::CloseNotUtf8)?;
            Ok(Some(CloseFrame::received(code, ByteString::from(reason))))
        }
    }
}
