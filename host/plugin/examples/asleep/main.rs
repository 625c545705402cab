//! Many instances that sleep in one process, without sockets: the memory of each, and what it takes to wake one up.
//!
//! `cargo run --release --example asleep -- [INSTANCES]`, after `make plugins`. Prints a line of JSON: bytes of memory for each
//! instance with its session and its connection's buffer, bytes that each has saved, and for each round the CPU time of the process
//! for a message to one that sleeps and to one that is awake, in nanoseconds. Nothing else should run meanwhile.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement prints, and ends at the first surprise")]

#[path = "../call/net.rs"]
mod net;
#[path = "../call/parts.rs"]
mod parts;

use net::Net;
use parts::{load, request, tenant};
use prometheus_client::registry::Registry;
use rustix::time::{ClockId, clock_gettime};
use socklet_core::{Answer, Behavior, Call, Event, Message, Session, Upgraded};
use socklet_plugin::{EngineConfig, InstancePolicy, Plugins, RouteBehavior, RouteInstances};
use std::{fs, sync::Arc, thread, time::Duration};
use tokio::runtime::Runtime;

const INSTANCES: usize = 200_000;
/// Instances that are awake at a time. What was awake once leaves memory behind in its place, so the slope begins later.
const AWAKE: usize = 5_000;
const FEW: usize = 20_000;
/// Long enough that none falls asleep between two messages of a round.
const HIBERNATE_AFTER: Duration = Duration::from_millis(500);
/// Rounds that wake so many instances up.
const ROUNDS: usize = 9;
const WOKEN: usize = 1_000;

struct Crowd {
    runtime: Runtime,
    registry: Registry,
    net: Arc<Net>,
    behavior: RouteBehavior,
    sessions: Vec<Box<dyn Session>>,
}

fn main() {
    let instances = std::env::args().nth(1).map_or(INSTANCES, |instances| instances.parse().unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (folder, mut registry, net) = (tempfile::tempdir().unwrap(), Registry::default(), Arc::new(Net::default()));
    let mut config = EngineConfig::new(folder.path().join("cache"));
    config.max_instances = (AWAKE + AWAKE / 5) as u32;
    let plugins = Plugins::new(config, &mut registry).unwrap();
    let plugin = runtime.block_on(load(&plugins, "counter"));
    let policy = InstancePolicy::Connection;
    let route = RouteInstances { policy, hibernate_after: Some(HIBERNATE_AFTER), max_deaths: None };
    let behavior = plugin.behavior(&tenant(), &"main".parse().unwrap(), route, net.clone()).unwrap();
    let mut crowd = Crowd { runtime, registry, net, behavior, sessions: Vec::new() };

    crowd.grow(FEW);
    let few = resident();
    crowd.grow(instances);
    let bytes = (resident() - few) as f64 / (instances - FEW) as f64;
    let saved = crowd.metric("plugin_saved_bytes") / instances as f64;
    let (mut asleep, mut awake) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let first = round * WOKEN;
        asleep.push(crowd.messages(first));
        awake.push(crowd.messages(first));
        crowd.sleep();
    }
    println!("{}", serde_json::json!({ "bytes": bytes, "saved": saved, "asleep_ns": asleep, "awake_ns": awake }));
}

fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() << 10
}

fn process_ns() -> u64 {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

// === impl Crowd ===

impl Crowd {
    /// Connects until there are so many, each has sent a message, and all sleep.
    fn grow(&mut self, instances: usize) {
        while self.sessions.len() < instances {
            let room = self.sessions.len() + AWAKE;
            while self.sessions.len() < instances.min(room) {
                let request = Arc::new(request());
                self.net.insert(request.connection);
                let upgraded = self.runtime.block_on(self.behavior.upgrade(request, None)).unwrap();
                let Upgraded::Accepted(_, session) = upgraded else { panic!("refused") };
                self.sessions.push(session);
                let index = self.sessions.len() - 1;
                self.call(index, Event::Open);
                self.call(index, Event::Message(Message::Text("next".into())));
            }
            self.sleep();
        }
    }

    /// A message to each of a round's, in CPU time of the process for each.
    fn messages(&mut self, first: usize) -> f64 {
        let began = process_ns();
        for index in first..first + WOKEN {
            self.call(index, Event::Message(Message::Text("next".into())));
        }
        (process_ns() - began) as f64 / WOKEN as f64
    }

    fn call(&mut self, index: usize, event: Event) {
        let answer = match self.sessions[index].call(event) {
            Call::Done(answer) => answer,
            Call::Pending(answer) => self.runtime.block_on(answer),
        };
        assert_eq!(answer.unwrap(), Answer::Proceed);
    }

    /// Waits until all sleep.
    fn sleep(&self) {
        while self.metric("plugin_instances{state=\"hibernated\"}") < self.sessions.len() as f64 {
            thread::sleep(Duration::from_millis(10));
        }
    }

    fn metric(&self, series: &str) -> f64 {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.map_or(0.0, |value| value.parse().unwrap())
    }
}
