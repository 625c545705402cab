//! What one call into a guest costs in process: CPU time of the calling thread, medians of interleaved rounds.
//!
//! `cargo run --release --example call -- [ROUNDS [FILTER]]`, after `make plugins`. Nothing else should run meanwhile.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement prints, and ends at the first surprise")]

mod net;

use net::Net;
use prometheus_client::registry::Registry;
use rustix::time::{ClockId, clock_gettime};
use socklet_core::{
    Answer, Authenticator, Behavior, Call, ConnectionId, Event, Message, Quotas, Session, Tenant, UpgradeRequest,
    Upgraded, Verdict,
};
use socklet_plugin::{CallLimits, EngineConfig, Grants, InstancePolicy, OnSwap, Plugin, PluginConfig, Plugins};
use std::{collections::BTreeMap, hint::black_box, path::PathBuf, sync::Arc};

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
            authenticate(&runtime, &*authenticator, request.clone());
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

async fn load(plugins: &Plugins, name: &str) -> Plugin {
    let file = format!("../../plugins/target/wasm32-wasip2/release/{name}.wasm");
    let settings = match name {
        "ip_auth" => BTreeMap::from([("networks".to_owned(), r#"{"127.0.0.0/8": "local"}"#.to_owned())]),
        _ => BTreeMap::new(),
    };
    let config = PluginConfig {
        name: "measured".parse().unwrap(),
        source: PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(file).into(),
        digest: None,
        settings,
        limits: CallLimits::default(),
        grants: Grants::default(),
        stateless: false,
        recycle_calls: None,
        recycle_memory: None,
        fleeting: true,
        saved_state_max: 1 << 20,
        on_swap: OnSwap::Keep,
    };
    plugins.load(config).await.unwrap()
}

fn tenant() -> Arc<Tenant> {
    Arc::new(Tenant::new("acme".parse().unwrap(), Quotas::default()))
}

async fn sessions(plugin: &Plugin, policy: &InstancePolicy) -> Vec<Box<dyn Session>> {
    let net = Arc::new(Net::default());
    let behavior: Arc<dyn Behavior> =
        plugin.behavior(&tenant(), &"main".parse().unwrap(), policy.clone().into(), net.clone()).unwrap();
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

fn request() -> UpgradeRequest {
    UpgradeRequest {
        connection: ConnectionId::next(),
        listener: "main".into(),
        method: "GET".into(),
        secure: false,
        authority: "localhost".into(),
        path: "/".into(),
        query: None,
        headers: vec![],
        captures: vec![],
        client_ip: Some([127, 0, 0, 1].into()),
        client_port: 4711,
        attributes: vec![],
    }
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
