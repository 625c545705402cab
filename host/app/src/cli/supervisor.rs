//! Tells the service manager how the server is, where that asks for it: `sd_notify(3)`.

use sd_notify::NotifyState;
use socklet_server::Server;
use std::{
    env,
    sync::{
        LazyLock,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
    time::Duration,
};
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;
use tracing::warn;

/// How long a service may take to stop before a manager that nobody has told otherwise kills it.
const PATIENCE: Duration = Duration::from_secs(90);

/// What a drain may take on top of its timeout: the usage export, the last log lines.
const REST: Duration = Duration::from_secs(10);

/// What waits to be told at most. A manager that does not listen is not waited for.
const WAITING: usize = 16;

/// Where it is told, by a thread of its own: a manager that is slow must not hold up the server. None where nobody has asked.
static TELLER: LazyLock<Option<SyncSender<String>>> = LazyLock::new(|| {
    env::var_os("NOTIFY_SOCKET")?;
    let (sender, receiver) = sync_channel(WAITING);
    let teller = thread::Builder::new().name("socklet-notify".to_owned());
    match teller.spawn(move || pass_on(&receiver)) {
        Ok(_) => Some(sender),
        Err(error) => {
            warn!(%error, "the service manager is not told anything: no thread for it");
            None
        }
    }
});

/// Plugins are being compiled, sockets are being bound.
pub(super) fn starting() {
    tell(&[NotifyState::Status("loading plugins")]);
}

/// It serves.
pub(super) fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// It reads its configuration again; to be followed by [`ready`].
pub(super) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now, NotifyState::Status("reloading")]),
        Err(error) => warn!(%error, "the service manager is not told of the reload: there is no clock"),
    }
}

/// It drains, for so long at most.
pub(super) fn stopping(connections: usize, timeout: Duration) {
    let status = format!("draining {connections} connections");
    tell(&[NotifyState::Stopping, NotifyState::Status(&status)]);
    if timeout + REST > PATIENCE {
        let micros = u32::try_from((timeout + REST).as_micros()).unwrap_or(u32::MAX);
        tell(&[NotifyState::ExtendTimeoutUsec(micros)]);
    }
}

/// Tells that it lives, for as long as the threads that serve connections answer, three times in the time that was asked for. None where
/// that was not asked for.
pub(super) fn keep_alive(server: Server) -> Option<AbortOnDropHandle<()>> {
    let pause = sd_notify::watchdog_enabled()? / 3;
    Some(AbortOnDropHandle::new(tokio::spawn(async move {
        loop {
            match timeout(pause, server.answers()).await {
                Ok(()) => tell(&[NotifyState::Watchdog]),
                Err(_) => warn!("threads that serve connections do not answer"),
            }
            tokio::time::sleep(pause).await;
        }
    })))
}

fn tell(state: &[NotifyState<'_>]) {
    let Some(teller) = &*TELLER else { return };
    let lines: Vec<_> = state.iter().map(ToString::to_string).collect();
    if teller.try_send(lines.join("\n")).is_err() {
        warn!("the service manager does not listen (NOTIFY_SOCKET)");
    }
}

fn pass_on(told: &Receiver<String>) {
    for lines in told {
        if let Err(error) = sd_notify::notify(&[NotifyState::Custom(&lines)]) {
            warn!(%error, "failed to tell the service manager (NOTIFY_SOCKET)");
        }
    }
}
