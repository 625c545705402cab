//! The server, assembled: configuration, plugins, sockets, operators' endpoints, reload, drain.
//!
//! [`Config`] builds an [`App`] (every plugin loaded, every socket bound), which runs until it is told to drain:
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let app = socklet::Config::load("socklet.toml")?.build().await?;
//! println!("{:?}", app.listeners());
//! app.run(async { tokio::signal::ctrl_c().await.unwrap_or_default() }).await;
//! # Ok(())
//! # }
//! ```

mod access;
mod admin;
mod app;
mod assembly;
mod certificates;
mod cli;
mod config;
mod control;
mod descriptors;
mod doctor;
mod durable;
mod endpoint;
mod events;
mod live;
mod logs;
mod ops;
mod rfc3339;
mod token;
mod trace;
mod uploads;
mod usage;

pub use app::{App, Running};
pub use assembly::BuildError;
pub use cli::main;
pub use config::{Config, ConfigError, Mistake, Mistakes, Place};
pub use control::ReloadError;
