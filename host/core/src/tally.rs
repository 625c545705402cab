//! Counts things that many have together, up to a number that there may be.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

/// How many there are of something, and how many there may be. Clones count together; nothing here waits.
#[derive(Clone, Debug)]
pub struct Tally(Arc<Counts>);

/// A part of what a [`Tally`] counts, given back when it is dropped.
#[derive(Debug)]
pub struct Taken {
    tally: Tally,
    n: usize,
}

#[derive(Debug)]
struct Counts {
    used: AtomicUsize,
    max: AtomicUsize,
}

// === impl Tally ===

impl Tally {
    /// Nothing yet, and `max` at most; without it there is no end.
    pub fn new(max: Option<usize>) -> Self {
        Self(Arc::new(Counts { used: AtomicUsize::new(0), max: AtomicUsize::new(max.unwrap_or(usize::MAX)) }))
    }

    /// How many there may be from now on. Those that are there stay, however many.
    pub fn set_max(&self, max: Option<usize>) {
        self.0.max.store(max.unwrap_or(usize::MAX), Relaxed);
    }

    /// How many there are now.
    pub fn used(&self) -> usize {
        self.0.used.load(Relaxed)
    }

    /// Takes nothing, to grow.
    pub fn nothing(&self) -> Taken {
        Taken { tally: self.clone(), n: 0 }
    }

    /// Takes `n`. None, and nothing is taken, when there would be too many.
    pub fn take(&self, n: usize) -> Option<Taken> {
        self.0.used.fetch_update(Relaxed, Relaxed, |used| self.0.and(used, n)).ok()?;
        Some(Taken { tally: self.clone(), n })
    }
}

// === impl Counts ===

impl Counts {
    /// So many more, if there may be as many. Nothing is always possible.
    fn and(&self, used: usize, n: usize) -> Option<usize> {
        used.checked_add(n).filter(|sum| n == 0 || *sum <= self.max.load(Relaxed))
    }
}

// === impl Taken ===

impl Taken {
    /// Takes `n` more. False, and nothing is taken, when there would be too many.
    pub fn grow(&mut self, n: usize) -> bool {
        let counts = &self.tally.0;
        let grown = counts.used.fetch_update(Relaxed, Relaxed, |used| counts.and(used, n)).is_ok();
        self.n += if grown { n } else { 0 };
        grown
    }

    /// Gives `n` back, or as many as there are.
    pub fn shrink(&mut self, n: usize) {
        let n = n.min(self.n);
        self.n -= n;
        self.tally.0.used.fetch_sub(n, Relaxed);
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.tally.0.used.fetch_sub(self.n, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_comes_back() {
        let tally = Tally::new(Some(3));
        let two = tally.clone().take(2).unwrap();
        assert!(tally.take(2).is_none());
        let one = tally.take(1).unwrap();
        assert_eq!((tally.used(), tally.take(1).is_none(), tally.take(0).is_some()), (3, true, true));
        drop(two);
        assert_eq!(tally.used(), 1);
        drop(one);
        let mut some = tally.take(1).unwrap();
        assert!(some.grow(2) && !some.grow(1));
        some.shrink(1);
        assert_eq!(tally.used(), 2);
        drop(some);
        assert_eq!((tally.used(), tally.take(4).is_none()), (0, true));
    }

    #[test]
    fn what_is_there_stays_when_there_may_be_less() {
        let tally = Tally::new(None);
        let mut three = tally.take(3).unwrap();
        tally.set_max(Some(2));
        assert!(tally.take(1).is_none() && !three.grow(1) && three.grow(0));
        three.shrink(2);
        assert_eq!((tally.used(), tally.take(1).is_some(), tally.take(2).is_none()), (1, true, true));
        tally.set_max(None);
        assert!(tally.take(1_000).is_some());
    }

    #[test]
    fn without_a_number_there_is_no_end() {
        let tally = Tally::new(None);
        let _all = tally.take(usize::MAX).unwrap();
        assert!(tally.take(1).is_none(), "a sum that cannot be is none");
        assert!(Tally::new(Some(0)).take(1).is_none());
    }

    #[test]
    fn many_threads_never_take_too_much() {
        let tally = Tally::new(Some(5));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..10_000 {
                        let share = tally.take(2);
                        assert!(tally.used() <= 5);
                        drop(share);
                    }
                });
            }
        });
        assert_eq!(tally.used(), 0);
    }
}
