//! Shares the guest threads between tenants, not between calls: whoever has used least goes next, however many of its calls compute.
//!
//! A call computes in slices of about a millisecond. Before each it waits for its tenant's turn; after each it queues up again before
//! it gives the turn away, so that whoever wants to compute is in the queue. Turns are given out by virtual time,
//! as an operating system does it: a tenant's time is the CPU time that it has used, and who comes after a pause begins close to the
//! time of those who are there, so that nobody saves turns up. A tenant that has used up its quota of CPU time waits until there is some again.

use crate::meter::thread_clock;
use socklet_core::Tenant;
use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{
            AtomicBool, AtomicU64,
            Ordering::{Relaxed, SeqCst},
        },
    },
    task::{Context, Poll, Wake, Waker},
    thread,
    time::{Duration, Instant},
};
use tokio::time::Sleep;

/// What a slice is taken for until it is over: a millisecond.
const SLICE: u64 = 1_000_000;
/// Who was not there for a moment, or for long, may have missed so much: 100 ms.
const MISSED: u64 = 100 * SLICE;

/// The turns of a pool of threads. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Turns(Arc<Mutex<State>>);

/// A tenant's part. Lives as long as any of its plugins.
#[derive(Debug)]
pub(crate) struct Share {
    id: u64,
    tenant: Arc<Tenant>,
    /// Virtual time, in nanoseconds. Only touched while the turns are locked.
    time: AtomicU64,
}

/// A call that takes turns with those of other tenants. After each slice the thread steps back, too: Linux lets a thread run to the end
/// of its own slice (3 ms), whatever its priority, before one that woke up meanwhile, such as one that serves sockets.
#[derive(Debug)]
pub(crate) struct Taking<F> {
    call: F,
    turns: Turns,
    share: Arc<Share>,
    alarm: Arc<Alarm>,
    /// While it waits for a turn.
    ticket: Option<u64>,
    /// While its tenant has used more than it may.
    rest: Option<Pin<Box<Sleep>>>,
}

/// Wakes a call's task, and tells whether the call wants to go on at once.
#[derive(Debug)]
struct Alarm {
    rung: AtomicBool,
    /// Nobody has to be woken: whoever polls looks.
    polling: AtomicBool,
    task: Mutex<Waker>,
}

#[derive(Debug)]
struct State {
    /// Turns that nobody has.
    free: usize,
    /// Tenants of whom somebody waits, by time.
    queue: BTreeSet<(u64, u64)>,
    waiting: HashMap<u64, Waiting>,
    /// Those who wait, by ticket; none for those whose turn it is.
    wakers: HashMap<u64, Option<Waker>>,
    tickets: u64,
    /// The time of the tenant whose turn came last.
    now: u64,
}

#[derive(Debug)]
struct Waiting {
    share: Arc<Share>,
    tickets: VecDeque<u64>,
}

// === impl Share ===

impl Share {
    pub(crate) fn new(tenant: Arc<Tenant>) -> Arc<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Arc::new(Self { id: NEXT.fetch_add(1, Relaxed), tenant, time: AtomicU64::new(0) })
    }

    /// Counts CPU time against the tenant's quota, if it has one; then as [`Share::rest`]. What is over is waited for before the next
    /// slice.
    pub(crate) fn used(&self, cpu: Duration) -> Option<Duration> {
        let nanos = u64::try_from(cpu.as_nanos()).unwrap_or(u64::MAX);
        self.tenant.cpu()?.take(nanos, Instant::now(), Duration::MAX).filter(|rest| !rest.is_zero())
    }

    /// How long the tenant has to wait, since it has used more CPU time than it may. None: it need not.
    pub(crate) fn rest(&self) -> Option<Duration> {
        self.used(Duration::ZERO)
    }
}

// === impl Turns ===

impl Turns {
    /// For so many threads.
    pub(crate) fn new(threads: usize) -> Self {
        Self(Arc::new(Mutex::new(State {
            free: threads,
            queue: BTreeSet::new(),
            waiting: HashMap::new(),
            wakers: HashMap::new(),
            tickets: 0,
            now: 0,
        })))
    }

    fn poll(&self, share: &Arc<Share>, ticket: &mut Option<u64>, context: &Context<'_>) -> Poll<()> {
        let mut state = self.state();
        match ticket {
            None => {
                let number = state.enter(share, context.waker().clone());
                // Whoever would be woken is here.
                state.next();
                if let Some(None) = state.wakers.get(&number) {
                    state.wakers.remove(&number);
                    return Poll::Ready(());
                }
                *ticket = Some(number);
                Poll::Pending
            }
            Some(number) => match state.wakers.get_mut(number) {
                Some(Some(waker)) => {
                    waker.clone_from(context.waker());
                    Poll::Pending
                }
                _ => {
                    state.wakers.remove(number);
                    *ticket = None;
                    Poll::Ready(())
                }
            },
        }
    }

