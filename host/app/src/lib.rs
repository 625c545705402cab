//! The server, assembled: configuration, plugins, sockets, drain.
mod config;
pub use config::{Config, ConfigError, Mistake, Mistakes, Place};
