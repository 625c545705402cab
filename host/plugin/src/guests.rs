//! Where guests run: a call starts on its caller's thread and moves to a guest thread when it is not done in its first slice.

use crate::{
    config::EngineConfig,
    fair::{Share, Taking, Turns},
    meter::{Place, thread_clock},
    ticker::{Awake, Ticker},
};
use socklet_core::BoxFuture;
use std::{
    fmt,
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    thread,
    time::Duration,
};
use tokio::{
    runtime::{Builder, Handle, Runtime},
    time::Instant,
};
use tokio_util::task::AbortOnDropHandle;
use tracing::{Instrument, warn};
use wasmtime::Engine;

/// How much lower the priority of a guest thread is that runs calls which only just moved, and of those that compile.
const NICE: i32 = 5;
/// And of one that runs calls which take long. No lower: on a busy machine a thread that hardly runs would keep the locks that it
/// holds, of the allocator and of the log, from those that matter.
const NICE_PATIENT: i32 = 10;
/// Threads for calls that only just moved.
const BRISK_THREADS: usize = 2;
/// What a call that moved may compute before it has to wait its turn among those that take long.
const BRISK: Duration = Duration::from_millis(4);
/// Threads for reading and compiling components.
const COMPILERS: usize = 4;

/// The guest threads, and the clock of all guests. Who only just turned out not to be done at once does not queue behind calls
/// that have computed for long.
pub(crate) struct Guests {
    brisk: Threads,
    patient: Threads,
    /// Those of the patient threads.
    turns: Turns,
    ticker: Ticker,
    /// Where the keepers of routes run.
    keepers: Handle,
    /// The time is theirs, and not the machine's.
    own_time: bool,
    /// Everything runs on one runtime of the caller's.
    alone: bool,
}

/// A runtime that may be dropped anywhere.
struct Threads {
    // None while it is dropped, and where it is somebody else's.
    runtime: Option<Runtime>,
    handle: Handle,
}

/// A call that was started.
pub(crate) enum Started<T> {
    Done(T),
    Moved(Moved<T>),
}

/// A call on a guest thread. Dropping it ends the call.
pub(crate) struct Moved<T> {
    task: AbortOnDropHandle<Result<T, Lost>>,
}

/// A call ended without a result: host code panicked, or the host is going down.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lost;

// === impl Guests ===

impl Guests {
    pub(crate) fn start(config: &EngineConfig, engines: [&Engine; 5]) -> std::io::Result<Self> {
        let (brisk, patient, threads) = match &config.alone_on {
            Some(runtime) => (Threads::borrowed(runtime), Threads::borrowed(runtime), 1),
            None => {
                let threads = config.guest_threads.max(1);
                let brisk = Threads::start("socklet-guest", BRISK_THREADS, NICE)?;
                (brisk, Threads::start("socklet-patient", threads, NICE_PATIENT)?, threads)
            }
        };
        // What the host does at a certain time is done on a guest thread where there is no other time.
        let time = config.time.as_ref().or(config.alone_on.as_ref());
        Ok(Self {
            own_time: time.is_some(),
            alone: config.alone_on.is_some(),
            keepers: time.unwrap_or(&brisk.handle).clone(),
            brisk,
            patient,
            turns: Turns::new(threads),
            ticker: Ticker::start(engines.map(Engine::weak).to_vec())?,
        })
    }

