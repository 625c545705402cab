//! A server whose guests are closures, and clients that are bytes: everything that the tests need, and no more.

mod authenticator;
mod behavior;
mod client;
mod host;
mod log;

pub(crate) use authenticator::{Judge, principal};
pub(crate) use behavior::{Answered, Fake, Guest, dies, done, echo, fails, later, never, refuses, when_message};
pub(crate) use client::{Client, Head, encode};
pub(crate) use host::{Host, Setup};
pub(crate) use log::Log;

use socklet_core::{CloseFrame, Message};
use std::time::Duration;

pub(crate) const MS: Duration = Duration::from_millis(1);
pub(crate) const SECOND: Duration = Duration::from_secs(1);

pub(crate) fn text(text: &str) -> Message {
    Message::Text(text.into())
}

pub(crate) fn binary(bytes: &[u8]) -> Message {
    Message::Binary(bytes.to_vec().into())
}

/// A close frame that an application may send.
pub(crate) fn frame(code: u16, reason: &str) -> CloseFrame {
    CloseFrame::from_application(code, reason).unwrap()
}
