//! One route, and the model of it: takes a step in both, and compares.

use super::steps::{Change, Step, Temper};
use crate::harness::{Client, Host, Net, Route, config, guest, request};
use socklet_core::{Answer, CallError, Cause, ConnectionId, Event, Quotas, Tenant};
use socklet_plugin::{CallLimits, InstancePolicy, Plugin, PluginConfig, RouteInstances, Swapped, VersionRole};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, mpsc},
    time::Duration,
};
use tokio::{
    task::{JoinSet, spawn_blocking, yield_now},
    time::{Instant, advance},
};

const LIVE: &str = "plugin_instances{state=\"live\"}";
const ASLEEP: &str = "plugin_instances{state=\"hibernated\"}";
const SAVED: &str = "plugin_saved_bytes";
const MEMORY: &str = "plugin_memory_bytes";

/// What the tenant may have.
const TIMERS: usize = 10_000;
const SAVED_STATE: usize = 1 << 20;
/// Connections at a time.
const TALKERS: usize = 12;
/// Milliseconds of the machine's that whatever must come may take.
const PATIENCE: u32 = 5_000;
/// Of eight seconds each, in which any timer fires and whoever heard of one falls asleep.
const ROUNDS: u32 = 25;
/// More than a few milliseconds.
const BUSY: &str = "busy 4000000";

type Checked<T = ()> = Result<T, String>;

macro_rules! ensure {
    ($holds:expr, $($message:tt)+) => {
        if !$holds {
            return Err(format!($($message)+));
        }
    };
}

pub(super) struct World {
    host: Host,
    plugin: Plugin,
    route: Route,
    tenant: Arc<Tenant>,
    policy: InstancePolicy,
    /// By their numbers, from 1.
    tempers: Vec<Temper>,
    cells: Vec<Cell>,
    talkers: Vec<Talker>,
    /// What everybody hears, and every end.
    witness: ConnectionId,
    /// How often the end of each was to be told.
    ends: BTreeMap<ConnectionId, usize>,
    told: BTreeMap<ConnectionId, usize>,
    timers: usize,
    /// While it is there, the time stands still.
    _still: mpsc::Sender<()>,
}

struct Talker {
    client: Client,
    cell: usize,
}

/// What is known of an instance's place.
#[derive(Debug)]
struct Cell {
    key: Option<u8>,
    members: usize,
    messages: u64,
    dead: bool,
    /// The versions that it may be in.
    at: BTreeSet<u32>,
    /// Those that are set, by the time when they are due.
    timers: BTreeMap<(Instant, usize), String>,
}

/// An answer of the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Said {
    version: u32,
    count: u64,
}

/// The current version, and whether it may give way by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Current {
    number: u32,
    on_trial: bool,
}

impl World {
    pub(super) async fn new(host: Host, policy: InstancePolicy) -> Self {
        let (still, wait) = mpsc::channel::<()>();
        spawn_blocking(move || wait.recv());
        let plugin = host.load(version(1, Temper::Good)).await.unwrap();
        let quotas = Quotas { timers: Some(TIMERS), saved_state: Some(SAVED_STATE), ..Quotas::default() };
        let tenant = Arc::new(Tenant::new("acme".parse().unwrap(), quotas));
        let net = Arc::new(Net::default());
        let instances =
            RouteInstances { policy: policy.clone(), hibernate_after: Some(Duration::from_secs(60)), max_deaths: None };
        let behavior = plugin.behavior(&tenant, &"main".parse().unwrap(), instances, net.clone()).unwrap();
        let witness = net.witness("obituaries");
        Self {
            host,
            plugin,
            route: Route { net, behavior },
            tenant,
            policy,
            tempers: vec![Temper::Good],
            cells: Vec::new(),
            talkers: Vec::new(),
            witness,
            ends: BTreeMap::new(),
            told: BTreeMap::new(),
            timers: 0,
            _still: still,
        }
    }