    /// Polls a call on its caller's thread, once.
    pub(crate) fn poll_here<T>(&self, call: &mut BoxFuture<T>) -> Result<Poll<T>, Lost> {
        self.ticker.touch();
        // Timers that the guest sets belong to the guest threads, whoever the caller is.
        let _entered = self.brisk.handle.enter();
        catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(&mut Context::from_waker(Waker::noop())))).map_err(|_| Lost)
    }

    /// Lets a call go on on a guest thread, or begin there.
    pub(crate) fn spawn<T: Send + 'static>(&self, place: Place, share: &Arc<Share>, call: BoxFuture<T>) -> Moved<T> {
        let awake: Awake = self.ticker.hold();
        let call = call.in_current_span();
        let (turns, share) = (self.turns.clone(), share.clone());
        let task = match place {
            Place::Guests => self.patient.handle.spawn(async move {
                let _awake = awake;
                Ok(Taking::new(call, turns, share).await)
            }),
            Place::Inline => {
                let patient = self.patient.handle.clone();
                self.brisk.handle.spawn(async move {
                    let _awake = awake;
                    match briskly(call, &share).await {
                        Ok(result) => Ok(result),
                        Err(call) => {
                            let call = Taking::new(call, turns, share);
                            AbortOnDropHandle::new(patient.spawn(call)).await.map_err(|_| Lost)
                        }
                    }
                })
            }
        };
        Moved { task: AbortOnDropHandle::new(task) }
    }

    /// Starts a call and waits for it. Dropping the future ends the call.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        place: Place,
        share: &Arc<Share>,
        mut call: BoxFuture<T>,
    ) -> Result<T, Lost> {
        if place == Place::Inline
            && let Poll::Ready(result) = self.poll_here(&mut call)?
        {
            return Ok(result);
        }
        self.spawn(place, share, call).await
    }

    /// Whether calls are made one after the other, each to its end or to where it waits: never on its caller's thread, which measures them
    /// by a clock that may stand still.
    pub(crate) fn is_alone(&self) -> bool {
        self.alone
    }

    /// The time that the keepers go by.
    pub(crate) fn now(&self) -> Instant {
        let _entered = self.own_time.then(|| self.keepers.enter());
        Instant::now()
    }

    /// The same moment as the clock of the machine has it, just after it: what a guest computes is measured by that one, also where the
    /// keepers go by another.
    pub(crate) fn really(&self, now: Instant) -> std::time::Instant {
        if self.own_time { std::time::Instant::now() } else { now.into_std() }
    }

    /// Lets something that looks after instances go on by itself. It must end by itself, too.
    pub(crate) fn keep(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.keepers.spawn(work);
    }

    /// Runs something long that is not a guest.
    pub(crate) async fn run_blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Lost> {
        self.brisk.handle.spawn_blocking(work).await.map_err(|_| Lost)
    }

    /// A timer that does not depend on the caller's runtime.
    pub(crate) fn sleep(&self, time: Duration) -> tokio::time::Sleep {
        let _entered = self.brisk.handle.enter();
        tokio::time::sleep(time)
    }
}

impl fmt::Debug for Guests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guests").finish_non_exhaustive()
    }
}

// === impl Threads ===

impl Threads {
    fn borrowed(runtime: &Handle) -> Self {
        Self { runtime: None, handle: runtime.clone() }
    }

    fn start(name: &str, threads: usize, nice: i32) -> std::io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(threads)
            .max_blocking_threads(COMPILERS)
            .thread_name(name)
            .on_thread_start(move || lower_priority(nice))
            .enable_time()
            .build()?;
        Ok(Self { handle: runtime.handle().clone(), runtime: Some(runtime) })
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // The last handle may be dropped inside another runtime, where waiting is not allowed.
            runtime.shutdown_background();
        }
    }
}

// === impl Moved ===

impl<T> Future for Moved<T> {
    type Output = Result<T, Lost>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.task).poll(context).map(|result| result.unwrap_or(Err(Lost)))
    }
}

/// Polls a call until it is done, or has computed for so long that it is given back.
async fn briskly<F: Future + Unpin>(call: F, share: &Share) -> Result<F::Output, F> {
    let (mut call, mut used) = (Some(call), 0);
    poll_fn(|context| {
        let began = thread_clock();
        let running = call.as_mut().expect("not polled after it was ready");
        let poll = Pin::new(running).poll(context);
        let slice = thread_clock() - began;
        share.used(Duration::from_nanos(slice));
        if let Poll::Ready(result) = poll {
            return Poll::Ready(Ok(result));
        }
        used += slice;
        thread::yield_now();
        match call.take_if(|_| Duration::from_nanos(used) >= BRISK) {
            Some(call) => Poll::Ready(Err(call)),
            None => Poll::Pending,
        }
    })
    .await
}

fn lower_priority(nice: i32) {
    // On Linux this is the thread's own priority.
    if let Err(error) = rustix::process::setpriority_process(None, nice) {
        warn!(%error, "failed to lower the priority of a guest thread");
    }
}
