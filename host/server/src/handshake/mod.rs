//! The opening handshake, RFC 6455 section 4.2, without a socket: what a request asks for, and how it is answered.

mod answer;
mod authority;
mod classify;
mod deflate;
mod extensions;
mod fields;
mod origin;
mod subprotocol;

pub(crate) use answer::{ANSWER, DENIAL, InvalidAnswer, answer, refuse, switch_protocols};
pub(crate) use authority::{authority, host};
pub(crate) use classify::{Handshake, Kind, classify};
pub(crate) use deflate::agree;
pub use origin::{InvalidOrigin, OriginPattern, Origins};
pub(crate) use subprotocol::choose;
