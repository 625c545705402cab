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

// Here, where it knows the macro.
mod deeds;

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
