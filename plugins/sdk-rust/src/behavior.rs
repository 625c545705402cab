//! The trait of a behavior.

use crate::{Acceptance, Close, Connection, Ending, Message, Principal, Request, Response};
use std::error::Error;

/// What a connection does.
///
/// One value serves an instance, made by `Default` before the first hook and dropped with the instance. The operator chooses
/// whether an instance serves one connection, those with the same key, or all of the route: keep what belongs to a connection
/// under its [`Connection`], or in its attachment, which also survives a trap.
pub trait Behavior: Default + 'static {
    /// Called once, before the first hook: the place to read settings.
    ///
    /// # Errors
    ///
    /// An error is logged; every upgrade is then refused with 500, every other hook closes with 1011.
    fn start(&mut self) -> Result<(), Box<dyn Error>> {
        Ok(())
    }

    /// The last word before the 101. Sends are refused here; the attachment can be set.
    ///
    /// # Errors
    ///
    /// The response that refuses the upgrade.
    fn on_upgrade(&mut self, request: Request, principal: Option<Principal>) -> Result<Acceptance, Response> {
        let _ = (request, principal);
        Ok(Acceptance::default())
    }

    /// The connection is registered and can be sent to.
    ///
    /// # Errors
    ///
    /// The close frame that ends the connection; `on_close` follows.
    fn on_open(&mut self, connection: Connection) -> Result<(), Close> {
        let _ = connection;
        Ok(())
    }

    /// One complete message from the client.
    ///
    /// # Errors
    ///
    /// The close frame that ends the connection; `on_close` follows.
    fn on_message(&mut self, connection: Connection, message: Message) -> Result<(), Close> {
        let _ = (connection, message);
        Ok(())
    }

    /// The connection has ended; called exactly once for every `on_open`, on a fresh instance when an earlier call trapped.
    fn on_close(&mut self, connection: Connection, ending: Ending) {
        let _ = (connection, ending);
    }
}
