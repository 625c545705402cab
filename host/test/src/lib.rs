//! Tests of plugins without sockets. A component runs in this process, with the host's own machinery for instances, limits and versions;
//! around it are peers in memory, a clock that moves only when it is told to, and randomness that is the same in each run.
//!
//! ```no_run
//! use socklet_test::{Request, Setup};
//!
//! # fn main() -> Result<(), socklet_test::StartError> {
//! let route = Setup::new("echo.wasm").start()?;
//! let ada = route.connect(Request::to("/"));
//! ada.send("hi");
//! ada.expect("hi");
//! ada.close(1000, "bye");
//! # Ok(())
//! # }
//! ```
//!
//! What is not as expected is a panic that shows the conversation up to there. Not to be used inside another asynchronous runtime: a
//! [`Route`] has its own.

mod conversation;
mod expect;
mod idle;
mod limits;
mod report;
mod request;
mod route;
mod script;
mod setup;
mod stage;
mod watch;
mod world;

pub use conversation::{Entry, Event, Payload};
pub use expect::{Expected, Mismatch};
pub use limits::{Limits, SlowConsumer};
pub use report::{Report, Summary};
pub use request::{Refused, Request};
pub use route::{Peer, Route};
pub use script::{Case, Common, Failure, Mistake, Mistakes, Outcome, Script, ScriptError};
pub use setup::{Component, Setup};
pub use socklet_core::{Heartbeat, Principal};
pub use socklet_plugin::{
    CallLimits, ChildCompiler, CompileLimits, Compiler, Grants, InstancePolicy, KeyTemplate, OnSwap,
};
pub use stage::StartError;
pub use watch::Pattern;
