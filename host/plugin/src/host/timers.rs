//! The import `timers`, which this version of the host does not serve: it says so to whoever sets one. It is there because tools
//! for some languages import everything that the contract offers, used or not; a plugin that waits for timers exports
//! `timer-events`, and is refused when it is loaded.

use crate::{bindings::timers::Host, meter::Meter, state::State};

/// What `timers` can reach.
pub(crate) struct TimersView<'a> {
    meter: &'a mut Meter,
}

// === impl TimersView ===

impl TimersView<'_> {
    pub(super) fn of(state: &mut State) -> TimersView<'_> {
        TimersView { meter: &mut state.meter }
    }
}

impl Host for TimersView<'_> {
    fn set(&mut self, _: String, _: u64) -> wasmtime::Result<Result<(), String>> {
        self.meter.host_call()?;
        Ok(Err("this version of the host does not keep timers".into()))
    }

    fn cancel(&mut self, _: String) -> wasmtime::Result<()> {
        self.meter.host_call()
    }
}
