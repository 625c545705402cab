//! `socklet serve`: from a configuration to a server, until a signal.

use super::{
    announce, compile,
    exit::Failure,
    out,
    signals::{Asked, Signals},
    supervisor,
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
    supervisor::starting();
    let app = tokio::select! {
        app = config.build() => app?,
        () = signals.stop() => return Ok(()),
    };
    let addresses = announce::addresses(&app);
    let running = app.start();
    out::print(&addresses);
    let _alive = supervisor::keep_alive(running.server());
    supervisor::ready("serving");
    loop {
        let asked = tokio::select! {
            asked = signals.next() => asked,
            () = running.asked_to_stop() => Asked::Stop,
        };
        if asked == Asked::Stop {
            break;
        }
        supervisor::reloading();
        tokio::select! {
            // It is logged what became of it.
            reloaded = running.reload() => supervisor::ready(match reloaded {
                Ok(()) => "serving",
                Err(_) => "serving; the last reload failed, and what was before goes on",
            }),
            () = signals.stop() => break,
        }
    }
    supervisor::stopping(running.connections(), running.drain_timeout());
    tokio::select! {
        _ = running.drain() => Ok(()),
        () = signals.stop() => Err(anyhow!("stopped by a second signal before the drain was done").into()),
    }
}
