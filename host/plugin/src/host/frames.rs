//! The import `frames`. Only its types are for plugins to import, as `connections` uses them; some tools import the function that
//! comes with them too. It is the host that calls `on-frame`, never the plugin.

use crate::bindings::frames::{Disposition, Frame, Host};

/// What `frames` can reach: nothing.
pub(crate) struct FramesView;

// === impl FramesView ===

impl Host for FramesView {
    fn on_frame(&mut self, _: u64, _: Frame) -> wasmtime::Result<Disposition> {
        Err(wasmtime::Error::msg("frames.on-frame is for the host to call"))
    }
}
