//! Shares the guest threads between tenants, not between calls: whoever has used least goes next, however many of its calls compute.
//!
//! A call computes in slices of about a millisecond. Before each it waits for its tenant's turn. Turns are given out by virtual time,
//! as an operating system does it: a tenant's time is the CPU time that it has used, and who comes after a pause begins at the time of
//! those who are there, so that nobody saves turns up.

use crate::meter::thread_clock;
use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
    thread,
};

/// What a slice is taken for until it is over: a millisecond.
const SLICE: u64 = 1_000_000;

/// The turns of a pool of threads. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Turns(Arc<Mutex<State>>);

/// A tenant's part. Lives as long as any of its plugins.
#[derive(Debug)]
pub(crate) struct Share {
    id: u64,
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
    /// While it waits for a turn.
    ticket: Option<u64>,
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
    pub(crate) fn new() -> Arc<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Arc::new(Self { id: NEXT.fetch_add(1, Relaxed), time: AtomicU64::new(0) })
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
                let number = state.enter(share);
                if state.wakers.get(&number).is_none_or(Option::is_none) {
                    state.wakers.remove(&number);
                    return Poll::Ready(());
                }
                state.wakers.insert(number, Some(context.waker().clone()));
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

    /// A turn is over.
    fn pass(&self, share: &Arc<Share>, used: u64) {
        let mut state = self.state();
        state.charge(share, used);
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
            self.pass(share, 0);
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
    /// Queues up. It may be one's turn at once: then there is no waker to be kept.
    fn enter(&mut self, share: &Arc<Share>) -> u64 {
        self.tickets += 1;
        let ticket = self.tickets;
        self.wakers.insert(ticket, Some(Waker::noop().clone()));
        let waiting = self.waiting.entry(share.id).or_insert_with(|| {
            let time = share.time.load(Relaxed).max(self.now);
            share.time.store(time, Relaxed);
            self.queue.insert((time, share.id));
            Waiting { share: share.clone(), tickets: VecDeque::new() }
        });
        waiting.tickets.push_back(ticket);
        self.next();
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

// === impl Taking ===

impl<F: Future + Unpin> Taking<F> {
    pub(crate) fn new(call: F, turns: Turns, share: Arc<Share>) -> Self {
        Self { call, turns, share, ticket: None }
    }
}

impl<F: Future + Unpin> Future for Taking<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.get_mut();
        if this.turns.poll(&this.share, &mut this.ticket, context).is_pending() {
            return Poll::Pending;
        }
        // The turn goes on to the next even when the call panics.
        let _turn = Turn { turns: &this.turns, share: &this.share, began: thread_clock() };
        let poll = Pin::new(&mut this.call).poll(context);
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
struct Turn<'a> {
    turns: &'a Turns,
    share: &'a Arc<Share>,
    began: u64,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.turns.pass(self.share, thread_clock().saturating_sub(self.began));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Calls of tenants that want to compute without end: how often each had a turn, of so many.
    fn simulate(threads: usize, calls: &[(usize, u64)], turns: usize) -> Vec<u64> {
        let pool = Turns::new(threads);
        let context = Context::from_waker(Waker::noop());
        let shares: Vec<_> = calls.iter().map(|_| Share::new()).collect();
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
            let (tenant, _) = tasks[running.pop_front().unwrap()];
            let slice = calls[tenant].1;
            pool.pass(&shares[tenant], slice);
            used[tenant] += slice;
            given += 1;
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
        let used = simulate(1, &[(1, 10 * SLICE), (1, SLICE), (3, SLICE / 2)], 1_000);
        let (least, most) = (used.iter().min().unwrap(), used.iter().max().unwrap());
        assert!(most - least <= 20 * SLICE, "{used:?}");
    }

    #[test]
    fn one_thread_is_never_left_alone() {
        assert_eq!(simulate(4, &[(2, SLICE)], 10), [10 * SLICE]);
    }

    #[test]
    fn nobody_saves_turns_up() {
        let pool = Turns::new(1);
        let context = Context::from_waker(Waker::noop());
        let (early, late) = (Share::new(), Share::new());
        for _ in 0..1_000 {
            assert!(pool.poll(&early, &mut None, &context).is_ready());
            pool.pass(&early, SLICE);
        }
        let (mut a, mut b) = (None, None);
        let mut turns = [0, 0];
        assert!(pool.poll(&late, &mut b, &context).is_ready());
        let mut late_has_it = true;
        for _ in 0..10 {
            let _ = pool.poll(&early, &mut a, &context).is_ready();
            pool.pass(if late_has_it { &late } else { &early }, SLICE);
            turns[usize::from(late_has_it)] += 1;
            let _ = late_has_it && pool.poll(&late, &mut b, &context).is_ready();
            late_has_it = !late_has_it;
        }
        assert_eq!(turns, [5, 5]);
    }

    #[test]
    fn who_gives_up_holds_nobody_up() {
        let pool = Turns::new(1);
        let context = Context::from_waker(Waker::noop());
        let (a, b, c) = (Share::new(), Share::new(), Share::new());
        assert!(pool.poll(&a, &mut None, &context).is_ready());
        let (mut of_b, mut of_c) = (None, None);
        assert!(pool.poll(&b, &mut of_b, &context).is_pending());
        assert!(pool.poll(&c, &mut of_c, &context).is_pending());
        pool.pass(&a, SLICE);
        // It is the turn of one of the two, who goes; the other one's waits.
        pool.give_up(&b, of_b.unwrap());
        assert!(pool.poll(&c, &mut of_c, &context).is_ready());
        pool.pass(&c, SLICE);
        assert!(pool.poll(&a, &mut None, &context).is_ready());
    }
}
