//! One compressed form of a message for all that it is sent to.

use super::{Level, WindowBits, deflater::compress_alone};
use bytes::Bytes;
use std::sync::OnceLock;

/// The compressed forms of one message, each made when the first connection needs it. A fan-out puts one beside the message that
/// its receivers share, in the same `Arc`; it is worth its 300 bytes on routes with compression only.
///
/// There is one form for each size of window. All receivers are of one route, so their level is the same.
#[derive(Debug, Default)]
pub(crate) struct CompressOnce {
    by_window: [OnceLock<Option<Bytes>>; WindowBits::COUNT],
}

impl CompressOnce {
    /// The payload without any message before it, compressed; none when it does not become smaller. While it is being made for one
    /// connection, others that need the same wait for it. The payload must be the same every time.
    pub(super) fn compress(&self, payload: &[u8], bits: WindowBits, level: Level) -> Option<Bytes> {
        let form = &self.by_window[usize::from(bits.get() - WindowBits::MIN.get())];
        form.get_or_init(|| compress_alone(payload, bits, level)).clone()
    }
}