    pub(super) async fn take(&mut self, step: Step) -> Checked {
        Self::catch_up().await;
        let before = self.current();
        let mut mortal = false;
        match step {
            Step::Connect(key) => mortal = self.connect(key, before).await?,
            Step::Say(who) => mortal = self.say(who, "hello", before).await?,
            Step::Ponder(who) => mortal = self.say(who, BUSY, before).await?,
            Step::Timer(who, ms) => mortal = self.set_timer(who, ms, before).await?,
            Step::Trap(who) => mortal = self.trap(who, before).await?,
            Step::Idle => mortal = self.idle(before).await?,
            Step::Change(ref change) => self.change(change).await,
            Step::Burst(ref change) => mortal = self.burst(change, before).await?,
            Step::Close(who) => mortal = self.close(who, before).await?,
            Step::Drop(who) => self.drop(who),
        }
        self.settle().await?;
        self.buries_the_dead(before, mortal)?;
        self.cells.iter_mut().filter(|cell| cell.dead).for_each(|cell| cell.timers.clear());
        let after = self.current();
        if before != after && !matches!(step, Step::Change(_) | Step::Burst(Some(_))) {
            let proved = Current { on_trial: false, ..before };
            ensure!(before.on_trial, "version {} did not stay", before.number);
            ensure!(after == proved || mortal, "version {} gave way to {} for nothing", before.number, after.number);
        }
        Ok(())
    }

    /// Ends whatever is left: nothing may be left of it.
    pub(super) async fn end(mut self) -> Checked {
        while !self.talkers.is_empty() {
            self.take(Step::Close(self.talkers.len())).await?;
        }
        for series in [LIVE, ASLEEP, SAVED, MEMORY] {
            self.comes(series, 0.0).await?;
        }
        let statuses = self.plugin.versions();
        ensure!(statuses.iter().all(|status| status.live + status.hibernated == 0), "{statuses:?}");
        ensure!(statuses.iter().all(|status| status.role != VersionRole::Old), "{statuses:?}");
        ensure!(self.tenant.timers().take(TIMERS).is_some(), "a timer is left");
        ensure!(self.tenant.saved_state().take(SAVED_STATE).is_some(), "a state is left");
        advance(Duration::from_secs(1_000)).await;
        self.settle().await?;
        let late = self.heard()?;
        ensure!(late.is_empty(), "{late:?} of who is gone");
        ensure!(self.told == self.ends, "ends told: {:?}, and there were {:?}", self.told, self.ends);
        Ok(())
    }

    // --- steps ---

    async fn connect(&mut self, key: u8, before: Current) -> Checked<bool> {
        if self.talkers.len() == TALKERS {
            return Ok(false);
        }
        let key = match self.policy {
            InstancePolicy::Connection | InstancePolicy::Event => None,
            InstancePolicy::Shared => Some(0),
            InstancePolicy::Key(_) => Some(key),
        };
        let room = key.map(|key| ("room".to_owned(), key.to_string()));
        let found =
            key.and_then(|_| self.cells.iter().position(|cell| cell.key == key && cell.members > 0 && !cell.dead));
        let mut asked = request("");
        asked.captures = room.into_iter().collect();
        let cell = found.unwrap_or_else(|| {
            self.cells.push(Cell::new(key));
            self.cells.len() - 1
        });
        let mortal = self.is_mortal(cell, before);
        self.may_be_at(cell, &[before, self.current()]);
        let mut client = match self.route.try_accept(asked).await {
            Ok(client) => client,
            Err(error) => {
                ensure!(mortal, "nobody was let in: {error:?}");
                return Ok(true);
            }
        };
        self.may_be_at(cell, &[self.current()]);
        let opened = client.call(Event::Open).await;
        ensure!(mortal || opened == Ok(Answer::Proceed), "opened: {opened:?}");
        self.cells[cell].members += 1;
        self.talkers.push(Talker { client, cell });
        Ok(mortal)
    }

