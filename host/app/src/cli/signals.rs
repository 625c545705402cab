//! The signals of the process.

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{info, warn};

/// Signals that were sent since this was made are not lost.
#[derive(Debug)]
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    pub(super) fn listen() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("failed to listen for signals");
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hangup: listen(SignalKind::hangup())?,
        })
    }

    /// Waits for a signal to stop. Cancel-safe.
    pub(super) async fn stop(&mut self) {
        loop {
            let name = tokio::select! {
                _ = self.terminate.recv() => "SIGTERM",
                _ = self.interrupt.recv() => "SIGINT",
                _ = self.hangup.recv() => {
                    warn!("this version does not reload its configuration: restart it to change something");
                    continue;
                }
            };
            info!(signal = name, "asked to stop");
            return;
        }
    }
}
