//! The right to make one call, and the call.

use super::{
    Cell, Content, NoTurn,
    content::{Fallback, Occupant},
};
use crate::{
    answer::{self, Invalid, Reply},
    bindings::{behavior, types},
    failure::Failure,
    guests::{Lost, Started},
    host::log::clean,
    instance::{BehaviorInstance, Sandbox},
    meter::{Account, Place, TimedOut, timed},
    metrics::{Hook, Outcome},
    rest::{Awake, Rest, Saved},
    slots::Slot,
    usage::Stopwatch,
    version::Version,
};
use socklet_core::{Acceptance, Answer, BoxFuture, CallError, DeathKind, Response};
use std::{future::Future, mem, sync::Arc, task::Poll, time::Duration};
use tokio::time::Instant;

/// The right to call, and the duty to bring the instance back. Dropped before the call began, it goes to the next; dropped after
/// that, the instance counts as dead.
pub(crate) struct Turn {
    pub(super) cell: Arc<Cell>,
    pub(super) hook: Hook,
    began: Instant,
    // None when it was given back.
    version: Option<Arc<Version>>,
    /// None from when the call began.
    pub(super) content: Option<Content>,
    pub(super) fallback: Option<Box<Fallback>>,
    /// Of a call on a guest thread, which may be given up.
    account: Option<Arc<Account>>,
    /// The pace knows how slow the call is.
    noted: bool,
    over: bool,
}

/// What came of a call: an instance that may be called again and its answer, or why not.
type Called<R> = Result<Result<(Box<BehaviorInstance>, R), Failure>, TimedOut>;

/// What follows from an answer, if it is a valid one: what becomes of the instance, and what the caller gets.
type Finish<R, A> = fn(&Cell, &Version, Box<BehaviorInstance>, R) -> Result<(Content, A), Invalid>;

// === impl Turn ===

impl Turn {
    pub(super) fn new(cell: Arc<Cell>, hook: Hook, occupant: Occupant) -> Self {
        let began = cell.serving.guests().now();
        let Occupant { version, content, fallback } = occupant;
        Self {
            cell,
            hook,
            began,
            version: Some(version),
            content: Some(content),
            fallback,
            account: None,
            noted: false,
            over: false,
        }
    }

    pub(crate) fn version(&self) -> &Arc<Version> {
        self.version.as_ref().expect("only given back at the end")
    }

    /// Returns the one before.
    pub(super) fn change_version(&mut self, version: Arc<Version>) -> Arc<Version> {
        self.version.replace(version).expect("only given back at the end")
    }

    /// Gives the turn up, for somebody else to have.
    pub(super) fn into_occupant(mut self) -> Option<Occupant> {
        self.over = true;
        self.content.take().map(|content| self.occupant(content))
    }

    /// Sees to it that an instance can be called or made. False when there is no room for one that sleeps, or it has to move.
    pub(crate) fn find_room(&mut self) -> bool {
        if !matches!(self.content, Some(Content::Asleep(_))) {
            return true;
        }
        if self.destination().is_some() {
            return false;
        }
        match self.version().room() {
            Some(slot) => self.enter(slot),
            None => return false,
        }
        true
    }

    /// As [`Turn::find_room`]; moves to a new version where there is one, and waits until others have gone to sleep, as long as a
    /// call may wait. Cancel-safe.
    pub(super) async fn with_room(mut self) -> Result<Self, NoTurn> {
        if let Some(target) = self.destination() {
            let slot = wait_for_room(self.cell.clone(), self.hook, target.clone()).await?;
            self = self.arrive(target, slot).await?;
        }
        if !self.find_room() {
            let slot = wait_for_room(self.cell.clone(), self.hook, self.version().clone()).await?;
            self.enter(slot);
        }
        // Nobody computed meanwhile.
        self.began = self.cell.serving.guests().now();
        Ok(self)
    }

    fn enter(&mut self, slot: Slot) {
        self.content = match self.content.take() {
            Some(Content::Asleep(saved)) => Some(Content::Room(slot, Some(saved))),
            content => content,
        };
    }

    /// The version that the instance, which sleeps, is to wake up in, if that is another.
    fn destination(&self) -> Option<Arc<Version>> {
        match self.content {
            Some(Content::Asleep(_)) => self.cell.destination(self.version()),
            _ => None,
        }
    }

    /// Whether there is an instance to wake before it can be called.
    pub(crate) fn wakes(&self) -> bool {
        matches!(self.content, Some(Content::Room(_, Some(_))))
    }

    /// Whether an older version goes on when the call kills the instance: its caller is to ask again, if the cell has not died.
    pub(crate) fn may_go_back(&self) -> bool {
        self.fallback.is_some()
    }

    /// Ends the instance as if it had trapped.
    pub(crate) fn kill(mut self) {
        let content = self.content.take();
        // No older version goes on: the instance is to be gone.
        self.fallback = None;
        self.fail(&Failure::Died(DeathKind::Trap, "killed on demand".into()), None);
        drop(content);
    }

