//! What a test in Rust holds: a route and its peers. What is not as expected is a panic that shows the conversation.

use crate::{
    conversation::Entry,
    expect::{Expected, Mismatch},
    request::{Refused, Request},
    setup::Component,
    stage::Stage,
    watch::{Pattern, Watch},
    world::Arrived,
};
use serde_json::Value;
use socklet_core::{ConnectionId, Opcode};
use std::{
    cell::{Cell, Ref, RefCell},
    fmt,
    rc::Rc,
    time::Duration,
};

/// A route with a plugin. Dropping it checks that nothing came that nobody expected, unless [`Route::lenient`] was called.
pub struct Route(Rc<Inner>);

/// A client of the route. Dropping it does not close its connection.
#[derive(Clone)]
pub struct Peer {
    inner: Rc<Inner>,
    id: ConnectionId,
}

pub(crate) struct Inner {
    stage: RefCell<Stage>,
    watch: RefCell<Watch>,
    peers: Cell<usize>,
    strict: Cell<bool>,
}

// === impl Route ===

impl Route {
    pub(crate) fn new(stage: Stage) -> Self {
        Self(Rc::new(Inner {
            stage: RefCell::new(stage),
            watch: RefCell::default(),
            peers: Cell::new(0),
            strict: Cell::new(true),
        }))
    }

    /// Connects a peer, which has to be let in.
    #[track_caller]
    pub fn connect(&self, request: Request) -> Peer {
        self.connect_as(&self.next_name(), request)
    }

    /// As [`Route::connect`], with a name for the conversation.
    #[track_caller]
    pub fn connect_as(&self, name: &str, request: Request) -> Peer {
        match self.ask(name, request) {
            Ok(peer) => peer,
            Err(refused) => self
                .0
                .fail(&Mismatch::new("a connection", format!("a refusal: {} {:?}", refused.status, refused.text()))),
        }
    }

    /// Sends a request that has to be refused.
    #[track_caller]
    pub fn connect_refused(&self, request: Request) -> Refused {
        match self.ask(&self.next_name(), request) {
            Ok(_) => self.0.fail(&Mismatch::new("a refusal", "a connection")),
            Err(refused) => refused,
        }
    }

    /// Lets time pass: timers fire, idle instances sleep and principals expire when they are due.
    pub fn advance(&self, time: Duration) {
        self.0.stage().advance(time);
    }

    /// Has another component take over, with the same settings, while connections stay.
    #[track_caller]
    pub fn swap(&self, component: impl Into<Component>) {
        let swapped = self.0.stage.borrow_mut().swap(component.into().source);
        self.0.check(swapped);
    }

    /// There is a line of the log with this text, behind the last one that was expected.
    #[track_caller]
    pub fn expect_log(&self, text: impl Into<Pattern>) {
        let entries = self.conversation();
        let found = self.0.watch.borrow_mut().expect_log(&entries, None, &text.into());
        self.0.check(found);
    }

    /// An instance has died, and what is told of it has this text. A death that nobody expects is a failure.
    #[track_caller]
    pub fn expect_death(&self, text: impl Into<Pattern>) {
        let entries = self.conversation();
        let found = self.0.watch.borrow_mut().expect_death(&entries, None, &text.into());
        self.0.check(found);
    }

    /// What happened so far.
    pub fn conversation(&self) -> Vec<Entry> {
        self.0.stage().conversation()
    }

    /// From now on messages and deaths that nobody expected are fine.
    pub fn lenient(&self) {
        self.0.strict.set(false);
    }

    /// Checks that nothing came that nobody expected.
    #[track_caller]
    pub fn finish(self) {
        self.0.finish();
    }

    fn ask(&self, name: &str, request: Request) -> Result<Peer, Refused> {
        let id = self.0.stage().connect(name, request)?;
        Ok(Peer { inner: self.0.clone(), id })
    }

    fn next_name(&self) -> String {
        self.0.peers.set(self.0.peers.get() + 1);
        format!("peer {}", self.0.peers.get())
    }
}

impl Drop for Route {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.0.finish();
        }
    }
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Route").finish_non_exhaustive()
    }
}

// === impl Peer ===

impl Peer {
    /// Sends a text message.
    #[track_caller]
    pub fn send(&self, text: &str) {
        self.send_frame(Opcode::Text, true, text.as_bytes());
    }

    /// Sends JSON as a text message.
    #[track_caller]
    pub fn send_json(&self, value: &Value) {
        self.send(&value.to_string());
    }

    /// Sends a binary message.
    #[track_caller]
    pub fn send_binary(&self, bytes: &[u8]) {
        self.send_frame(Opcode::Binary, true, bytes);
    }

    /// Sends one frame, such as a fragment. Not a close frame: see [`Peer::close`].
    #[track_caller]
    pub fn send_frame(&self, opcode: Opcode, fin: bool, payload: &[u8]) {
        let sent = self.inner.stage().send(self.id, opcode, fin, payload);
        self.inner.check(sent);
    }

    /// Closes the connection.
    #[track_caller]
    pub fn close(&self, code: u16, reason: &str) {
        let closed = self.inner.stage().close(self.id, Some((code, reason)));
        self.inner.check(closed);
    }

    /// Goes away without a close frame.
    #[track_caller]
    pub fn vanish(&self) {
        let vanished = self.inner.stage().vanish(self.id);
        self.inner.check(vanished);
    }

    /// Stops reading: what is sent waits in the host's queue.
    pub fn stop_reading(&self) {
        self.inner.stage().reads(self.id, false);
    }

