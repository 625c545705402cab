//! The right to make one call, and the call.

use super::{Cell, Content, NoTurn};
use crate::{
    answer::{self, Invalid, Reply},
    bindings::{behavior, types},
    failure::Failure,
    guests::{Lost, Started},
    host::log::clean,
    instance::BehaviorInstance,
    meter::{Account, Place, TimedOut, timed},
    metrics::{Hook, Outcome},
    rest::{Awake, Rest, Saved},
};
use socklet_core::{Acceptance, Answer, BoxFuture, CallError, DeathKind, Response};
use std::{future::Future, mem, sync::Arc, task::Poll, time::Duration};
use tokio::time::Instant;

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

/// What came of a call: an instance that may be called again and its answer, or why not.
type Called<R> = Result<Result<(Box<BehaviorInstance>, R), Failure>, TimedOut>;

/// What follows from an answer, if it is a valid one: what becomes of the instance, and what the caller gets.
type Finish<R, A> = fn(&Cell, Box<BehaviorInstance>, R) -> Result<(Content, A), Invalid>;

// === impl Turn ===

impl Turn {
    pub(super) fn new(cell: Arc<Cell>, hook: Hook, content: Content) -> Self {
        let began = cell.serving.guests().now();
        Self { cell, hook, began, content, noted: false, over: false }
    }

    /// Gives the turn up, for somebody else to have.
    pub(super) fn into_content(mut self) -> Content {
        self.over = true;
        self.content.take()
    }

    /// Sees to it that an instance can be called or made. False when there is no room for one that sleeps.
    pub(crate) fn find_room(&mut self) -> bool {
        match self.content.take() {
            Content::Asleep(saved) => match self.cell.serving.room() {
                Some(slot) => self.content = Content::Room(slot, Some(saved)),
                None => {
                    self.content = Content::Asleep(saved);
                    return false;
                }
            },
            content => self.content = content,
        }
        true
    }

    /// As [`Turn::find_room`]; waits until others have gone to sleep, as long as a call may wait. Cancel-safe.
    pub(super) async fn with_room(mut self) -> Result<Self, NoTurn> {
        if self.find_room() {
            return Ok(self);
        }
        let serving = self.cell.serving.clone();
        // An instance that others share goes on after the close of one connection.
        let last = self.hook == Hook::Close && self.cell.key.is_none();
        let slot = tokio::select! {
            slot = serving.next_room(last) => slot,
            () = serving.guests().sleep(serving.scope().wait) => {
                return Err(NoTurn::TooLong(serving.failed(&Failure::Busy, self.hook)));
            }
        };
        if let Content::Asleep(saved) = self.content.take() {
            self.content = Content::Room(slot, Some(saved));
        }
        // Nobody computed meanwhile.
        self.began = serving.guests().now();
        Ok(self)
    }

    /// Whether there is an instance to wake before it can be called.
    pub(crate) fn wakes(&self) -> bool {
        matches!(self.content, Content::Room(_, Some(_)))
    }

    /// Puts the instance to sleep. What its plugin has to say is saved first, by a call; none was needed where this is done.
    pub(crate) fn sleep(mut self) -> Option<Started<Result<Rest, CallError>>> {
        if !matches!(self.content, Content::Live(_)) {
            return None;
        }
        if self.cell.serving.saves() {
            let work = |mut instance: Box<BehaviorInstance>| async move {
                let left = instance.save().await;
                (instance, left)
            };
            return Some(self.start(work, Cell::rest, |rest| !matches!(rest, Rest::Asleep)));
        }
        let instance = mem::replace(&mut self.content, Content::Asleep(self.cell.serving.saved(None)));
        drop(self);
        drop(instance);
        None
    }

