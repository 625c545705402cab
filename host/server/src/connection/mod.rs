//! One task owns one connection, from the 101 to `on-close`.

mod arrivals;
mod clock;
mod died;
mod drive;
mod guard;
mod input;
mod rates;
mod settings;
mod socket;
mod turn;

use crate::{admission::Admission, registry::Output, server::Inner};
use bytes::Bytes;
use died::Died;
use drive::{Drive, Left};
use futures_util::FutureExt;
#[cfg(test)]
pub(crate) use socket::Stream;
pub(crate) use socket::{Reader, Socket, Writer};
use socklet_core::{Call, CallError, CloseReason, Event, EventId, News};
use std::{future::poll_fn, panic::AssertUnwindSafe, pin::pin, sync::Arc, time::Duration};
use tokio::{
    io::AsyncReadExt,
    time::{sleep_until, timeout},
};
use tracing::{error, info};

/// How long a broken client may take to hear the close frame, once nothing more is sent.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// How long the client of a stream may take to end its half. One that is dropped before is reset, and some clients hear that before the
/// close frame.
const LAST_WORDS_OF_STREAM: Duration = Duration::from_secs(5);

/// Runs a connection. `buffered` is what the client sent behind its upgrade request.
///
/// The future lives as long as the connection and is one of many: it holds little, and what only the end needs is allocated
/// there.
pub(crate) async fn run(server: Arc<Inner>, socket: (Reader, Writer), buffered: Bytes, admission: Box<Admission>) {
    let Admission { route, registration, session, counted, slot, compression, trace } = *admission;
    server.metrics.opened.inc();
    let (reader, writer) = socket;
    let peer = registration.peer().clone();
    server.metrics.tell(News::Opened {
        connection: peer.id(),
        tenant: route.tenant().name(),
        route: &route.config.name,
        listener: peer.about().gate.name(),
        peer: peer.about().client,
    });
    peer.connect(writer, compression);
    let lifeline = session.lifeline().clone();
    let mut drive = Drive::new(&server, route, peer, session, (reader, buffered), compression);
    {
        let mut sleep = pin!(sleep_until(drive.next_look()));
        let died = pin!(lifeline.died());
        let mut died = Died::new(died);
        let driven = poll_fn(|cx| drive.poll(cx, sleep.as_mut(), &mut died));
        // A panic of ours must not swallow the `on-close`.
        if AssertUnwindSafe(driven).catch_unwind().await.is_err() {
            let event = EventId::next();
            error!(%event, "panicked while serving a connection");
            drive.ended_by(CloseReason::Host(event));
        }
    }
    Box::pin(async move {
        let (tenant, name) = drive.route();
        let mut left = drive.into_end();
        if let Some((reader, output, broken)) = left.socket.take() {
            hang_up(reader, output, broken).await;
        }
        registration.end();
        drop(slot);
        let ending = &left.ending;
        server.metrics.closed(ending.frame.code(), ending.cause);
        let connection = registration.peer().id();
        server.metrics.tell(News::Closed { connection, tenant: &tenant, route: &name, ending });
        info!(
            name: "closed",
            id = %registration.peer().id(),
            %tenant,
            route = %name,
            code = %ending.frame.code(),
            cause = ending.cause.as_str(),
            clean = ending.clean,
            duration = ?ending.duration,
            received = ending.messages_received,
            sent = ending.messages_sent,
            trace_id = trace.map(|trace| trace.id().to_string()),
            "closed"
        );
        tell(&server, left).await;
        drop(registration);
        drop(counted);
    })
    .await;
}

/// Ends a socket that is still there: nothing more is sent, and what a broken client still sends is read away, since a reset
/// would take the close frame from it (RFC 6455, section 7.1.1).
async fn hang_up(mut reader: Reader, mut output: Box<Output>, broken: bool) {
    let is_stream = reader.is_stream();
    let drain = async {
        let _ = poll_fn(|cx| output.poll_shutdown(cx)).await; // a socket that is gone already is fine
        let mut away = [0; 1024];
        let ends = broken || is_stream;
        while ends && reader.read(&mut away).await.is_ok_and(|read| read > 0) {}
    };
    let time = if is_stream { LAST_WORDS_OF_STREAM } else { LAST_WORDS };
    let _ = timeout(time, drain).await; // whoever does not close by then is cut off
}

/// The `on-close` of a connection that was ever opened, once the call that is going on has ended: calls never overlap.
async fn tell(server: &Inner, left: Left) {
    let Left { ending, opened, mut session, in_flight, .. } = left;
    if !opened {
        return;
    }
    if let Some(call) = in_flight {
        // The call has its own deadlines; at the end of a drain nobody waits for it.
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

fn log_failure(outcome: &Result<(), CallError>) {
    if let Err(error) = outcome {
        info!(%error, "plugin failed on a connection that has ended");
    }
}
