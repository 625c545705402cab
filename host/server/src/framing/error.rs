//! What a client can do wrong in its frames, and what that is called on the wire and in the metrics.

use socklet_core::CloseReason;

/// A broken rule or limit. The connection cannot go on after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.kind())]
pub(crate) enum FramingError {
    /// The mask bit is 0.
    Unmasked,
    /// A reserved bit is 1 to which nothing that was negotiated gives a meaning here.
    ReservedBits,
    /// Opcode 3 to 7 or 11 to 15.
    ReservedOpcode,
    /// A control frame without the fin bit.
    FragmentedControl,
    /// A control frame of more than 125 bytes.
    LongControl,
    /// A length of 16 or 64 bits that would have fitted into fewer.
    LengthNotMinimal,
    /// A length of 2^63 or more.
    LengthOutOfRange,
    /// A continuation without a message to continue.
    UnexpectedContinuation,
    /// A new message before the last fragment of another.
    ExpectedContinuation,
    /// A close frame of one byte.
    CloseLength,
    /// A close code that may not be on the wire.
    CloseCode,
    /// A close reason that is not UTF-8.
    CloseNotUtf8,
    /// A text message that is not UTF-8.
    NotUtf8,
    /// A compressed message that is not DEFLATE.
    NotDeflate,
    /// A frame over its limit.
    FrameTooBig,
    /// A message over its limit, also when it is inflated.
    MessageTooBig,
    /// A compressed message that becomes too many times its size.
    InflatedTooFar,
    /// A message in too many fragments.
    TooManyFragments,
}

impl FramingError {
    /// The error's name in metrics and logs.
    pub(crate) fn kind(self) -> &'static str {
        match self {
            Self::Unmasked => "unmasked",
            Self::ReservedBits => "reserved-bits",
            Self::ReservedOpcode => "reserved-opcode",
            Self::FragmentedControl => "fragmented-control",
            Self::LongControl => "long-control",
            Self::LengthNotMinimal => "length-not-minimal",
            Self::LengthOutOfRange => "length-out-of-range",
            Self::UnexpectedContinuation => "unexpected-continuation",
            Self::ExpectedContinuation => "expected-continuation",
            Self::CloseLength => "close-length",
            Self::CloseCode => "close-code",
            Self::CloseNotUtf8 => "close-not-utf8",
            Self::NotUtf8 => "not-utf8",
            Self::NotDeflate => "not-deflate",
            Self::FrameTooBig => "frame-too-big",
            Self::MessageTooBig => "message-too-big",
            Self::InflatedTooFar => "inflated-too-far",
            Self::TooManyFragments => "too-many-fragments",
        }
    }
}

impl From<FramingError> for CloseReason {
    fn from(error: FramingError) -> Self {
        use FramingError as E;
        Self::Protocol(match error {
            E::CloseNotUtf8 | E::NotUtf8 => return Self::NotUtf8,
            E::NotDeflate => return Self::Inconsistent("not DEFLATE (RFC 7692, section 7.2)"),
            E::FrameTooBig | E::MessageTooBig | E::InflatedTooFar => return Self::TooBig,
            E::TooManyFragments => return Self::RateLimit,
            E::Unmasked => "a client must mask its frames (RFC 6455, section 5.1)",
            E::ReservedBits => "reserved bits must be 0 (RFC 6455, section 5.2)",
            E::ReservedOpcode => "reserved opcode (RFC 6455, section 5.2)",
            E::LengthNotMinimal => "a length must be in its shortest form (RFC 6455, section 5.2)",
            E::LengthOutOfRange => "a length must be below 2^63 (RFC 6455, section 5.2)",
            E::UnexpectedContinuation => "continuation without a message (RFC 6455, section 5.4)",
            E::ExpectedContinuation => "new message inside another (RFC 6455, section 5.4)",
            E::FragmentedControl => "a control frame must not be fragmented (RFC 6455, section 5.5)",
            E::LongControl => "a control frame has at most 125 bytes (RFC 6455, section 5.5)",
            E::CloseLength => "a close frame is empty or starts with a code of 2 bytes (RFC 6455, section 5.5.1)",
            E::CloseCode => "this close code may not be sent (RFC 6455, section 7.4)",
        })
    }
}
