//! The body of a request: read when it is wanted, up to a size, within a time.

use super::Problem;
use bytes::{Bytes, BytesMut};
use http::{header, request::Parts};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

/// How long a body may take.
const READ: Duration = Duration::from_secs(60);
/// How long what nobody wants is read: who is still sending does not see the answer.
const DISCARD: Duration = Duration::from_secs(5);

/// What is larger is read only a few at a time: how much memory bodies take is bounded.
const SMALL: u64 = 64 << 10;
/// How many large ones are read at a time.
pub(super) const LARGE_AT_A_TIME: usize = 2;

/// A body that was not read to its end, maybe.
#[derive(Debug)]
pub(super) struct Body {
    body: Incoming,
    /// The client sends it when it is asked to, and not before.
    waits: bool,
    /// Room for large ones.
    large: Arc<Semaphore>,
    /// Kept until the request is answered: what was read is in memory until then.
    room: Option<OwnedSemaphorePermit>,
}

// === impl Body ===

impl Body {
    pub(super) fn new(head: &Parts, body: Incoming, large: &Arc<Semaphore>) -> Self {
        Self { body, waits: head.headers.contains_key(header::EXPECT), large: large.clone(), room: None }
    }

    /// All of it.
    ///
    /// # Errors
    ///
    /// When it is larger than `max` bytes, takes too long, or breaks off.
    pub(super) async fn read(&mut self, max: u64) -> Result<Bytes, Problem> {
        if self.body.size_hint().lower() > max {
            return Err(Problem::TooLarge(max));
        }
        let size = self.body.size_hint().exact().unwrap_or(u64::MAX).min(max);
        let large = self.large.clone();
        let read = async {
            if size > SMALL {
                self.room = Some(large.acquire_owned().await.expect("it is never closed"));
            }
            self.waits = false;
            self.read_frames(max).await
        };
        timeout(READ, read).await.map_err(|_| Problem::TooSlow)?
    }

    async fn read_frames(&mut self, max: u64) -> Result<Bytes, Problem> {
        let mut bytes = BytesMut::new();
        while let Some(frame) = self.body.frame().await {
            let data = frame.map_err(|_| Problem::BrokenOff)?.into_data().unwrap_or_default();
            if (bytes.len() + data.len()) as u64 > max {
                return Err(Problem::TooLarge(max));
            }
            bytes.extend_from_slice(&data);
        }
        Ok(bytes.freeze())
    }

    /// Reads what is left of it and throws it away, for a moment.
    pub(super) async fn discard(mut self) {
        if !self.waits {
            // What still comes after that is cut off.
            let _ = timeout(DISCARD, async { while let Some(Ok(_)) = self.body.frame().await {} }).await;
        }
    }
}
