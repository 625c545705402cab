//! The part of a script that says what is tested: the same keys that a route and a plugin of a configuration have.

use super::reader::Table;
use crate::{
    limits::{Limits, SlowConsumer},
    setup::{Component, Setup},
};
use socklet_core::Heartbeat;
use socklet_plugin::{Compiler, InstancePolicy, KeyTemplate, OnSwap, RouteInstances};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};
use toml_edit::Value as Toml;

/// What one test runs, as it is written. What a test leaves out is as at the top of its file.
#[derive(Clone, Debug, Default)]
pub(super) struct Plan {
    behavior: ComponentPlan,
    authenticators: Vec<ComponentPlan>,
    instance: Option<InstancePolicy>,
    hibernate_after: Option<Duration>,
    subprotocols: Vec<String>,
    limits: Limits,
    heartbeat: Heartbeat,
    clock: Option<Duration>,
    seed: Option<u64>,
    pub(super) lenient: bool,
}

#[derive(Clone, Debug, Default)]
struct ComponentPlan {
    plugin: Option<PathBuf>,
    settings: BTreeMap<String, String>,
    timeout: Option<Duration>,
    wait_timeout: Option<Duration>,
    memory_max: Option<usize>,
    host_call_bytes_max: Option<usize>,
    saved_state_max: Option<usize>,
    recycle_calls: Option<u64>,
    stateless: bool,
    credentials: bool,
    on_swap: OnSwap,
}

/// What all tests of a run have in common.
#[derive(Clone, Debug, Default)]
pub struct Common {
    /// The behavior of every test, whatever the scripts name.
    pub plugin: Option<PathBuf>,
    /// A private folder for what was compiled. None: everything is compiled for each test.
    pub cache: Option<PathBuf>,
    /// Who compiles.
    pub compiler: Compiler,
}

// === impl Plan ===

impl Plan {
    /// Reads what differs from `base`. `folder` is that of the script.
    pub(super) fn read(table: &Table<'_>, base: &Self, folder: &Path) -> Self {
        let mut plan = base.clone();
        plan.behavior.read(table, folder);
        if table.has("authenticators") {
            plan.authenticators = table
                .tables("authenticators")
                .iter()
                .map(|(table, _)| {
                    let mut component = ComponentPlan::default();
                    component.read(table, folder);
                    if component.plugin.is_none() {
                        table.wrong("plugin", "missing; expected the component's file");
                    }
                    table.finish();
                    component
                })
                .collect();
        }
        let expected = "\"connection\", \"shared\", \"event\" or { key = \"{capture}\" }";
        set(&mut plan.instance, table.parsed("instance", expected, instance));
        set(&mut plan.hibernate_after, table.duration("hibernate_after"));
        plan.subprotocols = table.texts("subprotocols").unwrap_or(plan.subprotocols);
        set(&mut plan.clock, table.value("clock", "a date and time such as 2030-01-01T00:00:00Z", clock));
        set(&mut plan.seed, table.number("seed", 0..=i64::MAX).map(i64::unsigned_abs));
        plan.lenient = table.flag("lenient").unwrap_or(plan.lenient);
        if let Some(table) = table.table("limits") {
            limits(&table, &mut plan.limits);
        }
        if let Some(table) = table.table("heartbeat") {
            heartbeat(&table, &mut plan.heartbeat);
        }
        plan
    }

    /// The test that it describes. None when it names no plugin, and nobody else does.
    pub(super) fn setup(&self, common: &Common) -> Option<Setup> {
        let path = common.plugin.clone().or_else(|| self.behavior.plugin.clone())?;
        let mut setup = Setup::new(self.behavior.component(&path));
        for authenticator in &self.authenticators {
            setup = setup.authenticator(authenticator.component(authenticator.plugin.as_deref()?));
        }
        setup.instances = RouteInstances {
            policy: self.instance.clone().unwrap_or_default(),
            hibernate_after: self.hibernate_after,
            max_deaths: None,
        };
        setup.limits = self.limits.clone();
        setup.heartbeat = self.heartbeat.clone();
        setup.subprotocols = self.subprotocols.clone();
        setup.epoch = self.clock.unwrap_or(setup.epoch);
        setup.seed = self.seed.unwrap_or(setup.seed);
        setup.cache = common.cache.clone();
        setup.compiler = common.compiler.clone();
        Some(setup)
    }
}

// === impl ComponentPlan ===

