//! Says what happens too often to be said each time: once in a second, with how often it was.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// How long nothing is said after something was.
const PAUSE: Duration = Duration::from_secs(1);

/// Counts what is not said.
#[derive(Debug, Default)]
pub(crate) struct Seldom(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    said: Option<Instant>,
    unsaid: u64,
}

// === impl Seldom ===

impl Seldom {
    /// It happens: how often since it was said the last time, where it may be said now.
    pub(crate) fn happens(&self) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        state.unsaid += 1;
        if state.said.is_some_and(|said| now.duration_since(said) < PAUSE) {
            return None;
        }
        state.said = Some(now);
        Some(std::mem::take(&mut state.unsaid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn once_in_a_second() {
        let seldom = Seldom::default();
        assert_eq!([seldom.happens(), seldom.happens(), seldom.happens()], [Some(1), None, None]);
        tokio::time::advance(PAUSE).await;
        assert_eq!([seldom.happens(), seldom.happens()], [Some(3), None]);
    }
}