    async fn say(&mut self, who: usize, text: &str, before: Current) -> Checked<bool> {
        let Some(who) = self.one(who) else { return Ok(false) };
        let Talker { client, cell } = &mut self.talkers[who];
        let cell = *cell;
        let outcome = client.say(text).await;
        let said = answers(&client.received())?;
        // Where a version gives way, it does so at once.
        pause().await;
        let now = self.current();
        let mortal = self.is_mortal(cell, before);
        self.may_be_at(cell, &[before, now]);
        let messages = self.cells[cell].messages;
        self.are_next(cell, &said, messages)?;
        match outcome {
            Ok(answer) => {
                ensure!(!self.cells[cell].dead, "the dead have answered");
                ensure!(answer == Answer::Proceed && said.len() == 1, "{answer:?}, {said:?}");
                let version = said[0].version;
                ensure!(self.temper(version).answers(), "{said:?} of who cannot");
                let settled = before == now
                    && self.temper(now.number).takes_over()
                    && self.cells[cell]
                        .at
                        .iter()
                        .all(|version| self.temper(*version).leaves() || *version == now.number);
                ensure!(!settled || version == now.number, "version {version} answered, not {}", now.number);
                self.cells[cell].messages = if self.is_fleeting() { 0 } else { messages + 1 };
                self.cells[cell].at = [version].into();
            }
            Err(_) if self.cells[cell].dead => ensure!(said.is_empty(), "{said:?} of the dead"),
            Err(error) => {
                ensure!(mortal || self.is_mortal(cell, now), "{error:?}");
                ensure!(
                    said.iter().all(|said| self.temper(said.version) == Temper::DiesWhenSent),
                    "{error:?} after {said:?}"
                );
            }
        }
        Ok(mortal || self.is_mortal(cell, now))
    }

    async fn set_timer(&mut self, who: usize, ms: u64, before: Current) -> Checked<bool> {
        self.timers += 1;
        let (name, due) = (format!("t{}", self.timers), Instant::now() + Duration::from_millis(ms));
        let Some(index) = self.one(who) else { return Ok(false) };
        let cell = self.talkers[index].cell;
        let mortal = self.say(who, &format!("timer {name} {ms}"), before).await?;
        // Whoever died of it has set it, and is gone with it.
        self.cells[cell].timers.insert((due, self.timers), name);
        Ok(mortal)
    }

    async fn trap(&mut self, who: usize, before: Current) -> Checked<bool> {
        let Some(who) = self.one(who) else { return Ok(false) };
        let Talker { client, cell } = &mut self.talkers[who];
        let died = client.say("trap").await;
        ensure!(matches!(died, Err(CallError::Died { .. })), "{died:?}");
        let said = answers(&client.received())?;
        ensure!(said.is_empty(), "{said:?}");
        let cell = *cell;
        self.cells[cell].at.insert(before.number);
        self.cells[cell].dead = true;
        Ok(true)
    }

    async fn idle(&mut self, before: Current) -> Checked<bool> {
        let mut mortal = (0..self.cells.len()).any(|cell| self.is_mortal(cell, before));
        let mut heard = Vec::new();
        for round in 0..PATIENCE {
            advance(Duration::from_millis(8_001)).await;
            pause().await;
            self.settle().await?;
            heard.extend(self.heard()?);
            if round >= ROUNDS {
                // Calls on other threads take the machine's time, and the bed-time is after them.
                if self.is_quiet(&heard) {
                    break;
                }
                a_moment().await;
            }
        }
        let now = self.current();
        for cell in 0..self.cells.len() {
            self.may_be_at(cell, &[before, now]);
            mortal |= self.is_mortal(cell, now);
        }
        self.buries_the_dead(before, mortal)?;
        for index in 0..self.cells.len() {
            let cell = &mut self.cells[index];
            let wanted: Vec<_> = std::mem::take(&mut cell.timers).into_values().collect();
            let (gone, messages) = (cell.dead || cell.members == 0, cell.messages);
            let (of_cell, others): (Vec<_>, Vec<_>) = heard.into_iter().partition(|(name, _)| wanted.contains(name));
            heard = others;
            let told: Vec<_> = of_cell.iter().map(|(name, _)| name.clone()).collect();
            ensure!(
                told == wanted || gone && wanted.starts_with(&told),
                "timers {wanted:?} fired as {told:?} in {:?}",
                self.cells[index]
            );
            for (name, said) in of_cell {
                ensure!(said.count == messages, "{name} came with {said:?}, after {messages} messages");
                ensure!(self.cells[index].at.contains(&said.version), "{name} came with {said:?}");
            }
        }
        ensure!(heard.is_empty(), "nobody set {heard:?}");
        self.sleep_is_deep().await?;
        Ok(mortal)
    }