impl ComponentPlan {
    fn read(&mut self, table: &Table<'_>, folder: &Path) {
        set(&mut self.plugin, table.text("plugin").map(|path| folder.join(path)));
        if let Some(settings) = table.settings("settings") {
            // Key by key, so that a test says what is its own.
            self.settings.extend(settings);
        }
        set(&mut self.timeout, table.duration("timeout"));
        set(&mut self.wait_timeout, table.duration("wait_timeout"));
        set(&mut self.memory_max, table.size("memory_max"));
        set(&mut self.host_call_bytes_max, table.size("host_call_bytes_max"));
        set(&mut self.saved_state_max, table.size("saved_state_max"));
        set(&mut self.recycle_calls, table.number("recycle_calls", 1..=i64::MAX).map(i64::unsigned_abs));
        self.stateless = table.flag("stateless").unwrap_or(self.stateless);
        self.credentials = table.table("grants").map_or(self.credentials, |grants| {
            let credentials = grants.flag("credentials").unwrap_or(self.credentials);
            grants.finish();
            credentials
        });
        let on_swap = table.value("on_swap", "\"keep\" or \"close\"", |value| match value.as_str()? {
            "keep" => Some(OnSwap::Keep),
            "close" => Some(OnSwap::Close),
            _ => None,
        });
        self.on_swap = on_swap.unwrap_or(self.on_swap);
    }

    fn component(&self, path: &Path) -> Component {
        let mut component = Component::file(path);
        component.settings = self.settings.clone();
        component.limits.timeout = self.timeout;
        component.limits.wait = self.wait_timeout;
        component.limits.memory_max = self.memory_max.unwrap_or(component.limits.memory_max);
        component.limits.host_call_bytes_max = self.host_call_bytes_max.unwrap_or(component.limits.host_call_bytes_max);
        component.saved_state_max = self.saved_state_max.unwrap_or(component.saved_state_max);
        component.recycle_calls = self.recycle_calls;
        component.stateless = self.stateless;
        component.grants.credentials = self.credentials;
        component.on_swap = self.on_swap;
        component
    }
}

fn set<T>(to: &mut Option<T>, value: Option<T>) {
    if value.is_some() {
        *to = value;
    }
}

fn instance(value: &Toml) -> Result<InstancePolicy, String> {
    match value {
        Toml::String(text) => match text.value().as_str() {
            "connection" => Ok(InstancePolicy::Connection),
            "shared" => Ok(InstancePolicy::Shared),
            "event" => Ok(InstancePolicy::Event),
            other => Err(format!("there is no policy {other}")),
        },
        Toml::InlineTable(table) if table.len() == 1 => match table.get("key").and_then(Toml::as_str) {
            Some(key) => KeyTemplate::parse(key).map(InstancePolicy::Key).map_err(|error| error.to_string()),
            None => Err(String::new()),
        },
        _ => Err(String::new()),
    }
}

/// A moment since 1970. Without an offset it is UTC.
fn clock(value: &Toml) -> Option<Duration> {
    let moment = value.as_datetime()?;
    let (date, of_day) = (moment.date?, moment.time);
    let month = time::Month::try_from(date.month).ok()?;
    let date = time::Date::from_calendar_date(date.year.into(), month, date.day).ok()?;
    let (hour, minute) = of_day.map_or((0, 0), |time| (time.hour, time.minute));
    let second = of_day.and_then(|time| time.second).unwrap_or(0);
    let local = date.with_hms(hour, minute, second).ok()?.assume_utc().unix_timestamp();
    let offset = match moment.offset {
        Some(toml_edit::Offset::Custom { minutes }) => i64::from(minutes) * 60,
        _ => 0,
    };
    u64::try_from(local - offset).ok().map(Duration::from_secs)
}

fn limits(table: &Table<'_>, limits: &mut Limits) {
    limits.max_message_size = table.size("max_message_size").unwrap_or(limits.max_message_size);
    limits.send_queue_max_bytes = table.size("send_queue_max_bytes").unwrap_or(limits.send_queue_max_bytes);
    let expected = "\"close\", \"drop-newest\" or \"drop-oldest\"";
    let slow_consumer = table.value("slow_consumer", expected, |value| match value.as_str()? {
        "close" => Some(SlowConsumer::Close),
        "drop-newest" => Some(SlowConsumer::DropNewest),
        "drop-oldest" => Some(SlowConsumer::DropOldest),
        _ => None,
    });
    limits.slow_consumer = slow_consumer.unwrap_or(limits.slow_consumer);
    limits.send_timeout = table.duration("send_timeout").unwrap_or(limits.send_timeout);
    limits.pong_timeout = table.duration("pong_timeout").unwrap_or(limits.pong_timeout);
    set(&mut limits.idle_timeout, table.duration("idle_timeout"));
    set(&mut limits.max_lifetime, table.duration("max_lifetime"));
    table.finish();
}

fn heartbeat(table: &Table<'_>, heartbeat: &mut Heartbeat) {
    let interval = table.duration("interval").unwrap_or(heartbeat.interval());
    let message = table.text("message").unwrap_or_else(|| heartbeat.payload().to_string());
    match Heartbeat::new(interval, message) {
        Ok(read) => *heartbeat = read,
        Err(error) => table.wrong_here(error.to_string()),
    }
    table.finish();
}
