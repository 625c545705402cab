//! `socklet serve`: from a configuration to a server, until a signal.

use super::{
    announce, compile,
    exit::Failure,
    out,
    signals::{Asked, Signals},
};
use crate::{Config, descriptors, logs::Logs};
use anyhow::anyhow;
use std::path::PathBuf;

/// Serves a configuration file.
pub(super) async fn serve(path: PathBuf) -> Result<(), Failure> {
    until_signal(Config::load(path)?).await
}

/// Serves a configuration: builds, says where it is, reloads when it is asked to, and drains after the first signal to stop. The second one
/// stops at once.
pub(super) async fn until_signal(config: Config) -> Result<(), Failure> {
    let config = compile::by_child(config)?;
    let _logs = Logs::start(&config.log);
    descriptors::provide_for(config.server.max_connections);
    let mut signals = Signals::listen()?;
    let app = tokio::select! {
        app = config.build() => app?,
        () = signals.stop() => return Ok(()),
    };
    let addresses = announce::addresses(&app);
    let running = app.start();
    out::print(&addresses);
    loop {
        let asked = tokio::select! {
            asked = signals.next() => asked,
            () = running.asked_to_stop() => Asked::Stop,
        };
        if asked == Asked::Stop {
            break;
        }
        tokio::select! {
            // It is logged what became of it.
            _ = running.reload() => {}
            () = signals.stop() => break,
        }
    }
    tokio::select! {
        _ = running.drain() => Ok(()),
        () = signals.stop() => Err(anyhow!("stopped by a second signal before the drain was done").into()),
    }
}
