//! What one call has used: CPU time, host calls, bytes queued.

use crate::{config::CallLimits, usage::Spent};
use socklet_core::DeathKind;
use std::{
    fmt,
    future::{Future, poll_fn},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    task::Poll,
    time::{Duration, Instant},
};
use wasmtime::UpdateDeadline;

/// Ticks until a call is looked at first.
pub(crate) const FIRST_SLICE: u64 = 1;
/// Ticks of every later slice.
const SLICE: u64 = 1;
/// On its caller's thread a call is slow when it has computed for so long since it was looked at first: most of a tick. A call that
/// merely happens to run while the tick comes, or whose thread had to wait for a processor, is not.
const SLOW: Duration = Duration::from_micros(500);

/// What is known of one call from outside its store: its CPU time, told by whoever polls it and read by the guest's epoch checks
/// in between, and what happened on the way.
#[derive(Debug, Default)]
pub(crate) struct Account {
    used: AtomicU64,
    /// The thread's CPU clock when the poll began; none while the call runs on its caller's thread.
    since: AtomicU64,
    /// The thread's CPU clock when the call was looked at first on its caller's thread; none before that.
    seen: AtomicU64,
    /// The guest ran through a slice.
    slow: AtomicBool,
    /// The guest asked for more memory than it may have.
    refused: AtomicBool,
    /// The guest has done something that others can see.
    acted: AtomicBool,
}

/// The budgets of one call.
#[derive(Debug)]
pub(crate) struct Meter {
    account: Arc<Account>,
    cpu_max: Duration,
    /// The guest gives way to others only where it waits.
    alone: bool,
    host_calls_left: u32,
    queued_left: u64,
    /// What the call has used, for the books.
    pub(crate) spent: Spent,
}

/// Where a call begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// On its caller's thread, for one slice.
    Inline,
    /// On a guest thread.
    Guests,
}

/// A budget is used up. Ends the guest.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exceeded(pub(crate) DeathKind, pub(crate) &'static str);

/// The wall-clock limit of a call is over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TimedOut;

/// Polls a call and keeps its time. The wall-clock limit counts from the moment that the call is not done at once. Of a call that
/// is done at once on its caller's thread the caller knows the time, and nothing is kept.
///
/// The future is made in here, where it stays: it is large, and to move it would cost as much as a good part of the call.
pub(crate) async fn timed<F: Future>(
    account: &Account,
    place: Place,
    began: Instant,
    wait: Duration,
    make: impl FnOnce() -> F,
) -> Result<F::Output, TimedOut> {
    let mut call = pin!(make());
    let mut inline = place == Place::Inline;
    let mut limit = None;
    poll_fn(|context| {
        if std::mem::take(&mut inline) {
            let poll = call.as_mut().poll(context);
            if poll.is_pending() {
                account.add(began.elapsed());
            }
            return poll.map(Ok);
        }
        let limit = limit.get_or_insert_with(|| Box::pin(tokio::time::sleep(wait)));
        if limit.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(TimedOut));
        }
        account.enter();
        let poll = call.as_mut().poll(context);
        account.leave();
        poll.map(Ok)
    })
    .await
}

// === impl Account ===

impl Account {
    /// What the call has used up to now.
    pub(crate) fn used(&self) -> Duration {
        let running = match self.since.load(Relaxed) {
            0 => 0,
            since => thread_clock().saturating_sub(since),
        };
        Duration::from_nanos(self.used.load(Relaxed) + running)
    }

    /// Whether the guest ran through a slice.
    pub(crate) fn was_slow(&self) -> bool {
        self.slow.load(Relaxed)
    }

    /// Whether the guest asked for more memory than it may have.
    pub(crate) fn was_refused(&self) -> bool {
        self.refused.load(Relaxed)
    }

    /// Whether the guest has done something that others can see.
    pub(crate) fn has_acted(&self) -> bool {
        self.acted.load(Relaxed)
    }

    /// Notes that the guest does something that others can see.
    pub(crate) fn acts(&self) {
        self.acted.store(true, Relaxed);
    }

    pub(crate) fn refuse(&self) {
        self.refused.store(true, Relaxed);
    }

