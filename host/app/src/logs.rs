//! The log: lines on the standard error output, as text or JSON, written by a thread of their own.

mod sampling;

pub(crate) use sampling::left_out;

use crate::config::{Filter, Format, Log};
use sampling::{Sampling, TOLD};
use std::{
    io::{IsTerminal, Write},
    sync::OnceLock,
};
use tokio_util::task::AbortOnDropHandle;
use tracing::warn;
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::{EnvFilter, layer::SubscriberExt, reload, util::SubscriberInitExt};

/// Lines that may wait to be written. More are dropped and counted: whoever reads the log too slowly must not stop the server.
const LINES: usize = 16_384;

/// Changes the level of the log of this process.
static LEVEL: OnceLock<Box<SetLevel>> = OnceLock::new();

type SetLevel = dyn Fn(EnvFilter) -> Result<(), reload::Error> + Send + Sync;

/// The log of this process. Dropping it writes what waits.
#[must_use = "lines are lost when it is dropped early"]
#[derive(Debug)]
pub(crate) struct Logs {
    dropped: ErrorCounter,
    sampling: Sampling,
    _told: AbortOnDropHandle<()>,
    guard: Option<WorkerGuard>,
}

impl Logs {
    /// Starts the log of this process, on a runtime. Writes nothing when there is one already.
    pub(crate) fn start(log: &Log) -> Self {
        let builder = NonBlockingBuilder::default().lossy(true).buffered_lines_limit(LINES).thread_name("socklet-log");
        let (writer, guard) = builder.finish(std::io::stderr());
        let dropped = writer.error_counter();
        let builder = tracing_subscriber::fmt().with_env_filter(EnvFilter::new(&log.level.0)).with_writer(writer);
        let sampling = Sampling::new(log);
        // Only the first of a process can be installed; tests may have come first.
        let _ = match log.format {
            Format::Text => {
                let builder = builder.with_ansi(std::io::stderr().is_terminal()).with_filter_reloading();
                let level = builder.reload_handle();
                let installed = builder.finish().with(sampling.clone()).try_init();
                installed.map(|()| keep(move |filter| level.reload(filter)))
            }
            Format::Json => {
                let builder = builder.json().flatten_event(true).with_current_span(true).with_filter_reloading();
                let level = builder.reload_handle();
                let installed = builder.finish().with(sampling.clone()).try_init();
                installed.map(|()| keep(move |filter| level.reload(filter)))
            }
        };
        let told = sampling.clone();
        let told = tokio::spawn(async move {
            loop {
                tokio::time::sleep(TOLD).await;
                told.tell();
            }
        });
        Self { dropped, sampling, _told: AbortOnDropHandle::new(told), guard: Some(guard) }
    }
}

/// Changes what is logged from now on. Nothing where this process has no log.
pub(crate) fn set_level(level: &Filter) {
    if let Some(set) = LEVEL.get()
        && let Err(error) = set(EnvFilter::new(&level.0))
    {
        warn!(%error, "failed to change the level of the log");
    }
}

fn keep(set: impl Fn(EnvFilter) -> Result<(), reload::Error> + Send + Sync + 'static) {
    // There is one log of a process.
    let _ = LEVEL.set(Box::new(set));
}

impl Drop for Logs {
    fn drop(&mut self) {
        self.sampling.tell();
        drop(self.guard.take());
        let lines = self.dropped.dropped_lines();
        if lines > 0 {
            // Nobody is left to tell if this fails.
            let _ = writeln!(std::io::stderr(), "{lines} log lines were dropped: they were read too slowly");
        }
    }
}