    async fn change(&mut self, change: &Change) {
        if let Some(next) = self.prepare(change).await {
            next(self);
        }
    }

    /// The change, to be made at once.
    async fn prepare(&mut self, change: &Change) -> Option<Box<dyn FnOnce(&mut Self)>> {
        match change {
            Change::Swap(temper) => {
                let (number, temper) = (self.tempers.len() as u32 + 1, *temper);
                let next = self.plugin.load_next(version(number, temper)).await.unwrap();
                Self::catch_up().await;
                Some(Box::new(move |world: &mut Self| {
                    world.tempers.push(temper);
                    world
                        .around(|_| assert!(matches!(next.install(), Swapped::To(status) if status.version == number)));
                }))
            }
            Change::RollBack => Some(Box::new(|world: &mut Self| world.around(|plugin| drop(plugin.roll_back())))),
        }
    }

    fn around(&mut self, change: impl FnOnce(&Plugin)) {
        let before = self.current();
        change(&self.plugin);
        let now = self.current();
        for cell in 0..self.cells.len() {
            self.may_be_at(cell, &[before, now]);
        }
    }

    async fn burst(&mut self, change: &Option<(Change, u8)>, before: Current) -> Checked<bool> {
        let (change, turns) = change.as_ref().map(|(change, turns)| (change, *turns)).unzip();
        let change = match change {
            Some(change) => self.prepare(change).await,
            None => None,
        };
        let mut talks = JoinSet::new();
        for (index, Talker { mut client, cell }) in std::mem::take(&mut self.talkers).into_iter().enumerate() {
            talks.spawn(async move {
                let mut outcomes = Vec::new();
                for text in [if index % 3 == 0 { BUSY } else { "hello" }, "and", "so on"] {
                    outcomes.push(client.say(text).await);
                    yield_now().await;
                }
                (index, Talker { client, cell }, outcomes)
            });
        }
        for _ in 0..turns.unwrap_or_default() {
            yield_now().await;
        }
        if let Some(change) = change {
            change(self);
        }
        let mut talked = talks.join_all().await;
        pause().await;
        talked.sort_by_key(|(index, ..)| *index);
        let now = self.current();
        let mut mortal = false;
        let mut said_in: BTreeMap<usize, Vec<Said>> = BTreeMap::new();
        for (_, talker, outcomes) in talked {
            let (cell, said) = (talker.cell, answers(&talker.client.received())?);
            self.talkers.push(talker);
            mortal |= self.is_mortal(cell, before) | self.is_mortal(cell, now);
            self.may_be_at(cell, &[before, now]);
            let answered = outcomes.iter().take_while(|outcome| outcome.is_ok()).count();
            ensure!(outcomes[answered..].iter().all(Result::is_err), "the dead have answered: {outcomes:?}");
            ensure!(
                answered == outcomes.len() || self.cells[cell].dead || self.is_mortal(cell, now),
                "{outcomes:?} in {:?}",
                self.cells[cell]
            );
            let last_words = said.get(answered).map(|said| self.temper(said.version));
            ensure!(
                said.len() == answered || said.len() == answered + 1 && last_words == Some(Temper::DiesWhenSent),
                "{outcomes:?}, {said:?}"
            );
            ensure!(self.is_fleeting() || said.is_sorted_by_key(|said| said.count), "out of order: {said:?}");
            said_in.entry(cell).or_default().extend(said);
        }
        for (cell, mut said) in said_in {
            said.sort_by_key(|said| said.count);
            let messages = self.cells[cell].messages;
            self.are_next(cell, &said, messages)?;
            if !self.is_fleeting() {
                self.cells[cell].messages += said.len() as u64;
            }
        }
        Ok(mortal)
    }