    fn reset(&self) {
        self.used.store(0, Relaxed);
        self.slow.store(false, Relaxed);
        self.refused.store(false, Relaxed);
        self.acted.store(false, Relaxed);
        self.since.store(0, Relaxed);
        self.seen.store(0, Relaxed);
    }

    /// Whether the call computes on its caller's thread, and not for long yet. To be asked on that thread, at every tick.
    fn is_young(&self) -> bool {
        // On guest threads the time since the poll began is kept.
        if self.since.load(Relaxed) != 0 {
            return false;
        }
        let now = thread_clock().max(1);
        match self.seen.load(Relaxed) {
            0 => {
                self.seen.store(now, Relaxed);
                true
            }
            seen => Duration::from_nanos(now.saturating_sub(seen)) < SLOW,
        }
    }

    fn add(&self, time: Duration) {
        self.used.fetch_add(time.as_nanos() as u64, Relaxed);
    }

    fn enter(&self) {
        self.since.store(thread_clock().max(1), Relaxed);
    }

    fn leave(&self) {
        let since = self.since.swap(0, Relaxed);
        self.used.fetch_add(thread_clock().saturating_sub(since), Relaxed);
    }
}

/// CPU time of the calling thread, in nanoseconds. A system call.
pub(crate) fn thread_clock() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

// === impl Meter ===

impl Meter {
    /// Full budgets.
    pub(crate) fn new(account: Arc<Account>, cpu_max: Duration, limits: &CallLimits, alone: bool) -> Self {
        Self {
            account,
            cpu_max,
            alone,
            host_calls_left: limits.host_calls_max,
            queued_left: limits.queued_bytes_max,
            spent: Spent::default(),
        }
    }

    /// Fills the budgets for a new call.
    pub(crate) fn refill(&mut self, limits: &CallLimits) {
        self.account.reset();
        self.host_calls_left = limits.host_calls_max;
        self.queued_left = limits.queued_bytes_max;
    }

    /// The guest ran through its slice: it yields, or ends.
    pub(crate) fn slice_over(&mut self) -> wasmtime::Result<UpdateDeadline> {
        if self.account.is_young() {
            return Ok(UpdateDeadline::Continue(SLICE));
        }
        self.account.slow.store(true, Relaxed);
        if self.account.used() >= self.cpu_max {
            return Err(Exceeded(DeathKind::Deadline, "CPU time used up").into());
        }
        Ok(if self.alone { UpdateDeadline::Continue(SLICE) } else { UpdateDeadline::Yield(SLICE) })
    }

    pub(crate) fn account(&self) -> &Arc<Account> {
        &self.account
    }

    /// Takes one host call from the budget.
    pub(crate) fn host_call(&mut self) -> wasmtime::Result<()> {
        self.spent.host_calls += 1;
        match self.host_calls_left.checked_sub(1) {
            Some(left) => self.host_calls_left = left,
            None => return Err(Exceeded(DeathKind::HostCalls, "too many host calls in one call").into()),
        }
        Ok(())
    }

    /// As [`Meter::host_call`], for what others can see: a message, a subscription, a timer.
    pub(crate) fn act(&mut self) -> wasmtime::Result<()> {
        self.account.acts();
        self.host_call()
    }

    /// Notes what was queued, for the books.
    pub(crate) fn sent(&mut self, messages: u64, bytes: u64) {
        self.spent.messages_sent += messages;
        self.spent.bytes_sent += bytes;
    }

    /// Whether so many bytes fit into the budget of what may be queued.
    pub(crate) fn has_room(&self, bytes: usize) -> bool {
        self.queued_left >= bytes as u64
    }

    /// Takes bytes that are about to be queued from the budget; false when they do not fit.
    pub(crate) fn queue(&mut self, bytes: usize) -> bool {
        match self.queued_left.checked_sub(bytes as u64) {
            Some(left) => self.queued_left = left,
            None => return false,
        }
        true
    }

    /// [`Meter::queue`] where the contract has no error to answer with.
    pub(crate) fn queue_or_end(&mut self, bytes: usize) -> wasmtime::Result<()> {
        if self.queue(bytes) {
            return Ok(());
        }
        Err(Exceeded(DeathKind::HostCalls, "too many bytes queued in one call").into())
    }
}

// === impl Exceeded ===

impl fmt::Display for Exceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.1)
    }
}

impl std::error::Error for Exceeded {}