    /// Reads again; what waited arrives.
    pub fn read_on(&self) {
        self.inner.stage().reads(self.id, true);
    }

    /// Answers pings, or does not. It does by itself.
    pub fn answer_pings(&self, answers: bool) {
        self.inner.stage().answers(self.id, answers);
    }

    /// What comes next is this text.
    #[track_caller]
    pub fn expect(&self, text: &str) {
        self.expect_next(&Expected::Text(text.to_owned()));
    }

    /// What comes next is this JSON in a text message.
    #[track_caller]
    pub fn expect_json(&self, value: Value) {
        self.expect_next(&Expected::Json(value));
    }

    /// What comes next is this binary message.
    #[track_caller]
    pub fn expect_binary(&self, bytes: &[u8]) {
        self.expect_next(&Expected::Binary(bytes.to_vec()));
    }

    /// What comes next is a close frame with this code.
    #[track_caller]
    pub fn expect_close(&self, code: u16) {
        self.expect_next(&Expected::Close { code, reason: None });
    }

    /// What comes next.
    #[track_caller]
    pub fn expect_next(&self, expected: &Expected) {
        let came = self.inner.stage().expect(self.id, expected);
        self.inner.check(came);
    }

    /// Nothing has come.
    #[track_caller]
    pub fn expect_nothing(&self) {
        let came = self.inner.stage().expect_nothing(self.id);
        self.inner.check(came);
    }

    /// The message that comes next, whatever it is.
    #[track_caller]
    pub fn receive(&self) -> crate::Payload {
        match self.inner.stage().receive(self.id) {
            Some(payload) => payload,
            None => self.inner.fail(&Mismatch::new("a message", "nothing")),
        }
    }

    /// Puts the instance that serves this peer to sleep; the next event wakes it.
    #[track_caller]
    pub fn hibernate(&self) {
        let slept = self.inner.stage().hibernate(self.id);
        self.inner.check(slept);
    }

    /// Ends the instance that serves this peer as if it had trapped: its connections close with 1011.
    #[track_caller]
    pub fn kill(&self) {
        let killed = self.inner.kill(self.id);
        self.inner.check(killed);
    }

    /// What the instance that serves this peer is doing: `live`, `hibernated` or `dead`; none when there is none.
    pub fn instance(&self) -> Option<&'static str> {
        self.inner.stage().instance(self.id)
    }

    /// In how long a timer of the instance that serves this peer is due; none when it is not set.
    pub fn timer(&self, name: &str) -> Option<Duration> {
        self.inner.stage().timer(self.id, name)
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peer").field("id", &self.id).finish_non_exhaustive()
    }
}

// === impl Inner ===

impl Inner {
    fn stage(&self) -> Ref<'_, Stage> {
        self.stage.borrow()
    }

    fn kill(&self, id: ConnectionId) -> Result<(), Mismatch> {
        let before = self.stage().conversation().len();
        let killed = self.stage().kill(id);
        self.watch.borrow_mut().forgive(before, &self.stage().conversation());
        killed
    }

    #[track_caller]
    fn check(&self, outcome: Result<(), Mismatch>) {
        if let Err(mismatch) = outcome {
            self.fail(&mismatch);
        }
    }

    #[track_caller]
    fn fail(&self, mismatch: &Mismatch) -> ! {
        // Whoever fails need not hear of what comes after that.
        self.strict.set(false);
        let conversation: String = self.stage().conversation().iter().map(|entry| format!("{entry}\n")).collect();
        panic!("{mismatch}\n\nso far:\n{conversation}");
    }

    #[track_caller]
    fn finish(&self) {
        if !self.strict.replace(false) {
            return;
        }
        let unexpected = self.stage().unexpected(&self.watch.borrow());
        if let Some(mismatch) = unexpected {
            self.fail(&mismatch);
        }
    }
}

impl Stage {
    pub(crate) fn expect_nothing(&self, id: ConnectionId) -> Result<(), Mismatch> {
        let came = self.world().with(id, |connection| connection.inbox.front().map(Arrived::to_string)).flatten();
        came.map_or(Ok(()), |came| Err(Mismatch::new("nothing", came)))
    }

    fn receive(&self, id: ConnectionId) -> Option<crate::Payload> {
        let front = |connection: &mut crate::world::Connection| match connection.inbox.front() {
            Some(Arrived::Payload(_)) => connection.inbox.pop_front(),
            _ => None,
        };
        match self.world().with(id, front)?? {
            Arrived::Payload(payload) => Some(payload),
            Arrived::Closed(_) => None,
        }
    }

    /// What came and nobody expected.
    pub(crate) fn unexpected(&self, watch: &Watch) -> Option<Mismatch> {
        let (left, entries) = {
            let state = self.world().state();
            let of = |connection: &crate::world::Connection| {
                connection.inbox.iter().map(|arrived| format!("{} <- {arrived}", connection.name)).collect::<Vec<_>>()
            };
            (state.connections.values().flat_map(of).collect::<Vec<_>>(), state.conversation.clone())
        };
        let deaths = watch.deaths(&entries);
        let died = deaths.iter().map(|(index, ..)| entries[*index].event_text());
        let all: Vec<String> = left.into_iter().chain(died).collect();
        let first = all.first()?.clone();
        let more = all.len() - 1;
        let mismatch = Mismatch::new("nothing more", first);
        Some(if more > 0 {
            mismatch.because(format!("and {more} more:\n          {}", all[1..].join("\n          ")))
        } else {
            mismatch
        })
    }
}
