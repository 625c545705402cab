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
///
/// ```
/// use socklet_sdk::{Behavior, Close, Connection, Message, State, TimerEvents, timers};
/// use std::time::Duration;
///
/// #[derive(Default)]
/// struct Counter {
///     messages: u64,
/// }
///
/// impl Behavior for Counter {
///     fn on_message(&mut self, connection: Connection, _message: Message) -> Result<(), Close> {
///         self.messages += 1;
///         timers::set("report", Duration::from_secs(60))?;
///         Ok(connection.send(self.messages.to_string())?)
///     }
/// }
///
/// impl State for Counter {
///     fn save(&mut self) -> Result<Vec<u8>, String> {
///         Ok(self.messages.to_le_bytes().to_vec())
///     }
///
///     fn load(&mut self, state: Vec<u8>) -> Result<(), String> {
///         let state = <[u8; 8]>::try_from(state).map_err(|_| "not eight bytes")?;
///         self.messages = u64::from_le_bytes(state);
///         Ok(())
///     }
/// }
///
/// impl TimerEvents for Counter {
///     fn on_timer(&mut self, _name: String) {
///         socklet_sdk::send_all(format!("{} messages", self.messages), None);
///     }
/// }
///
/// socklet_sdk::export_behavior!(Counter, state, timer_events);
/// ```
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
