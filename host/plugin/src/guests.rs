//! Where guests run: a call starts on its caller's thread and moves to a guest thread when it is not done in its first slice.

use crate::{
    meter::Place,
    ticker::{Awake, Ticker},
};
use socklet_core::BoxFuture;
use std::{
    fmt,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Duration,
};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio_util::task::AbortOnDropHandle;
use tracing::{Instrument, warn};
use wasmtime::Engine;

/// How much lower the priority of guest threads is.
const NICE: i32 = 10;
/// Threads for reading and compiling components.
const COMPILERS: usize = 4;

/// The guest threads, and the clock of all guests.
pub(crate) struct Guests {
    // None only while it is dropped.
    runtime: Option<Runtime>,
    handle: Handle,
    ticker: Ticker,
}

/// A call that was started.
pub(crate) enum Started<T> {
    Done(Result<T, Lost>),
    Moved(Moved<T>),
}

/// A call on a guest thread. Dropping it ends the call.
pub(crate) struct Moved<T> {
    task: AbortOnDropHandle<T>,
}

/// A call ended without a result: host code panicked, or the host is going down.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lost;

// === impl Guests ===

impl Guests {
    pub(crate) fn start_threads(threads: usize, engines: [&Engine; 4]) -> std::io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(threads.max(1))
            .max_blocking_threads(COMPILERS)
            .thread_name("socklet-guest")
            .on_thread_start(lower_priority)
            .enable_time()
            .build()?;
        let ticker = Ticker::start(engines.map(Engine::weak).to_vec())?;
        Ok(Self { handle: runtime.handle().clone(), runtime: Some(runtime), ticker })
    }

    /// Starts a call; [`Place::Inline`] polls it once, here and now.
    pub(crate) fn start<T: Send + 'static>(&self, place: Place, mut call: BoxFuture<T>) -> Started<T> {
        if place == Place::Guests {
            return Started::Moved(self.spawn(call));
        }
        self.ticker.touch();
        // Timers that the guest sets belong to the guest threads, whoever the caller is.
        let entered = self.handle.enter();
        let polled = catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(&mut Context::from_waker(Waker::noop()))));
        drop(entered);
        match polled {
            Ok(Poll::Ready(result)) => Started::Done(Ok(result)),
            Ok(Poll::Pending) => Started::Moved(self.spawn(call)),
            Err(_) => Started::Done(Err(Lost)),
        }
    }

    /// Starts a call and waits for it. Dropping the future ends the call.
    pub(crate) async fn run<T: Send + 'static>(&self, place: Place, call: BoxFuture<T>) -> Result<T, Lost> {
        let started = self.start(place, call);
        match started {
            Started::Done(result) => result,
            Started::Moved(moved) => moved.await,
        }
    }

    /// Runs something long that is not a guest.
    pub(crate) async fn run_blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Lost> {
        self.handle.spawn_blocking(work).await.map_err(|_| Lost)
    }

    /// A timer that does not depend on the caller's runtime.
    pub(crate) fn sleep(&self, time: Duration) -> tokio::time::Sleep {
        let _entered = self.handle.enter();
        tokio::time::sleep(time)
    }

    fn spawn<T: Send + 'static>(&self, call: BoxFuture<T>) -> Moved<T> {
        let awake: Awake = self.ticker.hold();
        let call = async move {
            let _awake = awake;
            call.await
        };
        let task = self.handle.spawn(call.in_current_span());
        Moved { task: AbortOnDropHandle::new(task) }
    }
}

impl Drop for Guests {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // The last handle may be dropped inside another runtime, where waiting is not allowed.
            runtime.shutdown_background();
        }
    }
}

impl fmt::Debug for Guests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guests").finish_non_exhaustive()
    }
}

// === impl Moved ===

impl<T> Future for Moved<T> {
    type Output = Result<T, Lost>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.task).poll(context).map_err(|_| Lost)
    }
}

fn lower_priority() {
    // On Linux this is the thread's own priority.
    if let Err(error) = rustix::process::setpriority_process(None, NICE) {
        warn!(%error, "failed to lower the priority of a guest thread");
    }
}