    /// Makes a call: instantiates and loads first where there is no instance, keeps the limits, checks the answer, and brings
    /// the instance back, or tells everybody that it has died. Begins on the caller's thread, unless the route is known to be
    /// slow.
    pub(crate) fn start<R, A, F>(
        mut self,
        work: impl FnOnce(Box<BehaviorInstance>) -> F + Send + 'static,
        finish: Finish<R, A>,
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
                    return Started::Done(self.end(called, &account, Some(time), finish, refused));
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
            self.end(called, &account, None, finish, refused)
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
        let (began, wait) = (self.began.into_std(), serving.scope().wait);
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
            Content::Room(slot, saved) => {
                let sandbox = serving.linked().sandbox(serving.scope(), slot, self.cell.timers().cloned());
                let sandbox = sandbox.map_err(|error| Failure::Host(format!("{error:#}")))?;
                let (account, serving) = (sandbox.account(), serving.clone());
                let kept = account.clone();
                let call = async move {
                    timed(&account, place, began, wait, || async {
                        let instance = serving.linked().instantiate(sandbox).await;
                        let mut instance = Box::new(instance.map_err(|error| Failure::at_start(&error, &account))?);
                        if let Some(saved) = saved {
                            load(&mut instance, saved, &account).await?;
                        }
                        let (instance, answer) = work(instance).await;
                        answer.map(|answer| (instance, answer)).map_err(|error| Failure::in_call(&error, &account))
                    })
                    .await
                };
                Ok((kept, Box::pin(call)))
            }
            Content::Asleep(_) => Err(Failure::Host("an instance was called in its sleep".into())),
            Content::Taken => Err(Failure::Host("a dead instance was called".into())),
        }
    }

    fn end<R, A>(
        mut self,
        called: Called<R>,
        account: &Account,
        at_once: Option<Duration>,
        finish: Finish<R, A>,
        refused: fn(&A) -> bool,
    ) -> Result<A, CallError> {
        self.note(account.was_slow());
        let duration = at_once.unwrap_or_else(|| self.began.elapsed());
        let cpu = at_once.unwrap_or_else(|| account.used());
        let failure = match called {
            Ok(Ok((instance, answer))) => match finish(&self.cell, instance, answer) {
                Ok((content, answer)) => {
                    self.over = true;
                    self.cell.give(content, self.began + duration);
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
        if let Failure::Died(..) = failure {
            serving.died(self.cell.on_trial);
        }
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
            // Nobody woke it.
            Content::Room(_, Some(saved)) => self.cell.give(Content::Asleep(saved), self.began),
            content => self.cell.give(content, self.began),
        }
    }
}

/// Gives a fresh instance what the last one left.
async fn load(instance: &mut BehaviorInstance, saved: Saved, account: &Account) -> Result<(), Failure> {
    let Some(state) = saved.state() else { return Ok(()) };
    match instance.load(state).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(why)) => Err(Failure::Died(DeathKind::Load, clean(&why).into_owned())),
        Err(error) => Err(Failure::in_call(&error, account)),
    }
}

// === impl Cell ===

impl Cell {
    /// The answer to `on-upgrade`.
    pub(crate) fn after_upgrade(
        &self,
        instance: Box<BehaviorInstance>,
        answer: Result<behavior::Acceptance, types::Response>,
    ) -> Result<(Content, Result<Acceptance, Response>), Invalid> {
        Ok((self.keep(instance), answer::upgrade(answer)?))
    }

    /// The answer to an event.
    pub(crate) fn after_event(
        &self,
        instance: Box<BehaviorInstance>,
        reply: Reply,
    ) -> Result<(Content, Answer), Invalid> {
        Ok((self.keep(instance), answer::hook(reply)?))
    }

    pub(crate) fn after_timer(&self, instance: Box<BehaviorInstance>, (): ()) -> Result<(Content, ()), Invalid> {
        Ok((self.keep(instance), ()))
    }

    /// What becomes of an instance that was asked to save.
    fn rest(&self, instance: Box<BehaviorInstance>, left: Result<Vec<u8>, String>) -> Result<(Content, Rest), Invalid> {
        let left = left.map_err(|why| Awake::Refused(clean(&why).into_owned()));
        Ok(match left.and_then(|state| self.serving.saved_if_it_fits(state)) {
            Ok(saved) => (Content::Asleep(saved), Rest::Asleep),
            Err(why) => (Content::Live(instance), Rest::Awake { why, first: self.lies_awake() }),
        })
    }
}
