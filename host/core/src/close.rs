//! Why connections end. The only place where a reason becomes a close code on the wire.

use crate::EventId;
use bytestring::ByteString;
use std::{fmt, time::Duration};

/// A close code, RFC 6455 section 7.4.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CloseCode(u16);

/// A close code and a reason of at most 123 bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloseFrame {
    code: CloseCode,
    reason: ByteString,
}

/// A close frame that a plugin or an operator may not send.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCloseFrame {
    /// The code is not for applications.
    #[error("close code {0} may not be sent: use 1000, 1001, 1003, 1007 to 1014 or 3000 to 4999")]
    Code(u16),
    /// The reason is too long.
    #[error("close reason has {0} bytes, at most 123 are allowed")]
    Reason(usize),
}

/// Why the host closes a connection. [`CloseReason::frame`] is the table of codes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// A plugin returned or asked for this frame.
    Plugin(CloseFrame),
    /// An operator asked for this frame.
    Operator(CloseFrame),
    /// It is drained: with the node, or with a part of it.
    Draining(CloseFrame),
    /// Its plugin has another version, and the connection cannot go on with that.
    Replaced,
    /// Its route is not what it was: another plugin serves it, or instances are shared in another way.
    RouteChanged,
    /// The listener that accepted the connection was stopped.
    ListenerStopped,
    /// There is no such route any more.
    RouteRemoved,
    /// The client broke RFC 6455; the text names rule and section.
    Protocol(&'static str),
    /// A text message or a close reason is not UTF-8.
    NotUtf8,
    /// The payload of a message is not what it has to be; the text names rule and section.
    Inconsistent(&'static str),
    /// A message or frame is over its limit.
    TooBig,
    /// Too many messages, bytes or control frames in a time.
    RateLimit,
    /// The tenant's connections together send more than their quota.
    OverQuota,
    /// The connection sent and received nothing for too long.
    IdleTimeout,
    /// The connection reached its maximum age.
    MaxLifetime,
    /// The principal expired.
    Expired,
    /// No pong in time.
    HeartbeatMissed,
    /// The outbox is full.
    SlowConsumer,
    /// A write did not complete in time.
    SendTimeout,
    /// The instance that serves the connection trapped or missed its deadline.
    PluginFailed(EventId),
    /// The host itself failed.
    Host(EventId),
}

/// Who or what ended a connection, as `on-close` and the metrics tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The client sent a close frame first.
    Client,
    /// A plugin asked for it.
    Plugin,
    /// An operator, a drain or a reload asked for it.
    Operator,
    /// The client went away without a close frame.
    Disconnected,
    /// No pong in time.
    Heartbeat,
    /// The client broke the protocol.
    Protocol,
    /// A limit or a quota was exceeded.
    Limit,
    /// The client did not read fast enough.
    SlowConsumer,
    /// The principal expired.
    Expired,
    /// The instance trapped or missed its deadline.
    PluginFailed,
    /// The host itself failed.
    Host,
}

/// How a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// The frame that was received, or sent where the host closed first; 1005 and 1006 stand for none (section 7.4.1).
    pub frame: CloseFrame,
    /// Who or what ended it.
    pub cause: Cause,
    /// Both sides completed the closing handshake.
    pub clean: bool,
    /// From the 101 to the end.
    pub duration: Duration,
    /// Complete messages that arrived from the client.
    pub messages_received: u64,
    /// Messages that were queued for the client.
    pub messages_sent: u64,
}

// === impl CloseCode ===

impl CloseCode {
    /// 1000: the purpose is fulfilled. Never sent by the host itself.
    pub const NORMAL: Self = Self(1000);
    /// 1001: going away.
    pub const AWAY: Self = Self(1001);
    /// 1002: protocol error.
    pub const PROTOCOL: Self = Self(1002);
    /// 1003: a kind of data that is not accepted.
    pub const UNSUPPORTED: Self = Self(1003);
    /// 1005: the close frame had no code. Never on the wire.
    pub const NO_STATUS: Self = Self(1005);
    /// 1006: no close frame at all. Never on the wire.
    pub const ABNORMAL: Self = Self(1006);
    /// 1007: not UTF-8.
    pub const INVALID: Self = Self(1007);
    /// 1008: policy.
    pub const POLICY: Self = Self(1008);
    /// 1009: too big.
    pub const TOO_BIG: Self = Self(1009);
    /// 1011: the server failed.
    pub const ERROR: Self = Self(1011);
    /// 1012: the service restarts.
    pub const RESTART: Self = Self(1012);
    /// 1013: try again later.
    pub const AGAIN: Self = Self(1013);

