//! The end of the instance behind a session.

use socklet_core::{EventId, Lifeline};
use std::{
    pin::Pin,
    task::{Context, Poll},
};

/// Tells a connection's task of it.
pub(super) struct Died<'a, F> {
    died: Pin<&'a mut F>,
    /// Whether it will wake the task.
    awaited: bool,
}

// === impl Died ===

impl<'a, F: Future<Output = EventId>> Died<'a, F> {
    /// `died` is [`Lifeline::died`].
    pub(super) fn new(died: Pin<&'a mut F>) -> Self {
        Self { died, awaited: false }
    }

    /// The event of its end, once that has come; until then the task is woken by it.
    pub(super) fn look(&mut self, lifeline: &Lifeline, cx: &mut Context<'_>) -> Option<EventId> {
        if std::mem::replace(&mut self.awaited, true) {
            return lifeline.death();
        }
        match self.died.as_mut().poll(cx) {
            Poll::Ready(event) => Some(event),
            Poll::Pending => None,
        }
    }
}
