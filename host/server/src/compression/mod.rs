//! permessage-deflate, RFC 7692, without a socket and without frames: what is agreed on, and messages made smaller and whole again.
//!
//! The handshake agrees on a [`Deflate`], which comes with the connection's admission. The decoder inflates by it (see
//! `framing::Decoder::with_compression`); whoever writes asks a [`Deflater`] for each whole message, and may always send a message
//! as it is instead. Control frames and messages that a plugin sends in fragments are never compressed.

mod deflater;
mod inflater;
mod once;
mod params;
#[cfg(test)]
mod tests;

pub(crate) use deflater::Deflater;
pub(crate) use inflater::{InflateError, Inflater};
pub(crate) use once::CompressOnce;
pub(crate) use params::Deflate;
pub use params::{Compression, Level, WindowBits};
