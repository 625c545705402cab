//! Finds out whether a new version of a plugin is any good, by its first calls.

use std::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicBool, Ordering::SeqCst},
};

/// Calls after which a version has proved itself.
const CALLS: u32 = 100;
/// Of its first calls no more than one in so many may kill an instance.
const TOLERATED: u32 = 10;

/// The trial of one version.
#[derive(Debug)]
pub(crate) struct Trial {
    over: AtomicBool,
    failed: AtomicBool,
    // A std mutex: held for a few additions.
    count: Mutex<Count>,
}

#[derive(Debug, Default)]
struct Count {
    calls: u32,
    deaths: u32,
}

// === impl Trial ===

impl Trial {
    pub(crate) fn new() -> Self {
        Self { over: AtomicBool::new(false), failed: AtomicBool::new(false), count: Mutex::default() }
    }

    /// For a version that nobody could go back from.
    pub(crate) fn none() -> Self {
        Self { over: AtomicBool::new(true), failed: AtomicBool::new(false), count: Mutex::default() }
    }

    /// Nothing is counted any more.
    pub(crate) fn is_over(&self) -> bool {
        self.over.load(SeqCst)
    }

    /// The version before it takes over, or will at once.
    pub(crate) fn has_failed(&self) -> bool {
        self.failed.load(SeqCst)
    }

    /// Whether it has proved itself, or nobody could go back from it.
    pub(crate) fn is_passed(&self) -> bool {
        self.is_over() && !self.has_failed()
    }

    pub(crate) fn end(&self) {
        self.over.store(true, SeqCst);
    }

    /// A call went well.
    pub(crate) fn passed(&self) {
        if !self.is_over() {
            let mut count = self.count();
            count.calls += 1;
            if count.calls >= CALLS {
                self.end();
            }
        }
    }

    /// A call killed its instance, or an instance could not be made. Whether the version has failed; told once.
    pub(crate) fn died(&self) -> bool {
        if self.is_over() {
            return false;
        }
        let mut count = self.count();
        count.calls += 1;
        count.deaths += 1;
        let failed = count.deaths * TOLERATED > count.calls && !self.is_over();
        if failed {
            // In this order: who asks whether it has passed must not think so in between.
            self.failed.store(true, SeqCst);
            self.over.store(true, SeqCst);
        }
        failed
    }

    fn count(&self) -> MutexGuard<'_, Count> {
        self.count.lock().expect("adding does not panic")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_death_fails_a_version_that_has_done_nothing_yet() {
        let trial = Trial::new();
        assert!(trial.died());
        assert!(!trial.died(), "told once");
        assert!(trial.is_over() && trial.has_failed() && !trial.is_passed());
    }

    #[test]
    fn one_in_ten_may_die() {
        let trial = Trial::new();
        (0..9).for_each(|_| trial.passed());
        assert!(!trial.died());
        assert!(trial.died());
    }

    #[test]
    fn who_has_proved_itself_is_not_judged_any_more() {
        let trial = Trial::new();
        (0..CALLS).for_each(|_| trial.passed());
        assert!(trial.is_over() && !trial.died());
        assert!(Trial::none().is_over());
    }
}