    /// A turn is over. Whose it was may want another.
    fn pass(&self, share: &Arc<Share>, used: u64, again: Option<(&mut Option<u64>, Waker)>) {
        let mut state = self.state();
        state.charge(share, used);
        if let Some((ticket, waker)) = again {
            *ticket = Some(state.enter(share, waker));
        }
        state.free += 1;
        let next = state.next();
        drop(state);
        next.into_iter().for_each(Waker::wake);
    }

    /// Somebody does not wait any more.
    fn give_up(&self, share: &Arc<Share>, ticket: u64) {
        let mut state = self.state();
        if let Some(None) = state.wakers.remove(&ticket) {
            drop(state);
            self.pass(share, 0, None);
            return;
        }
        if let Some(waiting) = state.waiting.get_mut(&share.id) {
            waiting.tickets.retain(|waiting| *waiting != ticket);
            if waiting.tickets.is_empty() {
                state.waiting.remove(&share.id);
                state.queue.remove(&(share.time.load(Relaxed), share.id));
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("taking turns does not panic")
    }
}

// === impl State ===

impl State {
    /// Queues up.
    fn enter(&mut self, share: &Arc<Share>, waker: Waker) -> u64 {
        self.tickets += 1;
        let ticket = self.tickets;
        self.wakers.insert(ticket, Some(waker));
        let waiting = self.waiting.entry(share.id).or_insert_with(|| {
            let time = share.time.load(Relaxed).max(self.now.saturating_sub(MISSED));
            share.time.store(time, Relaxed);
            self.queue.insert((time, share.id));
            Waiting { share: share.clone(), tickets: VecDeque::new() }
        });
        waiting.tickets.push_back(ticket);
        ticket
    }

    /// Gives out the turns that are free. Who has them is to be woken.
    fn next(&mut self) -> Vec<Waker> {
        let mut woken = Vec::new();
        while self.free > 0
            && let Some((time, id)) = self.queue.pop_first()
            && let Some(waiting) = self.waiting.get_mut(&id)
        {
            self.now = self.now.max(time);
            let share = waiting.share.clone();
            if let Some(ticket) = waiting.tickets.pop_front() {
                self.free -= 1;
                woken.extend(self.wakers.get_mut(&ticket).and_then(Option::take));
            }
            share.time.store(time + SLICE, Relaxed);
            if waiting.tickets.is_empty() {
                self.waiting.remove(&id);
            } else {
                self.queue.insert((time + SLICE, id));
            }
        }
        woken
    }

    /// Corrects what a slice was taken for.
    fn charge(&mut self, share: &Arc<Share>, used: u64) {
        let before = share.time.load(Relaxed);
        let time = (before + used).saturating_sub(SLICE);
        share.time.store(time, Relaxed);
        if self.queue.remove(&(before, share.id)) {
            self.queue.insert((time, share.id));
        }
    }
}

// === impl Alarm ===

impl Alarm {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            rung: AtomicBool::new(false),
            polling: AtomicBool::new(false),
            task: Mutex::new(Waker::noop().clone()),
        })
    }

    /// Before a poll.
    fn set(&self, context: &Context<'_>) {
        self.task().clone_from(context.waker());
        self.polling.store(true, SeqCst);
        self.rung.store(false, SeqCst);
    }

    /// After a poll: whether it rang meanwhile.
    fn rang(&self) -> bool {
        self.polling.store(false, SeqCst);
        self.rung.load(SeqCst)
    }

    fn task(&self) -> MutexGuard<'_, Waker> {
        self.task.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.rung.store(true, SeqCst);
        if !self.polling.load(SeqCst) {
            let task = self.task().clone();
            task.wake();
        }
    }
}

// === impl Taking ===

impl<F: Future + Unpin> Taking<F> {
    pub(crate) fn new(call: F, turns: Turns, share: Arc<Share>) -> Self {
        Self { call, turns, share, alarm: Alarm::new(), ticket: None, rest: None }
    }

    /// While the tenant has used more than it may, it does not even queue up.
    fn rest(&mut self, context: &mut Context<'_>) -> Poll<()> {
        while self.ticket.is_none() {
            if let Some(rest) = &mut self.rest {
                std::task::ready!(rest.as_mut().poll(context));
                self.rest = None;
            }
            match self.share.rest() {
                Some(rest) => self.rest = Some(Box::pin(tokio::time::sleep(rest))),
                None => break,
            }
        }
        Poll::Ready(())
    }
}

impl<F: Future + Unpin> Future for Taking<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.get_mut();
        std::task::ready!(this.rest(context));
        std::task::ready!(this.turns.poll(&this.share, &mut this.ticket, context));
        // The turn goes on to the next even when the call panics.
        let mut held = Held { turns: &this.turns, share: &this.share, began: thread_clock(), again: None };
        this.alarm.set(context);
        let poll = Pin::new(&mut this.call).poll(&mut Context::from_waker(&this.alarm.clone().into()));
        if this.alarm.rang() && poll.is_pending() {
            held.again = Some((&mut this.ticket, context.waker().clone()));
        }
        drop(held);
        if poll.is_pending() {
            thread::yield_now();
        }
        poll
    }
}

