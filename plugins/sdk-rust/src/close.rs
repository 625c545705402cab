//! The close frame that ends a connection, and how errors become one.

use crate::CloseFrame;
use crate::log;
use std::any::Any;
use std::error::Error;

/// Ends the connection with this code and reason.
///
/// A plugin may send 1000, 1001, 1003, 1007 to 1014 and 3000 to 4999, with a reason of at most 123 bytes; anything else counts as a
/// failure of the plugin. `?` turns any error into code 1011 with a reason that carries no internals; the error itself is logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Close {
    /// The close code (RFC 6455, section 7.4).
    pub code: u16,
    /// The reason; may be empty.
    pub reason: String,
}

// === impl Close ===

impl Close {
    /// Everything is done.
    pub const NORMAL: u16 = 1000;
    /// The plugin does not accept this kind of data.
    pub const UNSUPPORTED: u16 = 1003;
    /// The client broke a rule of the application.
    pub const POLICY: u16 = 1008;
    /// The message is bigger than the plugin takes.
    pub const TOO_BIG: u16 = 1009;
    /// The plugin failed.
    pub const INTERNAL: u16 = 1011;
    /// The plugin has too much to do.
    pub const TRY_AGAIN_LATER: u16 = 1013;

    /// A close frame. The reason is cut to the 123 bytes that fit, between characters.
    pub fn new(code: u16, reason: impl Into<String>) -> Self {
        let mut reason = reason.into();
        reason.truncate(reason.floor_char_boundary(123));
        Self { code, reason }
    }
}

impl<E: Error + 'static> From<E> for Close {
    fn from(error: E) -> Self {
        // The generated type is an error too, and already says what to close with.
        if let Some(frame) = (&error as &dyn Any).downcast_ref::<CloseFrame>() {
            return Self { code: frame.code, reason: frame.reason.clone() };
        }
        log::error(&format!("closing the connection: {error}"));
        Self::new(Self::INTERNAL, "internal error")
    }
}

impl From<Close> for CloseFrame {
    fn from(close: Close) -> Self {
        Self { code: close.code, reason: close.reason }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_reasons_between_characters() {
        assert_eq!(Close::new(4000, "é".repeat(100)).reason, "é".repeat(61));
        assert_eq!(Close::new(4000, "short").reason, "short");
    }

    #[test]
    fn keeps_the_code_of_a_close_frame() {
        let close = Close::from(CloseFrame { code: 4001, reason: "go".into() });
        assert_eq!(close, Close { code: 4001, reason: "go".into() });
    }
}
