//! Writes Socklet plugins in Rust: a trait with defaults, an export macro, and safe words for everything that the host offers.
//!
//! A behavior says what a connection does. This one sends every message back:
//!
//! ```
//! use socklet_sdk::{Behavior, Close, Connection, Message};
//!
//! #[derive(Default)]
//! struct Echo;
//!
//! impl Behavior for Echo {
//!     fn on_message(&mut self, connection: Connection, message: Message) -> Result<(), Close> {
//!         Ok(connection.send(message)?)
//!     }
//! }
//!
//! socklet_sdk::export_behavior!(Echo);
//! ```
//!
//! An authenticator says who may connect:
//!
//! ```
//! use socklet_sdk::{Authenticator, Principal, Request, Response, Verdict};
//!
//! #[derive(Default)]
//! struct Tokens {
//!     token: String,
//! }
//!
//! impl Authenticator for Tokens {
//!     fn start(&mut self) -> Result<(), Box<dyn std::error::Error>> {
//!         self.token = socklet_sdk::setting("token")?.ok_or("setting `token` is missing")?;
//!         Ok(())
//!     }
//!
//!     fn authenticate(&mut self, request: &Request) -> Verdict {
//!         match request.query_value("token") {
//!             None => Verdict::Abstain,
//!             Some(token) if socklet_sdk::same(token.as_bytes(), self.token.as_bytes()) => {
//!                 Verdict::Grant(Principal::new("device"))
//!             }
//!             Some(_) => Verdict::Deny(Response::new(403)),
//!         }
//!     }
//! }
//!
//! socklet_sdk::export_authenticator!(Tokens);
//! ```
//!
//! Build with `cargo build --release --target wasm32-wasip2`, in a crate of `crate-type = ["cdylib"]`. A plugin imports what it uses
//! and nothing else. On other targets the crate compiles, so that a plugin's own logic can be tested there; calls to the host panic.
//!
//! What the operator has to grant is behind features of this crate: `http` for HTTP requests, `keyvalue` for key-value stores.

mod acceptance;
mod authenticator;
mod behavior;
#[doc(hidden)]
pub mod bindings;
mod close;
mod connection;
#[doc(hidden)]
pub mod export;
pub mod heartbeat;
#[cfg(feature = "http")]
pub mod http;
#[cfg(feature = "keyvalue")]
pub mod keyvalue;
pub mod log;
mod message;
mod optional;
mod peer;
mod principal;
mod query;
mod request;
mod response;
mod same;
mod settings;
pub mod timers;
pub mod topics;

pub use authenticator::Authenticator;
pub use behavior::Behavior;
pub use bindings::authenticator_plugin::exports::socklet::plugin::authenticator::Verdict;
pub use bindings::behavior_plugin::exports::socklet::plugin::behavior::{Acceptance, Cause, Ending};
pub use bindings::behavior_plugin::socklet::plugin::connections::SendError;
pub use bindings::behavior_plugin::socklet::plugin::frames::{Disposition, Frame, Opcode};
pub use bindings::behavior_plugin::socklet::plugin::types::{CloseFrame, Field, Message, Principal, Request, Response};
pub use close::Close;
pub use connection::{Connection, connections, count, send_all};
pub use optional::{Frames, State, TimerEvents};
pub use peer::{Peer, PerConnection};
pub use query::percent_decode;
pub use same::same;
pub use settings::{SettingsError, setting, settings, settings_from};
