//! Stacks for instances that live long: an instance that waits for its next call needs none.
//!
//! A stack is two memory mappings, of which a process has 65,530, and several pages. The virtual machine leaves the stack of a call
//! with the store for the next one, and has no function to take it back; 40,000 idle instances would be beyond the limit. So the
//! first instances keep theirs, which costs a call nothing, and the others borrow one for each call.

use crate::state::State;
use std::{
    fmt,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::pin,
    sync::Arc,
    task::{Context, Waker},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::{Store, TypedFunc};

/// The stacks of engines. Clones count together.
#[derive(Clone, Debug)]
pub(crate) struct Stacks {
    kept: Arc<Semaphore>,
    lent: Arc<Semaphore>,
}

/// What an instance has to do with stacks.
pub(crate) struct Stack {
    // None: the engine has a stack for every instance.
    stacks: Option<Stacks>,
    claim: Claim,
    release: Option<TypedFunc<(), ()>>,
}

enum Claim {
    None,
    Kept { _permit: OwnedSemaphorePermit },
    Lent { _permit: OwnedSemaphorePermit },
}

/// What unwinds when a stack is taken out of a store.
struct Released;

// === impl Stacks ===

impl Stacks {
    /// Stacks to keep, and stacks to lend.
    pub(crate) fn new(kept: u32, lent: u32) -> Self {
        Self { kept: Arc::new(Semaphore::new(kept as usize)), lent: Arc::new(Semaphore::new(lent as usize)) }
    }
}

fn unwind() {
    resume_unwind(Box::new(Released))
}

// === impl Stack ===

impl Stack {
    pub(crate) fn new(stacks: Option<Stacks>) -> Self {
        Self { stacks, claim: Claim::None, release: None }
    }

    /// To be called before every entry into the guest: waits for a stack where too many are in use. Cancel-safe.
    pub(crate) async fn claim(&mut self) {
        let (Some(stacks), Claim::None) = (&self.stacks, &self.claim) else { return };
        self.claim = match stacks.kept.clone().try_acquire_owned() {
            Ok(permit) => Claim::Kept { _permit: permit },
            Err(_) => {
                let permit = stacks.lent.clone().acquire_owned().await.expect("never closed");
                Claim::Lent { _permit: permit }
            }
        };
    }

    /// To be called after a call that returned: gives a borrowed stack back.
    pub(crate) fn put_back(&mut self, store: &mut Store<State>) {
        if let Claim::Lent { .. } = self.claim {
            self.take_out(store);
            self.claim = Claim::None;
        }
    }

    /// Makes the store give up its stack. It does so when a call on that stack unwinds, as it does when host code panics: so a host
    /// function is called that does nothing else. No guest is entered, and no panic hook runs.
    fn take_out(&mut self, store: &mut Store<State>) {
        let release = self
            .release
            .get_or_insert_with(|| wasmtime::Func::wrap(&mut *store, unwind).typed(&*store).expect("it has this type"));
        let mut call = pin!(release.call_async(&mut *store, ()));
        let polled = catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(&mut Context::from_waker(Waker::noop()))));
        match polled {
            Err(payload) if payload.is::<Released>() => {}
            Err(payload) => resume_unwind(payload),
            Ok(_) => unreachable!("the function does nothing but unwind"),
        }
    }
}

impl fmt::Debug for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stack").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_finds_none_to_keep_borrows_or_waits() {
        let stacks = Stacks::new(1, 1);
        let [mut first, mut second, mut third] = [(); 3].map(|()| Stack::new(Some(stacks.clone())));
        first.claim().await;
        assert!(matches!(first.claim, Claim::Kept { .. }));
        second.claim().await;
        second.claim().await;
        assert!(matches!(second.claim, Claim::Lent { .. }));
        let second = tokio::spawn(async move {
            tokio::task::yield_now().await;
            drop(second);
        });
        third.claim().await;
        assert!(matches!(third.claim, Claim::Lent { .. }) && second.is_finished());
        let mut unbounded = Stack::new(None);
        unbounded.claim().await;
        assert!(matches!(unbounded.claim, Claim::None));
    }
}
