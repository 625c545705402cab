//! The import `logging`: lines into the host's log.

use super::log::{GuestLog, Level};
use crate::bindings::logging::{Host, Level as GuestLevel};

impl Host for &GuestLog {
    fn log(&mut self, level: GuestLevel, message: String) -> wasmtime::Result<()> {
        let level = match level {
            GuestLevel::Debug => Level::Debug,
            GuestLevel::Info => Level::Info,
            GuestLevel::Warn => Level::Warn,
            GuestLevel::Error => Level::Error,
        };
        self.line(level, "log", &message);
        Ok(())
    }
}