    /// The number on the wire.
    pub const fn get(self) -> u16 {
        self.0
    }

    /// A code that a client may send in a close frame: 1000 to 1003, 1007 to 1014, 3000 to 4999.
    pub const fn from_wire(code: u16) -> Option<Self> {
        match code {
            1000..=1003 | 1007..=1014 | 3000..=4999 => Some(Self(code)),
            _ => None,
        }
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

// === impl CloseFrame ===

impl CloseFrame {
    /// The longest reason in bytes (RFC 6455, section 5.5: a control frame's 125 less the code).
    pub const MAX_REASON: usize = 123;

    /// A frame that a plugin or an operator wants to send.
    ///
    /// # Errors
    ///
    /// When the code is not 1000, 1001, 1003, 1007 to 1014 or 3000 to 4999, or the reason is over 123 bytes.
    pub fn from_application(code: u16, reason: impl Into<ByteString>) -> Result<Self, InvalidCloseFrame> {
        let reason = reason.into();
        match code {
            1000 | 1001 | 1003 | 1007..=1014 | 3000..=4999 => {}
            _ => return Err(InvalidCloseFrame::Code(code)),
        }
        if reason.len() > Self::MAX_REASON {
            return Err(InvalidCloseFrame::Reason(reason.len()));
        }
        Ok(Self { code: CloseCode(code), reason })
    }

    /// What a drain closes with where nobody says otherwise: 1012.
    pub fn restarting() -> Self {
        Self::fixed(CloseCode::RESTART, "server restarting")
    }

    /// A frame that arrived, its reason already checked to be UTF-8.
    pub fn received(code: CloseCode, reason: ByteString) -> Self {
        Self { code, reason }
    }

    /// What stands for a close frame without a code.
    pub fn no_status() -> Self {
        Self { code: CloseCode::NO_STATUS, reason: ByteString::new() }
    }

    /// What stands for a connection that ended without a close frame.
    pub fn abnormal() -> Self {
        Self { code: CloseCode::ABNORMAL, reason: ByteString::new() }
    }

    /// The close code.
    pub fn code(&self) -> CloseCode {
        self.code
    }

    /// The reason; may be empty.
    pub fn reason(&self) -> &ByteString {
        &self.reason
    }

    fn fixed(code: CloseCode, reason: impl Into<ByteString>) -> Self {
        Self { code, reason: reason.into() }
    }
}

// === impl CloseReason ===

impl CloseReason {
    /// The only place where a reason becomes a code and a text on the wire.
    pub fn frame(&self) -> CloseFrame {
        match self {
            Self::Plugin(frame) | Self::Operator(frame) | Self::Draining(frame) => frame.clone(),
            Self::Replaced => CloseFrame::fixed(CloseCode::RESTART, "new version"),
            Self::RouteChanged => CloseFrame::fixed(CloseCode::RESTART, "route changed"),
            Self::ListenerStopped => CloseFrame::fixed(CloseCode::AWAY, "listener stopped"),
            Self::RouteRemoved => CloseFrame::fixed(CloseCode::AWAY, "route removed"),
            Self::IdleTimeout => CloseFrame::fixed(CloseCode::AWAY, "idle for too long"),
            Self::MaxLifetime => CloseFrame::fixed(CloseCode::AWAY, "maximum connection age reached"),
            Self::Protocol(rule) => CloseFrame::fixed(CloseCode::PROTOCOL, ByteString::from_static(rule)),
            Self::NotUtf8 => CloseFrame::fixed(CloseCode::INVALID, "text is not UTF-8"),
            Self::Inconsistent(rule) => CloseFrame::fixed(CloseCode::INVALID, ByteString::from_static(rule)),
            Self::RateLimit => CloseFrame::fixed(CloseCode::POLICY, "rate limit exceeded"),
            Self::Expired => CloseFrame::fixed(CloseCode::POLICY, "authorization expired"),
            Self::HeartbeatMissed => CloseFrame::fixed(CloseCode::POLICY, "no pong in time"),
            Self::TooBig => CloseFrame::fixed(CloseCode::TOO_BIG, "message too big"),
            Self::OverQuota => CloseFrame::fixed(CloseCode::AGAIN, "too busy, try again later"),
            Self::SlowConsumer => CloseFrame::fixed(CloseCode::AGAIN, "reading too slowly"),
            Self::SendTimeout => CloseFrame::fixed(CloseCode::AGAIN, "send timed out"),
            Self::PluginFailed(event) => CloseFrame::fixed(CloseCode::ERROR, format!("plugin failed, event {event}")),
            Self::Host(event) => CloseFrame::fixed(CloseCode::ERROR, format!("server failed, event {event}")),
        }
    }

    /// What `on-close` and the metrics are told.
    pub fn cause(&self) -> Cause {
        match self {
            Self::Plugin(_) => Cause::Plugin,
            Self::Operator(_)
            | Self::Draining(_)
            | Self::Replaced
            | Self::RouteChanged
            | Self::ListenerStopped
            | Self::RouteRemoved => Cause::Operator,
            Self::Protocol(_) | Self::NotUtf8 | Self::Inconsistent(_) => Cause::Protocol,
            Self::TooBig | Self::RateLimit | Self::OverQuota | Self::IdleTimeout | Self::MaxLifetime => Cause::Limit,
            Self::Expired => Cause::Expired,
            Self::HeartbeatMissed => Cause::Heartbeat,
            Self::SlowConsumer | Self::SendTimeout => Cause::SlowConsumer,
            Self::PluginFailed(_) => Cause::PluginFailed,
            Self::Host(_) => Cause::Host,
        }
    }
}

// === impl Cause ===

impl Cause {
    /// The cause's name in metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Plugin => "plugin",
            Self::Operator => "operator",
            Self::Disconnected => "disconnected",
            Self::Heartbeat => "heartbeat",
            Self::Protocol => "protocol",
            Self::Limit => "limit",
            Self::SlowConsumer => "slow-consumer",
            Self::Expired => "expired",
            Self::PluginFailed => "plugin-failed",
            Self::Host => "host",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn applications_send_only_their_codes() {
        for code in [1000, 1001, 1003, 1007, 1014, 3000, 4999] {
            assert_eq!(CloseFrame::from_application(code, "").unwrap().code().get(), code);
        }
        for code in [0, 999, 1002, 1004, 1005, 1006, 1015, 2999, 5000] {
            assert_eq!(CloseFrame::from_application(code, ""), Err(InvalidCloseFrame::Code(code)));
        }
        let long = "x".repeat(124);
        assert_eq!(CloseFrame::from_application(1000, long.as_str()), Err(InvalidCloseFrame::Reason(124)));
    }

    #[test]
    fn every_reason_fits_a_control_frame_and_never_uses_a_reserved_code() {
        let event = EventId::next();
        for reason in [
            CloseReason::Draining(CloseFrame::restarting()),
            CloseReason::Replaced,
            CloseReason::RouteChanged,
            CloseReason::ListenerStopped,
            CloseReason::RouteRemoved,
            CloseReason::Protocol("a rule of some section"),
            CloseReason::NotUtf8,
            CloseReason::Inconsistent("a rule of some section"),
            CloseReason::TooBig,
            CloseReason::RateLimit,
            CloseReason::IdleTimeout,
            CloseReason::MaxLifetime,
            CloseReason::Expired,
            CloseReason::HeartbeatMissed,
            CloseReason::SlowConsumer,
            CloseReason::SendTimeout,
            CloseReason::PluginFailed(event),
            CloseReason::Host(event),
        ] {
            let frame = reason.frame();
            assert!(frame.reason().len() <= CloseFrame::MAX_REASON, "{reason:?}");
            assert!(CloseCode::from_wire(frame.code().get()).is_some(), "{reason:?}");
            assert_ne!(frame.code(), CloseCode::NORMAL, "{reason:?}");
        }
    }
}
