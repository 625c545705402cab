//! The traits of the optional exports, for [`export_behavior!`](crate::export_behavior) with `frames`, `state` or `timer_events`.

use crate::{Connection, Disposition, Frame};

/// Sees every frame, after the protocol checks and before the default handling.
///
/// ```
/// use socklet_sdk::{Behavior, Connection, Disposition, Frame, Frames, Opcode};
///
/// /// Ends connections that answer a ping.
/// #[derive(Default)]
/// struct Impatient;
///
/// impl Behavior for Impatient {}
///
/// impl Frames for Impatient {
///     fn on_frame(&mut self, _connection: Connection, frame: Frame) -> Disposition {
///         if frame.opcode == Opcode::Pong { Disposition::Stop } else { Disposition::Process }
///     }
/// }
///
/// socklet_sdk::export_behavior!(Impatient, frames);
/// ```
pub trait Frames {
    /// One frame from the client. `Process`, the default, has it handled as usual: a ping is answered, the last fragment completes
    /// its message, a close frame ends the connection. `Skip` does none of this. `Stop` closes the connection with 1000.
    fn on_frame(&mut self, connection: Connection, frame: Frame) -> Disposition {
        let _ = (connection, frame);
        Disposition::Process
    }
}

/// Lets the host take the instance out of memory, and bring it back, while its connections stay open.
pub trait State {
    /// Everything that must survive. Called between events, never during one.
    ///
    /// # Errors
    ///
    /// The reason for the host's log; the instance stays awake.
    fn save(&mut self) -> Result<Vec<u8>, String>;

    /// Called on a fresh instance, before any event, with what `save` returned, maybe in an older version of this plugin.
    ///
    /// # Errors
    ///
    /// The reason for the host's log; the connections close with 1011.
    fn load(&mut self, state: Vec<u8>) -> Result<(), String>;
}

/// Timers come due here; see [`timers`](crate::timers).
pub trait TimerEvents {
    /// The timer of this name is due. It fires once; set it again to go on.
    fn on_timer(&mut self, name: String);
}
