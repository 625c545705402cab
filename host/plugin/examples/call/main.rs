//! What one call into a guest costs in process: CPU time of the calling thread, medians of interleaved rounds.
//!
//! `cargo run --release --example call -- [ROUNDS [FILTER]]`, after `make plugins`. Nothing else should run meanwhile.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement prints, and ends at the first surprise")]

mod net;
mod parts;

use net::Net;
use parts::{load, request, tenant};
use prometheus_client::registry::Registry;
use rustix::time::{ClockId, clock_gettime};
use socklet_core::{Answer, Authenticator, Behavior, Call, Event, Message, Session, UpgradeRequest, Upgraded, Verdict};
use socklet_plugin::{EngineConfig, InstancePolicy, Plugin, Plugins};
use std::{hint::black_box, sync::Arc};

/// Sessions that take turns, so that an instance of each is not only what the cache still holds.
const SESSIONS: usize = 16;
const ROUNDS: usize = 25;

/// One thing that is measured: nanoseconds for each of so many operations.
struct Case {
    name: String,
    operations: usize,
    run: Box<dyn FnMut(usize)>,
    rounds: Vec<f64>,
}

fn main() {
    let rounds = std::env::args().nth(1).map_or(ROUNDS, |rounds| rounds.parse().unwrap());
    let filter = std::env::args().nth(2).unwrap_or_default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut config = EngineConfig::new(folder.path().join("cache"));
    config.max_instances = 160;
    let plugins = Plugins::new(config, &mut Registry::default()).unwrap();
    let mut cases = Vec::new();
    let echo = runtime.block_on(load(&plugins, "echo"));
    for policy in [InstancePolicy::Connection, InstancePolicy::Shared, InstancePolicy::Event] {
        for (size, operations) in [(64, 20_000), (1_024, 20_000), (65_536, 1_000)] {
            let text = Message::Text("x".repeat(size).into());
            let binary = Message::Binary(vec![7; size].into());
            for (kind, message) in [("text", text), ("binary", binary)] {
                let mut sessions = runtime.block_on(sessions(&echo, &policy));
                let run = move |operations| {
                    for operation in 0..operations {
                        say(&mut *sessions[operation % SESSIONS], message.clone());
                    }
                };
                cases.push(Case::new(format!("echo {policy} {kind} {size}"), operations, run));
            }
        }
    }
    let ip_auth = runtime.block_on(load(&plugins, "ip_auth"));
    let authenticator = ip_auth.authenticator(&tenant(), &"main".parse().unwrap()).unwrap();
    let request = Arc::new(request());
    cases.push(Case::new("authenticate fresh".into(), 1_000, move |operations| {
        for _ in 0..operations {
            authenticate(&runtime, &authenticator, request.clone());
        }
    }));
    cases.retain(|case| case.name.contains(&filter));
    for case in &mut cases {
        (case.run)(case.operations);
    }
    for round in 0..rounds {
        for index in 0..cases.len() {
            // There and back again, so that a drift meets all alike.
            let index = if round % 2 == 0 { index } else { cases.len() - 1 - index };
            cases[index].measure();
        }
    }
    for case in &mut cases {
        println!("{case}");
    }
}

async fn sessions(plugin: &Plugin, policy: &InstancePolicy) -> Vec<Box<dyn Session>> {
    let net = Arc::new(Net::default());
    let behavior = plugin.behavior(&tenant(), &"main".parse().unwrap(), policy.clone().into(), net.clone()).unwrap();
    let mut sessions = Vec::new();
    for _ in 0..SESSIONS {
        let request = Arc::new(request());
        net.insert(request.connection);
        let Upgraded::Accepted(_, mut session) = behavior.upgrade(request, None).await.unwrap() else {
            panic!("refused")
        };
        finished(session.call(Event::Open));
        sessions.push(session);
    }
    sessions
}

fn say(session: &mut dyn Session, message: Message) {
    finished(black_box(session.call(black_box(Event::Message(message)))));
}

/// A preempted call may move; it is waited for, and its share of the thread's time is small.
fn finished(call: Call) {
    let answer = match call {
        Call::Done(answer) => answer,
        Call::Pending(answer) => {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            // On a thread of its own: this one may be inside a runtime.
            std::thread::spawn(move || runtime.block_on(answer)).join().unwrap()
        }
    };
    assert_eq!(answer.unwrap(), Answer::Proceed);
}

fn authenticate(runtime: &tokio::runtime::Runtime, authenticator: &dyn Authenticator, request: Arc<UpgradeRequest>) {
    let verdict = runtime.block_on(authenticator.authenticate(request)).unwrap();
    assert!(matches!(verdict, Verdict::Grant(_) | Verdict::Abstain), "{verdict:?}");
}

fn thread_ns() -> u64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

// === impl Case ===

impl Case {
    fn new(name: String, operations: usize, run: impl FnMut(usize) + 'static) -> Self {
        Self { name, operations, run: Box::new(run), rounds: Vec::new() }
    }

    fn measure(&mut self) {
        let began = thread_ns();
        (self.run)(self.operations);
        self.rounds.push((thread_ns() - began) as f64 / self.operations as f64);
    }
}

impl std::fmt::Display for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut rounds = self.rounds.clone();
        rounds.sort_by(f64::total_cmp);
        let at = |part: f64| rounds[((rounds.len() - 1) as f64 * part) as usize];
        write!(f, "{:32} {:9.0} ns  (quarter {:.0}, least {:.0})", self.name, at(0.5), at(0.25), at(0.0))
    }
}
