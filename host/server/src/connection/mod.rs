//! One task owns one connection, from the 101 to `on-close`.

mod clock;
mod drive;
mod guard;
mod io;
mod rates;

use crate::{admission::Admission, server::Inner};
use bytes::Bytes;
use drive::Drive;
use futures_util::FutureExt;
use socklet_core::{Call, CallError, CloseReason, Event, EventId};
use std::{panic::AssertUnwindSafe, sync::Arc};
use tokio::io::{AsyncRead, AsyncWrite};
use tracing::{Instrument, error, info, info_span};

/// Runs a connection. `buffered` is what the client sent behind its upgrade request.
pub(crate) async fn run<S>(server: &Arc<Inner>, stream: S, buffered: Bytes, admission: Admission)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (tenant, route) = (&admission.route.config.tenant, &admission.route.config.name);
    let span = info_span!("connection", id = %admission.id(), %tenant, %route);
    live(server, stream, buffered, admission).instrument(span).await;
}

/// The connection's life: driven until it ends, then told so exactly once if it was ever opened.
async fn live<S>(server: &Arc<Inner>, stream: S, buffered: Bytes, admission: Admission)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let Admission { route, registration, session, counted, slot, compression } = admission;
    let metrics = &server.metrics;
    metrics.opened.inc();
    let peer = registration.peer().clone();
    let mut drive = Drive::new(server, &route, peer, session, stream, buffered, compression.as_ref());
    // A panic of ours must not swallow the `on-close`.
    if AssertUnwindSafe(drive.run()).catch_unwind().await.is_err() {
        let event = EventId::next();
        error!(%event, "panicked while serving a connection");
        drive.ended_by(CloseReason::Host(event));
    }
    let (ending, opened, mut session, in_flight) = drive.into_end();
    registration.end();
    drop(slot);
    metrics.closed(ending.frame.code(), ending.cause);
    info!(
        code = %ending.frame.code(),
        cause = ending.cause.as_str(),
        clean = ending.clean,
        duration = ?ending.duration,
        received = ending.messages_received,
        sent = ending.messages_sent,
        "closed"
    );
    if opened {
        if let Some(call) = in_flight {
            // Calls never overlap. The call has its own deadlines; at the end of a drain nobody waits for it.
            tokio::select! {
                biased;
                outcome = guard::outcome(call) => log_failure(&outcome.map(|_| ())),
                () = server.force.cancelled() => {}
            }
        }
        let outcome = match guard::call(&mut *session, Event::Close(ending)) {
            Call::Done(outcome) => outcome,
            Call::Pending(call) => guard::outcome(call).await,
        };
        log_failure(&outcome.map(|_| ()));
    }
    drop(session);
    drop(registration);
    drop(counted);
}

fn log_failure(outcome: &Result<(), CallError>) {
    if let Err(error) = outcome {
        info!(%error, "plugin failed on a connection that has ended");
    }
}
