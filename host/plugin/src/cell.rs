//! One instance of a behavior and the right to call it: one call at a time, callers in order.

use crate::{
    answer::Invalid,
    failure::Failure,
    instance::{BehaviorInstance, Sandbox},
    meter::{Place, TimedOut, timed},
    metrics::{Hook, Outcome},
    policy::Key,
    serving::Serving,
    slots::Slot,
};
use socklet_core::{CallError, DeathKind, EventId, Lifeline};
use std::{
    collections::HashMap,
    future::Future,
    sync::{Arc, Mutex, OnceLock, Weak},
    time::Instant,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The place of one instance, from before it is made until it has died. It goes with its last session.
pub(crate) struct Cell {
    pub(crate) serving: Arc<Serving>,
    lifeline: Lifeline,
    death: OnceLock<CallError>,
    right: Arc<Semaphore>,
    // A std mutex: held for a move of a pointer and never across an await.
    content: Mutex<Content>,
    key: Option<Key>,
}

/// The cells of a route whose instances are shared.
#[derive(Default)]
pub(crate) struct Cells(Mutex<HashMap<Key, Weak<Cell>>>);

/// The right to call, and the duty to bring the instance back. Dropped without that, the instance counts as dead.
pub(crate) struct Turn {
    cell: Arc<Cell>,
    hook: Hook,
    began: Instant,
    over: bool,
    _right: OwnedSemaphorePermit,
}

/// Why there is no turn.
#[derive(Debug)]
pub(crate) enum NoTurn {
    /// The instance has died.
    Dead(CallError),
    /// Others took too long.
    TooLong(CallError),
}

enum Content {
    /// No instance yet, but room for one.
    Room(Slot),
    Live(Box<BehaviorInstance>),
    /// With whoever has the turn, or dead.
    Taken,
}

// === impl Cell ===

impl Cell {
    pub(crate) fn new(serving: Arc<Serving>, slot: Slot, key: Option<Key>) -> Arc<Self> {
        Arc::new(Self {
            serving,
            lifeline: Lifeline::default(),
            death: OnceLock::new(),
            right: Arc::new(Semaphore::new(1)),
            content: Mutex::new(Content::Room(slot)),
            key,
        })
    }

    pub(crate) fn lifeline(&self) -> &Lifeline {
        &self.lifeline
    }

    /// How the instance died, if it has.
    pub(crate) fn death(&self) -> Option<CallError> {
        self.death.get().copied()
    }

    /// The error of a call that was lost to a panic of ours.
    pub(crate) fn lost(&self) -> CallError {
        self.death().unwrap_or_else(|| CallError::Host { event: EventId::next() })
    }

    /// The right to call, if nobody else has it or waits for it.
    pub(crate) fn try_turn(self: &Arc<Self>, hook: Hook) -> Option<Turn> {
        let right = self.right.clone().try_acquire_owned().ok()?;
        Some(Turn::new(self.clone(), hook, right))
    }

    /// Waits for the right to call, as long as a call may wait.
    pub(crate) async fn turn(self: &Arc<Self>, hook: Hook) -> Result<Turn, NoTurn> {
        if let Some(turn) = self.try_turn(hook) {
            return Ok(turn);
        }
        let limit = self.serving.guests().sleep(self.serving.scope().wait);
        tokio::select! {
            right = self.right.clone().acquire_owned() => match right {
                Ok(right) => Ok(Turn::new(self.clone(), hook, right)),
                Err(_closed) => Err(NoTurn::Dead(self.lost())),
            },
            () = limit => {
                let failure = Failure::Host("other callers of the instance took too long".into());
                Err(NoTurn::TooLong(self.serving.failed(&failure, hook)))
            }
        }
    }

    fn put(&self, content: Content) -> Content {
        std::mem::replace(&mut *self.content.lock().expect("moving a pointer does not panic"), content)
    }

    /// The instance is gone. Only the first death counts.
    fn die(&self, error: CallError) {
        let _ = self.death.set(error);
        self.lifeline.cut(error.event());
        self.right.close();
    }
}

impl Drop for Cell {
    fn drop(&mut self) {
        if let Some(key) = &self.key {
            self.serving.cells().forget(key);
        }
    }
}

// === impl Cells ===

impl Cells {
    /// The live cell of a key, or a new one if there is room.
    pub(crate) fn get(&self, serving: &Arc<Serving>, key: Key) -> Option<Arc<Cell>> {
        let mut cells = self.0.lock().expect("a look-up does not panic");
        let found = cells.get(&key).and_then(Weak::upgrade);
        if let Some(cell) = &found
            && cell.death().is_none()
        {
            return Some(cell.clone());
        }
        let cell = serving.linked().slots().lasting().map(|slot| {
            let cell = Cell::new(serving.clone(), slot, Some(key.clone()));
            cells.insert(key, Arc::downgrade(&cell));
            cell
        });
        drop(cells);
        // Here, where the lock is free again: dropping the last handle takes it.
        drop(found);
        cell
    }

    /// Drops the entry of a cell that is going, unless another has taken its place.
    fn forget(&self, key: &Key) {
        let mut cells = self.0.lock().expect("a look-up does not panic");
        if cells.get(key).is_some_and(|cell| cell.strong_count() == 0) {
            cells.remove(key);
        }
    }
}

// === impl Turn ===

impl Turn {
    fn new(cell: Arc<Cell>, hook: Hook, right: OwnedSemaphorePermit) -> Self {
        Self { cell, hook, began: Instant::now(), over: false, _right: right }
    }

    /// Makes a call: instantiates first where there is no instance yet, keeps the limits, checks the answer, and brings the
    /// instance back, or tells everybody that it has died.
    pub(crate) async fn call<R, A, F>(
        mut self,
        place: Place,
        work: impl FnOnce(Box<BehaviorInstance>) -> F + Send,
        check: fn(R) -> Result<A, Invalid>,
        refused: fn(&A) -> bool,
    ) -> Result<A, CallError>
    where
        R: Send,
        F: Future<Output = (Box<BehaviorInstance>, wasmtime::Result<R>)> + Send,
    {
        enum Vessel {
            New(Sandbox),
            Live(Box<BehaviorInstance>),
        }
        let cell = self.cell.clone();
        let serving = &*cell.serving;
        let vessel = match cell.put(Content::Taken) {
            Content::Live(mut instance) => {
                instance.refill();
                Vessel::Live(instance)
            }
            Content::Room(slot) => match serving.linked().sandbox(serving.scope(), slot) {
                Ok(sandbox) => Vessel::New(sandbox),
                Err(error) => return Err(self.fail(&Failure::Host(format!("{error:#}")), None)),
            },
            Content::Taken => return Err(self.fail(&Failure::Host("a dead instance was called".into()), None)),
        };
        let account = match &vessel {
            Vessel::New(sandbox) => sandbox.account(),
            Vessel::Live(instance) => instance.account(),
        };
        let called = timed(&account, place, serving.scope().wait, async {
            let instance = match vessel {
                Vessel::Live(instance) => instance,
                Vessel::New(sandbox) => {
                    let instance = serving.linked().instantiate(sandbox).await;
                    Box::new(instance.map_err(|error| Failure::at_start(&error, &account))?)
                }
            };
            let (instance, answer) = work(instance).await;
            answer.map(|answer| (instance, answer)).map_err(|error| Failure::in_call(&error, &account))
        })
        .await;
        serving.pace().note(account.was_slow());
        let failure = match called {
            Ok(Ok((instance, answer))) => match check(answer) {
                Ok(answer) => {
                    let outcome = if refused(&answer) { Outcome::Refused } else { Outcome::Ok };
                    cell.put(Content::Live(instance));
                    self.over = true;
                    serving.called(self.hook, outcome, self.began.elapsed(), account.used());
                    return Ok(answer);
                }
                Err(invalid) => Failure::Died(DeathKind::InvalidAnswer, invalid.to_string()),
            },
            Ok(Err(failure)) => failure,
            Err(TimedOut) => Failure::Died(DeathKind::Timeout, "waited for too long".into()),
        };
        Err(self.fail(&failure, Some(account.used())))
    }

    fn fail(&mut self, failure: &Failure, cpu: Option<std::time::Duration>) -> CallError {
        self.over = true;
        let serving = &self.cell.serving;
        let error = serving.failed(failure, self.hook);
        serving.called(self.hook, failure.outcome(), self.began.elapsed(), cpu.unwrap_or_default());
        self.cell.die(error);
        error
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        if std::thread::panicking() {
            self.fail(&Failure::Host("host code panicked".into()), None);
        } else {
            self.fail(&Failure::Canceled, None);
        }
    }
}
