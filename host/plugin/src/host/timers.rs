//! The import `timers`: those of the calling instance's place.

use crate::{bindings::timers::Host, meter::Meter, state::State, timers::Timers};
use std::sync::Arc;

/// What `timers` can reach.
pub(crate) struct TimersView<'a> {
    /// None where the plugin does not export `timer-events`.
    timers: Option<&'a Arc<Timers>>,
    meter: &'a mut Meter,
}

// === impl TimersView ===

impl TimersView<'_> {
    pub(super) fn of(state: &mut State) -> TimersView<'_> {
        TimersView { timers: state.timers.as_ref(), meter: &mut state.meter }
    }
}

impl Host for TimersView<'_> {
    fn set(&mut self, name: String, after_ms: u64) -> wasmtime::Result<Result<(), String>> {
        self.meter.act()?;
        Ok(match self.timers {
            Some(timers) => timers.set(&name, after_ms),
            None => {
                Err("a plugin that sets timers exports timer-events, where they come due; this one does not".into())
            }
        })
    }

    fn cancel(&mut self, name: String) -> wasmtime::Result<()> {
        self.meter.act()?;
        if let Some(timers) = self.timers {
            timers.cancel(&name);
        }
        Ok(())
    }
}