impl<F> Drop for Taking<F> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.turns.give_up(&self.share, ticket);
        }
    }
}

/// One's turn, until it is dropped.
struct Held<'a> {
    turns: &'a Turns,
    share: &'a Arc<Share>,
    began: u64,
    /// Who wants another.
    again: Option<(&'a mut Option<u64>, Waker)>,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let used = thread_clock().saturating_sub(self.began);
        // Who has to wait for CPU time comes back when there is some.
        let rests = self.share.used(Duration::from_nanos(used)).is_some();
        let (again, late) = match self.again.take() {
            Some((_, waker)) if rests => (None, Some(waker)),
            again => (again, None),
        };
        self.turns.pass(self.share, used, again);
        if let Some(waker) = late {
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use socklet_core::Quotas;

    fn share() -> Arc<Share> {
        Share::new(Arc::new(Tenant::new("acme".parse().unwrap(), Quotas::default())))
    }

    /// Calls of tenants that want to compute without end: how often each had a turn, of so many.
    fn simulate(threads: usize, calls: &[(usize, u64)], turns: usize) -> Vec<u64> {
        let shares: Vec<_> = calls.iter().map(|_| share()).collect();
        go_on(&Turns::new(threads), threads, &shares, calls, turns)
    }

    fn go_on(pool: &Turns, threads: usize, shares: &[Arc<Share>], calls: &[(usize, u64)], turns: usize) -> Vec<u64> {
        let context = Context::from_waker(Waker::noop());
        let mut tasks: Vec<_> =
            calls.iter().enumerate().flat_map(|(tenant, (calls, _))| vec![(tenant, None); *calls]).collect();
        let (mut used, mut running, mut given) = (vec![0; calls.len()], VecDeque::new(), 0);
        while given < turns {
            for (index, (tenant, ticket)) in tasks.iter_mut().enumerate() {
                if !running.contains(&index) && pool.poll(&shares[*tenant], ticket, &context).is_ready() {
                    running.push_back(index);
                }
            }
            assert_eq!(running.len(), threads.min(tasks.len()), "no thread is idle");
            let (tenant, ticket) = &mut tasks[running.pop_front().unwrap()];
            let (tenant, slice) = (*tenant, calls[*tenant].1);
            pool.pass(&shares[tenant], slice, Some((ticket, Waker::noop().clone())));
            used[tenant] += slice;
            given += 1;
        }
        for (index, (tenant, ticket)) in tasks.into_iter().enumerate() {
            match ticket {
                Some(ticket) => pool.give_up(&shares[tenant], ticket),
                None if running.contains(&index) => pool.pass(&shares[tenant], 0, None),
                None => {}
            }
        }
        used
    }

    #[test]
    fn many_calls_get_no_more_than_one() {
        for threads in [1, 2] {
            let used = simulate(threads, &[(50, SLICE), (2, SLICE)], 1_000);
            assert!(used[0].abs_diff(used[1]) <= 4 * SLICE, "{used:?}");
        }
    }

    #[test]
    fn long_slices_are_paid_for() {
        let used = simulate(1, &[(1, 10 * SLICE), (1, SLICE), (3, SLICE / 2)], 5_000);
        let (least, most) = (used.iter().min().unwrap(), used.iter().max().unwrap());
        assert!(most - least <= 20 * SLICE, "{used:?}");
    }

    #[test]
    fn one_thread_is_never_left_alone() {
        assert_eq!(simulate(4, &[(2, SLICE)], 10), [10 * SLICE]);
    }

    #[test]
    fn nobody_saves_turns_up() {
        let (pool, shares) = (Turns::new(1), [share(), share()]);
        go_on(&pool, 1, &shares[..1], &[(4, SLICE)], 1_000);
        let used = go_on(&pool, 1, &shares, &[(4, SLICE), (4, SLICE)], 300);
        // What it may have missed, and half of the rest.
        assert!(used[1].abs_diff(200 * SLICE) <= 4 * SLICE, "{used:?}");
    }

    #[test]
    fn who_gives_up_holds_nobody_up() {
        let pool = Turns::new(1);
        let context = Context::from_waker(Waker::noop());
        let (a, b, c) = (share(), share(), share());
        assert!(pool.poll(&a, &mut None, &context).is_ready());
        let (mut of_b, mut of_c) = (None, None);
        assert!(pool.poll(&b, &mut of_b, &context).is_pending());
        assert!(pool.poll(&c, &mut of_c, &context).is_pending());
        pool.pass(&a, SLICE, None);
        // It is the turn of one of the two, who goes; the other one's waits.
        pool.give_up(&b, of_b.unwrap());
        assert!(pool.poll(&c, &mut of_c, &context).is_ready());
        pool.pass(&c, SLICE, None);
        assert!(pool.poll(&a, &mut None, &context).is_ready());
    }
}
