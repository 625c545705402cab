//! One instance of a behavior and the right to call it: one call at a time, callers in order.

use crate::{
    answer::Invalid,
    failure::Failure,
    guests::{Lost, Started},
    instance::BehaviorInstance,
    meter::{Account, Place, TimedOut, timed},
    metrics::{Hook, Outcome},
    policy::Key,
    serving::Serving,
    slots::Slot,
};
use socklet_core::{BoxFuture, CallError, DeathKind, EventId, Lifeline};
use std::{
    collections::{HashMap, VecDeque},
    future::Future,
    mem,
    sync::{Arc, Mutex, MutexGuard, OnceLock, Weak},
    task::Poll,
    time::{Duration, Instant},
};
use tokio::sync::oneshot;

/// The place of one instance, from before it is made until it has died. It goes with its last session.
pub(crate) struct Cell {
    pub(crate) serving: Arc<Serving>,
    lifeline: Lifeline,
    death: OnceLock<CallError>,
    // A std mutex: held for a move of a few pointers and never across an await.
    seat: Mutex<Seat>,
    key: Option<Key>,
}

/// The cells of a route whose instances are shared.
#[derive(Default)]
pub(crate) struct Cells(Mutex<HashMap<Key, Weak<Cell>>>);

/// The right to call, and the duty to bring the instance back. Dropped before the call began, it goes to the next; dropped after
/// that, the instance counts as dead.
pub(crate) struct Turn {
    cell: Arc<Cell>,
    hook: Hook,
    began: Instant,
    content: Content,
    /// The route's pace knows how slow the call is.
    noted: bool,
    over: bool,
}

/// Why there is no turn.
#[derive(Debug)]
pub(crate) enum NoTurn {
    /// The instance has died.
    Dead(CallError),
    /// Others took too long.
    TooLong(CallError),
}

struct Seat {
    content: Content,
    /// Who waits, in order; nobody while there is content. Those who gave up are skipped.
    waiting: VecDeque<(Hook, oneshot::Sender<Turn>)>,
}

enum Content {
    /// No instance yet, but room for one.
    Room(Slot),
    Live(Box<BehaviorInstance>),
    /// With whoever has the turn, or dead.
    Taken,
}

/// What came of a call: an instance that may be called again and its answer, or why not.
type Called<R> = Result<Result<(Box<BehaviorInstance>, R), Failure>, TimedOut>;

// === impl Cell ===

