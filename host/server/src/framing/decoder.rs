//! Bytes to messages and control frames.

use super::{FramingError, assembly::Assembly, header::Header, header::HeaderReader, unmask::unmask};
use bytes::{Buf, Bytes, BytesMut};
use bytestring::ByteString;
use socklet_core::{CloseCode, CloseFrame, Message, Opcode};

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
}

/// Decodes what one client sends. Holds memory only while part of a frame or message is here.
#[derive(Debug)]
pub(crate) struct Decoder {
    limits: FrameLimits,
    header: HeaderReader,
    frame: Option<Frame>,
    /// A message that is fragmented, or whose only frame did not come at once.
    message: Option<Assembly>,
    /// The payload of a control frame that did not come at once.
    control: Vec<u8>,
    finished: bool,
}

/// A frame whose header is complete.
#[derive(Debug)]
struct Frame {
    fin: bool,
    opcode: Opcode,
    /// How much of the payload is still to come.
    remaining: usize,
    /// Turned to fit the next byte.
    mask: [u8; 4],
}

/// Smaller payloads are copied: a few bytes that a plugin is busy with must not hold on to a whole read buffer.
const COPY_BELOW: usize = 4096;

// === impl Decoder ===

impl Decoder {
    /// A decoder at the beginning of a stream.
    pub(crate) fn new(limits: FrameLimits) -> Self {
        Self {
            limits,
            header: HeaderReader::default(),
            frame: None,
            message: None,
            control: Vec::new(),
            finished: false,
        }
    }

    /// Takes bytes off `buf`, up to the end of one event. Call it until it returns none: then `buf` is empty and can be
    /// given up, since incomplete parts are kept in here. Payloads of 4 KiB and more share the memory of `buf` where
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
            *self = Self { finished: true, ..Self::new(self.limits) };
        }
        outcome
    }

    /// Whether neither a part of a frame nor a part of a message is here.
    #[cfg(test)]
    pub(crate) fn is_idle(&self) -> bool {
        self.header.is_empty() && self.frame.is_none() && self.message.is_none()
    }

    /// How many bytes of the current frame's payload are still to come; 0 between frames. Only announced, not yet paid
    /// for: let it choose the size of a read, never reserve it whole.
    pub(crate) fn wants(&self) -> usize {
        self.frame.as_ref().map_or(0, |frame| frame.remaining)
    }

    fn next(&mut self, buf: &mut BytesMut) -> Result<Option<Inbound>, FramingError> {
        loop {
            let mut frame = match self.frame.take() {
                Some(frame) => frame,
                None => {
                    let Some(header) = self.header.read(buf)? else { return Ok(None) };
                    self.begin(&header)?
                }
            };
            let inbound = if frame.opcode.is_control() {
                self.control(&mut frame, buf)?
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
    fn begin(&mut self, header: &Header) -> Result<Frame, FramingError> {
        let &Header { fin, opcode, len, mask } = header;
        let remaining = usize::try_from(len).unwrap_or(usize::MAX);
        if !opcode.is_control() {
            let before = match &self.message {
                None if opcode == Opcode::Continuation => return Err(FramingError::UnexpectedContinuation),
                Some(_) if opcode != Opcode::Continuation => return Err(FramingError::ExpectedContinuation),
                message => message.as_ref().map_or(0, Assembly::len),
            };
            if remaining > self.limits.max_frame {
                return Err(FramingError::FrameTooBig);
            }
            if remaining > self.limits.max_message.saturating_sub(before) {
                return Err(FramingError::MessageTooBig);
            }
            if let Some(message) = &mut self.message {
                if message.frames() >= self.limits.max_fragments {
                    return Err(FramingError::TooManyFragments);
                }
                message.begin_frame();
            }
        }
        Ok(Frame { fin, opcode, remaining, mask })
    }

    fn control(&mut self, frame: &mut Frame, buf: &mut BytesMut) -> Result<Option<Inbound>, FramingError> {
        let taken = frame.remaining.min(buf.len());
        unmask(&mut buf[..taken], &mut frame.mask);
        self.control.reserve_exact(frame.remaining);
        self.control.extend_from_slice(&buf[..taken]);
        buf.advance(taken);
        frame.remaining -= taken;
        if frame.remaining > 0 {
            return Ok(None);
        }
        let payload = Bytes::from(std::mem::take(&mut self.control));
        Ok(Some(match frame.opcode {
            Opcode::Ping => Inbound::Ping(payload),
            Opcode::Pong => Inbound::Pong(payload),
            _ => Inbound::Close(close(&payload)?),
        }))
    }

    fn data(&mut self, frame: &mut Frame, buf: &mut BytesMut) -> Result<Option<Message>, FramingError> {
        let taken = frame.remaining.min(buf.len());
        unmask(&mut buf[..taken], &mut frame.mask);
        if frame.fin && self.message.is_none() && taken == frame.remaining {
            frame.remaining = 0;
            return whole(frame.opcode == Opcode::Text, taken, buf).map(Some);
        }
        let message = self.message.get_or_insert_with(|| Assembly::new(frame.opcode == Opcode::Text));
        let end = frame.fin.then(|| message.len() + frame.remaining);
        message.push(&buf[..taken], end)?;
        buf.advance(taken);
        frame.remaining -= taken;
        if frame.fin && frame.remaining == 0 {
            return self.message.take().map(Assembly::finish).transpose();
        }
        Ok(None)
    }
}

/// A message whose only frame came at once.
fn whole(text: bool, len: usize, buf: &mut BytesMut) -> Result<Message, FramingError> {
    if len >= COPY_BELOW {
        let payload = buf.split_to(len).freeze();
        return Ok(if text {
            Message::Text(ByteString::try_from(payload).map_err(|_| FramingError::NotUtf8)?)
        } else {
            Message::Binary(payload)
        });
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
