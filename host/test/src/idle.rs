//! Knows when a runtime of one thread has nothing left to do.

use std::{
    future::poll_fn,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Poll, Waker},
};
use tokio::runtime::{Builder, Runtime};

/// Tells when the runtime is about to sleep. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Idle(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    waiting: Option<Waker>,
    reached: bool,
}

// === impl Idle ===

impl Idle {
    /// A runtime whose time stands still while it is waited for here, and moves on by itself to what is due next while something else is
    /// waited for.
    pub(crate) fn runtime() -> std::io::Result<(Runtime, Self)> {
        let idle = Self::default();
        let told = idle.clone();
        let runtime = Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .on_thread_park(move || told.reached())
            .build()?;
        Ok((runtime, idle))
    }

    /// Waits until no task of the runtime can go on. What is due at this moment may only then be seen to be due: see
    /// [`Idle::settled`].
    async fn once(&self) {
        self.state().reached = false;
        poll_fn(|context| {
            let mut state = self.state();
            if state.reached {
                return Poll::Ready(());
            }
            state.waiting = Some(context.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// Waits until no task can go on, nor can after the timers of this moment: those are looked at when the runtime is idle, and what
    /// they wake may set others for the same moment.
    pub(crate) async fn settled(&self) {
        const ROUNDS: usize = 4;
        for _ in 0..ROUNDS {
            self.once().await;
        }
    }

    fn reached(&self) {
        let waiting = {
            let mut state = self.state();
            let waiting = state.waiting.take();
            state.reached = waiting.is_some();
            waiting
        };
        // The runtime does not sleep then, and its time does not move on.
        waiting.into_iter().for_each(Waker::wake);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::time::{Instant, sleep};

    #[test]
    fn time_stands_still_while_tasks_settle() {
        let (runtime, idle) = Idle::runtime().unwrap();
        runtime.block_on(async {
            let start = Instant::now();
            let task = tokio::spawn(async {
                for _ in 0..100 {
                    tokio::task::yield_now().await;
                }
                sleep(Duration::from_secs(5)).await;
            });
            idle.settled().await;
            assert!(!task.is_finished() && start.elapsed().is_zero());
            sleep(Duration::from_secs(5)).await;
            idle.settled().await;
            assert!(task.is_finished());
            assert_eq!(start.elapsed(), Duration::from_secs(5));
        });
    }
}