impl Cell {
    pub(crate) fn new(serving: Arc<Serving>, slot: Slot, key: Option<Key>) -> Arc<Self> {
        Arc::new(Self {
            serving,
            lifeline: Lifeline::default(),
            death: OnceLock::new(),
            seat: Mutex::new(Seat { content: Content::Room(slot), waiting: VecDeque::new() }),
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
        match self.seat().content.take() {
            Content::Taken => None,
            content => Some(Turn::new(self.clone(), hook, content)),
        }
    }

    /// Waits for the right to call, as long as a call may wait. Cancel-safe.
    pub(crate) async fn turn(self: &Arc<Self>, hook: Hook) -> Result<Turn, NoTurn> {
        if let Some(turn) = self.try_turn(hook) {
            return Ok(turn);
        }
        let next = self.queue(hook)?;
        let limit = self.serving.guests().sleep(self.serving.scope().wait);
        tokio::select! {
            turn = next => turn.map_err(|_dropped| NoTurn::Dead(self.lost())),
            () = limit => {
                let failure = Failure::Host("other callers of the instance took too long".into());
                Err(NoTurn::TooLong(self.serving.failed(&failure, hook)))
            }
        }
    }

    fn queue(self: &Arc<Self>, hook: Hook) -> Result<oneshot::Receiver<Turn>, NoTurn> {
        let (sender, next) = oneshot::channel();
        let mut seat = self.seat();
        // Looked at under the lock: whoever dies empties the queue after it is known.
        if let Some(error) = self.death() {
            return Err(NoTurn::Dead(error));
        }
        if seat.waiting.len() == seat.waiting.capacity() {
            seat.waiting.retain(|(_, next)| !next.is_closed());
        }
        seat.waiting.push_back((hook, sender));
        let content = seat.content.take();
        drop(seat);
        if !matches!(content, Content::Taken) {
            self.give(content);
        }
        Ok(next)
    }

    /// Hands the instance to who waits longest, or keeps it for who comes.
    fn give(self: &Arc<Self>, mut content: Content) {
        let mut seat = self.seat();
        while let Some((hook, next)) = seat.waiting.pop_front() {
            match next.send(Turn::new(self.clone(), hook, content)) {
                Ok(()) => return,
                Err(mut turn) => {
                    turn.over = true;
                    content = turn.content.take();
                }
            }
        }
        seat.content = content;
    }

    /// The instance is gone. Only the first death counts.
    fn die(&self, error: CallError) {
        let _ = self.death.set(error);
        self.lifeline.cut(error.event());
        let waiting = mem::take(&mut self.seat().waiting);
        drop(waiting);
    }

    fn seat(&self) -> MutexGuard<'_, Seat> {
        self.seat.lock().expect("moving a pointer does not panic")
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

// === impl Content ===

impl Content {
    fn take(&mut self) -> Self {
        mem::replace(self, Self::Taken)
    }
}

// === impl Turn ===

impl Turn {
    fn new(cell: Arc<Cell>, hook: Hook, content: Content) -> Self {
        Self { cell, hook, began: Instant::now(), content, noted: false, over: false }
    }

    /// Makes a call: instantiates first where there is no instance yet, keeps the limits, checks the answer, and brings the
    /// instance back, or tells everybody that it has died. Begins on the caller's thread, unless the route is known to be slow.
    pub(crate) fn start<R, A, F>(
        mut self,
        work: impl FnOnce(Box<BehaviorInstance>) -> F + Send + 'static,
        check: fn(R) -> Result<A, Invalid>,
        refused: fn(&A) -> bool,
    ) -> Started<Result<A, CallError>>
    where
        R: Send + 'static,
        A: Send + 'static,
        F: Future<Output = (Box<BehaviorInstance>, wasmtime::Result<R>)> + Send + 'static,
    {
        let place = self.cell.serving.pace().place();
        let (account, mut call) = match self.prepare(place, work) {
            Ok(prepared) => prepared,
            Err(failure) => return Started::Done(Err(self.fail(&failure, Duration::ZERO))),
        };
        if place == Place::Inline {
            let watch = self.cell.serving.pace().watch();
            let polled = self.cell.serving.guests().poll_here(&mut call);
            let time = self.began.elapsed();
            self.cell.serving.pace().held(time, watch);
            match polled {
                Ok(Poll::Ready(called)) => {
                    return Started::Done(self.end(called, &account, Some(time), check, refused));
                }
                Ok(Poll::Pending) if account.was_slow() => self.note(true),
                Ok(Poll::Pending) => {}
                Err(Lost) => {
                    let failure = Failure::Host("host code panicked".into());
                    return Started::Done(Err(self.fail(&failure, Duration::ZERO)));
                }
            }
        }
        let serving = self.cell.serving.clone();
        let rest = async move {
            let called = call.await;
            self.end(called, &account, None, check, refused)
        };
        Started::Moved(serving.guests().spawn(place, Box::pin(rest)))
    }

    /// The call, not begun yet. What it holds is what a call that is done at once allocates.
    fn prepare<R, F>(
        &mut self,
        place: Place,
        work: impl FnOnce(Box<BehaviorInstance>) -> F + Send + 'static,
    ) -> Result<(Arc<Account>, BoxFuture<Called<R>>), Failure>
    where
        R: Send + 'static,
        F: Future<Output = (Box<BehaviorInstance>, wasmtime::Result<R>)> + Send + 'static,
    {
        let serving = &self.cell.serving;
        let (began, wait) = (self.began, serving.scope().wait);
        match self.content.take() {
            Content::Live(mut instance) => {
                instance.refill();
                let account = instance.account();
                let kept = account.clone();
                let call = async move {
                    timed(&account, place, began, wait, || async {
                        let (instance, answer) = work(instance).await;
                        answer.map(|answer| (instance, answer)).map_err(|error| Failure::in_call(&error, &account))
                    })
                    .await
                };
                Ok((kept, Box::pin(call)))
            }
            Content::Room(slot) => {
                let sandbox = serving.linked().sandbox(serving.scope(), slot);
                let sandbox = sandbox.map_err(|error| Failure::Host(format!("{error:#}")))?;
                let (account, serving) = (sandbox.account(), serving.clone());
                let kept = account.clone();
                let call = async move {
                    timed(&account, place, began, wait, || async {
                        let instance = serving.linked().instantiate(sandbox).await;
                        let instance = Box::new(instance.map_err(|error| Failure::at_start(&error, &account))?);
                        let (instance, answer) = work(instance).await;
                        answer.map(|answer| (instance, answer)).map_err(|error| Failure::in_call(&error, &account))
                    })
                    .await
                };
                Ok((kept, Box::pin(call)))
            }
            Content::Taken => Err(Failure::Host("a dead instance was called".into())),
        }
    }

    fn end<R, A>(
        mut self,
        called: Called<R>,
        account: &Account,
        at_once: Option<Duration>,
        check: fn(R) -> Result<A, Invalid>,
        refused: fn(&A) -> bool,
    ) -> Result<A, CallError> {
        self.note(account.was_slow());
        let duration = at_once.unwrap_or_else(|| self.began.elapsed());
        let cpu = at_once.unwrap_or_else(|| account.used());
        let failure = match called {
            Ok(Ok((instance, answer))) => match check(answer) {
                Ok(answer) => {
                    self.over = true;
                    self.cell.give(Content::Live(instance));
                    let metrics = &self.cell.serving.scope().metrics;
                    match refused(&answer) {
                        false if at_once.is_some() => metrics.answered_at_once(self.hook, duration),
                        false => metrics.called(self.hook, Outcome::Ok, duration, cpu),
                        true => metrics.called(self.hook, Outcome::Refused, duration, cpu),
                    }
                    return Ok(answer);
                }
                Err(invalid) => Failure::Died(DeathKind::InvalidAnswer, invalid.to_string()),
            },
            Ok(Err(failure)) => failure,
            Err(TimedOut) => Failure::Died(DeathKind::Timeout, "waited for too long".into()),
        };
        Err(self.fail(&failure, cpu))
    }

    fn fail(&mut self, failure: &Failure, cpu: Duration) -> CallError {
        self.over = true;
        let serving = &self.cell.serving;
        let error = serving.failed(failure, self.hook);
        serving.scope().metrics.called(self.hook, failure.outcome(), self.began.elapsed(), cpu);
        self.cell.die(error);
        error
    }

    fn note(&mut self, slow: bool) {
        if !mem::replace(&mut self.noted, true) {
            self.cell.serving.pace().note(slow);
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        match self.content.take() {
            Content::Taken if self.over => {}
            Content::Taken if std::thread::panicking() => {
                self.fail(&Failure::Host("host code panicked".into()), Duration::ZERO);
            }
            Content::Taken => {
                self.fail(&Failure::Canceled, Duration::ZERO);
            }
            content => self.cell.give(content),
        }
    }
}