    async fn close(&mut self, who: usize, before: Current) -> Checked<bool> {
        let Some(who) = self.one(who) else { return Ok(false) };
        let Talker { mut client, cell } = self.talkers.remove(who);
        let closed = client.close(Cause::Client).await;
        pause().await;
        let now = self.current();
        let mortal = self.is_mortal(cell, before) || self.is_mortal(cell, now);
        self.may_be_at(cell, &[before, now]);
        ensure!(mortal || closed == Ok(Answer::Proceed), "{closed:?}");
        *self.ends.entry(client.id).or_default() += 1;
        let heard = self.heard()?;
        ensure!(heard.is_empty(), "{heard:?} at once");
        ensure!(self.told == self.ends, "ends told: {:?}, and there were {:?}", self.told, self.ends);
        self.leaves(cell);
        Ok(mortal)
    }

    fn drop(&mut self, who: usize) {
        if let Some(who) = self.one(who) {
            let Talker { cell, .. } = self.talkers.remove(who);
            self.leaves(cell);
        }
    }

    fn leaves(&mut self, cell: usize) {
        let cell = &mut self.cells[cell];
        cell.members -= 1;
        if cell.members == 0 {
            cell.timers.clear();
        }
    }

    /// Calls that leave this thread are made in the machine's time, which must not be ahead of ours.
    async fn catch_up() {
        let behind = std::time::Instant::now().saturating_duration_since(Instant::now().into_std());
        advance(behind + Duration::from_millis(1)).await;
        pause().await;
    }

    // --- what is known ---

    fn one(&self, who: usize) -> Option<usize> {
        who.checked_rem(self.talkers.len())
    }

    fn is_fleeting(&self) -> bool {
        self.policy == InstancePolicy::Event
    }

    fn temper(&self, version: u32) -> Temper {
        self.tempers[version as usize - 1]
    }

    fn current(&self) -> Current {
        let statuses = self.plugin.versions();
        let current = statuses.iter().find(|status| matches!(status.role, VersionRole::Current | VersionRole::Trial));
        let current = current.expect("there always is one");
        Current { number: current.version, on_trial: current.role == VersionRole::Trial }
    }

    fn may_be_at(&mut self, cell: usize, versions: &[Current]) {
        self.cells[cell].at.extend(versions.iter().map(|current| current.number));
    }

    /// Whether an instance may die that nobody asked to.
    fn is_mortal(&self, cell: usize, current: Current) -> bool {
        let at = &self.cells[cell].at;
        at.iter().chain([&current.number]).any(|version| self.temper(*version).kills())
    }

    /// Whether these are the answers that follow so many messages.
    fn are_next(&self, cell: usize, said: &[Said], messages: u64) -> Checked {
        let at = &self.cells[cell].at;
        for (said, next) in said.iter().zip(1..) {
            let expected = if self.is_fleeting() { 1 } else { messages + next };
            ensure!(said.count == expected, "{said:?} after {messages} messages and {} of now", next - 1);
            ensure!(at.contains(&said.version), "{said:?}, of those at {at:?}");
        }
        Ok(())
    }

    /// What everybody heard of timers; notes ends.
    fn heard(&mut self) -> Checked<Vec<(String, Said)>> {
        let mut timers = Vec::new();
        for text in self.route.net.received(self.witness) {
            match text.split_once(' ').filter(|(name, _)| name.starts_with('t')) {
                Some((name, said)) => timers.push((name.to_owned(), answer(said)?)),
                None => {
                    let obituary: serde_json::Value =
                        serde_json::from_str(&text).map_err(|error| format!("{text}: {error}"))?;
                    let id = obituary["closed"].as_u64().ok_or(text)?;
                    let known = self.ends.keys().copied().find(|known| known.get() == id);
                    *self.told.entry(known.ok_or_else(|| format!("{id} ended"))?).or_default() += 1;
                }
            }
        }
        Ok(timers)
    }

    /// Those who share an instance that died know it.
    fn buries_the_dead(&mut self, before: Current, mortal: bool) -> Checked {
        for Talker { client, cell } in &self.talkers {
            let died = client.session.lifeline().death().is_some();
            let cell = &mut self.cells[*cell];
            ensure!(died || !cell.dead, "one of {cell:?} lives");
            if died && !cell.dead {
                ensure!(
                    mortal
                        || self.tempers[before.number as usize - 1].kills()
                        || cell.at.iter().any(|version| self.tempers[*version as usize - 1].kills()),
                    "{cell:?} died"
                );
                cell.dead = true;
            }
        }
        Ok(())
    }

