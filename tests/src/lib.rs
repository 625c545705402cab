//! What the tests from the outside share: servers, clients that nobody here wrote, and witnesses of what a server did.
//!
//! ```no_run
//! # async fn example() {
//! use socklet_tests::Server;
//! let server = Server::start("[[route]]\npath = '/'\nbehavior = 'echo'\n[plugin.echo]\nsource = 'stock:echo'\n").await;
//! let mut client = server.open("/").await;
//! assert_eq!(client.ask("hello").await, "hello");
//! assert_eq!(server.drain().await.forced, 0);
//! # }
//! ```
//!
//! Everything here panics with a message where something is not as it has to be, and nothing waits longer than [`PATIENCE`].

mod client;
mod collector;
mod connect;
mod descriptors;
mod files;
mod http1;
mod metrics;
mod observer;
mod pki;
mod process;
mod server;
mod setup;
mod stream;
mod wait;
mod wire;

pub use client::Client;
pub use collector::Collector;
pub use connect::Connect;
pub use descriptors::provide_descriptors;
pub use files::{binary, guest, guests, marked, repository, stock, target};
pub use http1::Answer;
pub use metrics::Metrics;
pub use observer::{Obituary, Observer};
pub use pki::{Authority, Issued, Request, Trust, replace};
pub use process::{Process, command, finished, finished_in};
pub use server::Server;
pub use stream::{Stream, connect};
pub use wait::{PATIENCE, eventually, within};
pub use wire::{Frame, Wire};