    /// Puts the instance to sleep. What its plugin has to say is saved first, by a call.
    pub(crate) fn sleep(mut self) -> Started<Result<Rest, CallError>> {
        if !matches!(self.content, Some(Content::Live(_))) {
            return Started::Done(Ok(Rest::Asleep(self.cell.renewed())));
        }
        if self.version().saves() {
            let work = |mut instance: Box<BehaviorInstance>| async move {
                let left = instance.save().await;
                (instance, left)
            };
            return self.start(work, Cell::rest, |rest| !matches!(rest, Rest::Asleep(_)));
        }
        let instance = self.content.replace(Content::Asleep(self.version().saved(None)));
        let worn = self.cell.renewed();
        drop(self);
        drop(instance);
        Started::Done(Ok(Rest::Asleep(worn)))
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
        let place = self.version().place();
        let (account, mut call) = match self.prepare(place, work) {
            Ok(prepared) => prepared,
            Err(failure) => return Started::Done(Err(self.fail(&failure, None))),
        };
        if place == Place::Inline {
            let watch = self.version().pace().watch();
            let stopwatch = Stopwatch::start();
            let polled = self.cell.serving.guests().poll_here(&mut call);
            let time = self.began.elapsed();
            let cpu = stopwatch.stop(time);
            self.version().pace().held(time, watch);
            self.version().scope().household.share.used(cpu);
            match polled {
                Ok(Poll::Ready(called)) => {
                    return Started::Done(self.end(called, &account, Some((time, cpu)), finish, refused));
                }
                Ok(Poll::Pending) if account.was_slow() => self.note(true),
                Ok(Poll::Pending) => {}
                Err(Lost) => {
                    let failure = Failure::Host("host code panicked".into());
                    return Started::Done(Err(self.fail(&failure, None)));
                }
            }
        }
        self.account = Some(account.clone());
        let (serving, share) = (self.cell.serving.clone(), self.version().scope().household.share.clone());
        let rest = async move {
            let called = call.await;
            self.end(called, &account, None, finish, refused)
        };
        Started::Moved(serving.guests().spawn(place, &share, Box::pin(rest)))
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
        let (began, wait) = (self.cell.serving.guests().really(self.began), self.version().scope().wait);
        match self.content.take() {
            Some(Content::Live(mut instance)) => {
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
            Some(Content::Room(slot, saved)) => {
                let version = self.version().clone();
                let sandbox = version.linked().sandbox(version.scope(), slot, self.cell.timers(&version));
                let sandbox = sandbox.map_err(|error| Failure::Host(format!("{error:#}")))?;
                let account = sandbox.account();
                let kept = account.clone();
                let call = async move {
                    timed(&account, place, began, wait, || async {
                        let instance = make(&version, sandbox, saved.as_ref(), &account).await?;
                        let (instance, answer) = work(instance).await;
                        answer.map(|answer| (instance, answer)).map_err(|error| Failure::in_call(&error, &account))
                    })
                    .await
                };
                Ok((kept, Box::pin(call)))
            }
            Some(Content::Asleep(_)) => Err(Failure::Host("an instance was called in its sleep".into())),
            None => Err(Failure::Host("a dead instance was called".into())),
        }
    }

    /// `at_once`: the duration and the CPU time of a call that was done on its caller's thread.
    fn end<R, A>(
        mut self,
        called: Called<R>,
        account: &Account,
        at_once: Option<(Duration, Duration)>,
        finish: Finish<R, A>,
        refused: fn(&A) -> bool,
    ) -> Result<A, CallError> {
        self.note(account.was_slow());
        let (duration, cpu) = at_once.unwrap_or_else(|| (self.began.elapsed(), account.used()));
        let failure = match called {
            Ok(Ok((instance, answer))) => match finish(&self.cell, self.version(), instance, answer) {
                Ok((content, answer)) => {
                    self.over = true;
                    // From here on there is no way back.
                    self.fallback = None;
                    self.version().loaded().trial().passed();
                    let scope = self.version().scope();
                    match refused(&answer) {
                        false if at_once.is_some() => scope.answered_at_once(self.hook, duration, cpu),
                        false => scope.called(self.hook, Outcome::Ok, duration, cpu),
                        true => scope.called(self.hook, Outcome::Refused, duration, cpu),
                    }
                    let occupant = self.occupant(content);
                    self.cell.give(occupant, self.began + duration);
                    return Ok(answer);
                }
                Err(invalid) => Failure::Died(DeathKind::InvalidAnswer, invalid.to_string()),
            },
            Ok(Err(failure)) => failure,
            Err(timed_out) => Failure::timed_out(timed_out),
        };
        Err(self.fail(&failure, Some((account, cpu))))
    }

    /// The call has no answer. `made`: what is known of it, if it was made.
    fn fail(&mut self, failure: &Failure, made: Option<(&Account, Duration)>) -> CallError {
        self.over = true;
        let error = self.version().failed(failure, self.hook);
        let cpu = made.map_or(Duration::ZERO, |(_, cpu)| cpu);
        self.version().scope().called(self.hook, failure.outcome(), self.began.elapsed(), cpu);
        let died = matches!(failure, Failure::Died(..));
        let version = self.version().clone();
        if died
            && let Some((account, _)) = made
            && !account.has_acted()
            && let Some(occupant) = self.go_back()
        {
            self.cell.give(occupant, self.began);
        } else {
            if died {
                self.cell.serving.died(self.cell.on_trial);
            }
            self.cell.die(error);
        }
        if died {
            version.loaded().died();
        }
        error
    }

    /// What the cell has where the instance of a new version has died, and nobody has heard of it.
    fn go_back(&mut self) -> Option<Occupant> {
        let Fallback { version, saved } = *self.fallback.take()?;
        self.cell.refuse(self.version().number());
        self.change_version(version);
        Some(self.occupant(Content::Asleep(saved)))
    }

    fn occupant(&mut self, content: Content) -> Occupant {
        let version = self.version.take().expect("an occupant is made once");
        Occupant { version, content, fallback: self.fallback.take() }
    }

    fn note(&mut self, slow: bool) {
        if !mem::replace(&mut self.noted, true) {
            self.version().pace().note(slow);
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let content = match self.content.take() {
            None if self.over => return,
            None if std::thread::panicking() => {
                self.fail(&Failure::Host("host code panicked".into()), None);
                return;
            }
            None => {
                let account = self.account.take();
                self.fail(&Failure::Canceled, account.as_deref().map(|account| (account, account.used())));
                return;
            }
            // Nobody woke it.
            Some(Content::Room(_, Some(saved))) => Content::Asleep(saved),
            Some(content) => content,
        };
        let occupant = self.occupant(content);
        self.cell.give(occupant, self.began);
    }
}

/// Waits until others have gone to sleep, as long as a call may wait.
async fn wait_for_room(cell: Arc<Cell>, hook: Hook, version: Arc<Version>) -> Result<Slot, NoTurn> {
    if let Some(slot) = version.room() {
        return Ok(slot);
    }
    // An instance that others share goes on after the close of one connection.
    let last = hook == Hook::Close && cell.key.is_none();
    tokio::select! {
        slot = version.next_room(last) => Ok(slot),
        () = cell.serving.guests().sleep(version.scope().wait) => {
            Err(NoTurn::TooLong(version.failed(&Failure::Busy, hook)))
        }
    }
}

/// An instance of a version, with what the last one left.
pub(super) async fn make(
    version: &Version,
    sandbox: Sandbox,
    saved: Option<&Saved>,
    account: &Account,
) -> Result<Box<BehaviorInstance>, Failure> {
    let instance = version.linked().instantiate(sandbox).await;
    let mut instance = Box::new(instance.map_err(|error| Failure::at_start(&error, account))?);
    if let Some(saved) = saved {
        load(&mut instance, saved, account).await?;
    }
    Ok(instance)
}

/// Gives a fresh instance what the last one left.
async fn load(instance: &mut BehaviorInstance, saved: &Saved, account: &Account) -> Result<(), Failure> {
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
        _: &Version,
        instance: Box<BehaviorInstance>,
        answer: Result<behavior::Acceptance, types::Response>,
    ) -> Result<(Content, Result<Acceptance, Response>), Invalid> {
        Ok((self.keep(instance), answer::upgrade(answer)?))
    }

    /// The answer to an event.
    pub(crate) fn after_event(
        &self,
        _: &Version,
        instance: Box<BehaviorInstance>,
        reply: Reply,
    ) -> Result<(Content, Answer), Invalid> {
        Ok((self.keep(instance), answer::hook(reply)?))
    }

    pub(crate) fn after_timer(
        &self,
        _: &Version,
        instance: Box<BehaviorInstance>,
        (): (),
    ) -> Result<(Content, ()), Invalid> {
        Ok((self.keep(instance), ()))
    }

    /// What becomes of an instance that was asked to save.
    fn rest(
        &self,
        version: &Version,
        instance: Box<BehaviorInstance>,
        left: Result<Vec<u8>, String>,
    ) -> Result<(Content, Rest), Invalid> {
        let left = left.map_err(|why| Awake::Refused(clean(&why).into_owned()));
        Ok(match left.and_then(|state| version.saved_if_it_fits(state)) {
            Ok(saved) => (Content::Asleep(saved), Rest::Asleep(self.renewed())),
            Err(why) => {
                let first = self.lies_awake(version, why.clone());
                (Content::Live(instance), Rest::Awake { why, first })
            }
        })
    }
}
