//! Calls of a session that may panic: one connection fails then, like in any other failure of the host.

use super::drive::Outcome;
use futures_util::FutureExt;
use socklet_core::{BoxFuture, Call, CallError, Event, EventId, Session};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    task::{Context, Poll},
};
use tracing::error;

/// Starts a call.
pub(super) fn call(session: &mut dyn Session, event: Event) -> Call {
    catch_unwind(AssertUnwindSafe(|| session.call(event))).unwrap_or_else(|_| Call::Done(panicked()))
}

/// Looks at a call that is going on.
pub(super) fn poll(call: &mut BoxFuture<Outcome>, cx: &mut Context<'_>) -> Poll<Outcome> {
    catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(cx))).unwrap_or_else(|_| Poll::Ready(panicked()))
}

/// The outcome of a call that is going on. Cancel-safe when `call` is.
pub(super) async fn outcome(call: impl Future<Output = Outcome>) -> Outcome {
    AssertUnwindSafe(call).catch_unwind().await.unwrap_or_else(|_| panicked())
}

fn panicked() -> Outcome {
    let event = EventId::next();
    error!(%event, "panicked while calling a plugin");
    Err(CallError::Host { event })
}
