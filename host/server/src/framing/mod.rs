//! RFC 6455 section 5, server side: bytes to messages and messages to bytes, without a socket.
//!
//! The parser is strict and fails on the first byte that breaks a rule: it checks a header before it keeps any payload,
//! and text while it arrives. It does not use tungstenite's header parser, which looks at reserved opcodes only once
//! the whole header is there, takes any length encoding, and leaves the order of checks to where the bytes happened to
//! be cut.

mod assembly;
mod decoder;
mod encode;
mod error;
mod frames;
mod header;
mod inflation;
mod outbound;
#[cfg(test)]
mod tests;
mod unmask;
mod utf8;

pub(crate) use decoder::{Decoder, FrameLimits, Inbound};
pub(crate) use encode::{EncodedFrame, FrameHeader};
pub(crate) use error::FramingError;
pub(crate) use outbound::OutboundFragments;