    /// Waits until there are as many instances as there must be.
    async fn settle(&mut self) -> Checked {
        pause().await;
        let mut last = (0.0, 0.0, 0);
        for _ in 0..PATIENCE {
            let dead: BTreeSet<_> = self
                .talkers
                .iter()
                .filter(|talker| talker.client.session.lifeline().death().is_some())
                .map(|talker| talker.cell)
                .collect();
            let alive =
                (0..self.cells.len()).filter(|cell| self.cells[*cell].members > 0 && !dead.contains(cell)).count();
            let expected = if self.is_fleeting() { 0 } else { alive };
            last = (self.host.metric(LIVE), self.host.metric(ASLEEP), expected);
            if last.0 + last.1 == expected as f64 {
                return Ok(());
            }
            a_moment().await;
        }
        Err(format!("{last:?} live and asleep, and expected"))
    }

    fn alive(&self) -> impl Iterator<Item = &Cell> {
        self.cells.iter().filter(|cell| cell.members > 0 && !cell.dead)
    }

    /// Whether all can sleep.
    fn can_sleep(&self) -> bool {
        let leave = |cell: &Cell| cell.at.iter().all(|version| self.temper(*version).leaves());
        !self.is_fleeting() && self.alive().all(leave)
    }

    /// Whether all timers of those who are alive have fired, and all who can sleep do.
    fn is_quiet(&self, heard: &[(String, Said)]) -> bool {
        let fired = |cell: &Cell| cell.timers.values().all(|timer| heard.iter().any(|(name, _)| name == timer));
        let is_mortal = |cell: &Cell| cell.at.iter().any(|version| self.temper(*version).kills());
        self.alive().all(|cell| is_mortal(cell) || fired(cell)) && (!self.can_sleep() || self.host.metric(LIVE) == 0.0)
    }

    /// Who was idle for long sleeps, unless it cannot.
    async fn sleep_is_deep(&self) -> Checked {
        if !self.can_sleep() {
            return Ok(());
        }
        self.comes(LIVE, 0.0).await.map_err(|error| format!("{error}: {:?}", self.cells))?;
        self.comes(SAVED, self.alive().map(|cell| cell.messages.to_string().len() as f64).sum()).await
    }

    async fn comes(&self, series: &str, value: f64) -> Checked {
        for _ in 0..PATIENCE {
            if self.host.metric(series) == value {
                return Ok(());
            }
            a_moment().await;
        }
        Err(format!("{series} is {}, not {value}", self.host.metric(series)))
    }
}

// === impl Cell ===

impl Cell {
    fn new(key: Option<u8>) -> Self {
        Self { key, members: 0, messages: 0, dead: false, at: BTreeSet::new(), timers: BTreeMap::new() }
    }
}

fn version(number: u32, temper: Temper) -> PluginConfig {
    let settings = [("version", number.to_string()), ("dies", temper.word().to_owned())];
    PluginConfig {
        // The machine may be busy with other things.
        limits: CallLimits { timeout: Some(Duration::from_secs(20)), ..CallLimits::default() },
        settings: settings.map(|(key, value)| (key.to_owned(), value)).into(),
        ..config(guest("counted"))
    }
}

/// The answers among texts; others hear of timers, too.
fn answers(texts: &[String]) -> Checked<Vec<Said>> {
    texts.iter().filter(|text| !text.starts_with('t')).map(|text| answer(text)).collect()
}

fn answer(text: &str) -> Checked<Said> {
    let parsed = text
        .split_once(' ')
        .and_then(|(version, count)| Some(Said { version: version.parse().ok()?, count: count.parse().ok()? }));
    parsed.ok_or_else(|| format!("{text:?} is no answer"))
}

/// For whatever is to be done at once.
async fn pause() {
    for _ in 0..20 {
        yield_now().await;
    }
}

/// A millisecond of the machine's.
async fn a_moment() {
    spawn_blocking(|| std::thread::sleep(Duration::from_millis(1))).await.unwrap();
    pause().await;
}
