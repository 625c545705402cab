//! What a route offers of compression, and what a connection has agreed on.

/// How a route compresses where the client offers it, RFC 7692. The defaults keep no memory between messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compression {
    /// How hard to try. Default 1: more takes three times as long and saves little.
    pub level: Level,
    /// Smaller messages are sent as they are, in bytes. Default 256.
    pub threshold: usize,
    /// Whether each message of the server is compressed on its own (section 7.1.1.1). Otherwise a connection that was sent a
    /// compressed message holds up to 375 KiB, and no two connections share a compressed message. Default true.
    pub server_no_context_takeover: bool,
    /// Whether each message of a client is compressed on its own (section 7.1.1.2). Otherwise a connection that sent a compressed
    /// message holds 48 KiB. Default true.
    pub client_no_context_takeover: bool,
    /// The largest window of the server (section 7.1.2.1). Default 15.
    pub server_max_window_bits: WindowBits,
    /// The largest window of clients that can be told (section 7.1.2.2). Default 15.
    pub client_max_window_bits: WindowBits,
}

/// How hard a compressor tries: 1 for speed to 9 for size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level(u8);

/// The size of a window, as the exponent of a power of two: 9 (512 bytes) to 15 (32 KiB). RFC 7692 has 8, too, which no zlib can
/// compress with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WindowBits(u8);

/// What a connection has agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Deflate {
    /// Each message of ours is compressed on its own.
    pub(crate) server_no_context_takeover: bool,
    /// Each message of the client is compressed on its own.
    pub(crate) client_no_context_takeover: bool,
    /// Our window.
    pub(crate) server_max_window_bits: WindowBits,
    /// How hard we try.
    pub(crate) level: Level,
    /// Smaller messages are sent as they are, in bytes.
    pub(crate) threshold: usize,
}

// === impl Compression ===

impl Default for Compression {
    fn default() -> Self {
        Self {
            level: Level(1),
            threshold: 256,
            server_no_context_takeover: true,
            client_no_context_takeover: true,
            server_max_window_bits: WindowBits::MAX,
            client_max_window_bits: WindowBits::MAX,
        }
    }
}

// === impl Level ===

impl Level {
    /// The number; none unless it is 1 to 9.
    pub const fn new(level: u8) -> Option<Self> {
        match level {
            1..=9 => Some(Self(level)),
            _ => None,
        }
    }

    /// The number.
    pub const fn get(self) -> u8 {
        self.0
    }
}

// === impl WindowBits ===

impl WindowBits {
    /// 512 bytes.
    pub const MIN: Self = Self(9);
    /// 32 KiB.
    pub const MAX: Self = Self(15);
    /// How many sizes there are. Of the fields: a length of an array that calls a function is a cycle for rustc 1.95 where it optimizes.
    pub(super) const COUNT: usize = (Self::MAX.0 - Self::MIN.0 + 1) as usize;

    /// The exponent; none unless it is 9 to 15.
    pub const fn new(bits: u8) -> Option<Self> {
        match bits {
            9..=15 => Some(Self(bits)),
            _ => None,
        }
    }

    /// The exponent.
    pub const fn get(self) -> u8 {
        self.0
    }
}
