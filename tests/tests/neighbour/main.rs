//! Hostile tenants beside a quiet one: the quiet one loses nothing, whatever was opened is closed, and tenants that do nothing but
//! compute get as much of that as each other.
//!
//! The figures go to the standard error output: how long the quiet tenant's messages took alone, and beside the others. They depend
//! on the machine, so nothing is asserted of them. `SOCKLET_NEIGHBOUR_SECONDS` sets how long the attack lasts.

mod attack;
mod figures;
mod quiet;

use attack::{KINDS, Kind};
use figures::{Figures, say};
use quiet::{Quiet, Round};
use socklet_tests::{Metrics, Observer, Process, eventually};
use std::{
    collections::BTreeSet,
    env,
    fmt::Write,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

const ATTACK: Duration = Duration::from_secs(60);
const ALONE: Duration = Duration::from_secs(10);
/// Quiet connections on each of the two routes.
const QUIET: usize = 100;
/// How much more memory the server may keep than it had before the attack, and how long it may take to give back the rest. The pool
/// keeps some tens of KiB of every slot that was ever used; a leak of the attack's gigabyte is more.
const KEPT: u64 = 128 << 20;
const GIVE_BACK: Duration = Duration::from_secs(10);

/// The routes of the quiet tenant: who shares an instance there.
const ROUTES: [&str; 2] = ["connection", "shared"];

/// Each of these tenants is always waiting for a thread to compute on, on a machine with many cores, too: there are two. Its calls
/// are stopped when they have used this much, so that ends of connections are shares of the CPU time.
const SPINNERS: &str = "spinner-";
const GUEST_THREADS: usize = 2;
const SPIN: &str = "20ms";
/// How long a call sleeps: nobody has to wait for it at the end.
const SLEEP: &str = "2s";
/// The share of one may be so many times that of another.
const UNEVEN: usize = 2;

fn configuration() -> String {
    let mut text = format!("[engine]\nmax_instances = 4096\nguest_threads = {GUEST_THREADS}\n");
    for policy in ROUTES {
        let place = format!("tenant = 'quiet'\nname = '{policy}'\npath = '/quiet/{policy}'");
        write!(text, "[[route]]\n{place}\nbehavior = 'quiet'\ninstance = '{policy}'\n").expect("a text takes more");
    }
    text.push_str("[plugin.quiet]\nsource = 'guest:spin_message'\n");
    let mut plugins = BTreeSet::<&str>::new();
    for Kind { tenant, name, guest, authenticator, .. } in KINDS {
        plugins.extend([Some(*guest), *authenticator].into_iter().flatten());
        let authenticators =
            authenticator.map(|name| name.replace('_', "-")).map(|name| format!("'{name}'")).unwrap_or_default();
        let behavior = guest.replace('_', "-");
        let place = format!("tenant = '{tenant}'\nname = '{name}'\npath = '/hostile/{name}'");
        write!(
            text,
            "[[route]]\n{place}\nbehavior = '{behavior}'\nauthenticators = [{authenticators}]\nmax_deaths = 'none'\nhibernate_after = '50ms'\n"
        )
        .expect("a text takes more");
    }
    for plugin in plugins {
        write!(text, "[plugin.{}]\nsource = 'guest:{plugin}'\n", plugin.replace('_', "-")).expect("a text takes more");
        match plugin {
            "spin_message" => writeln!(text, "timeout = '{SPIN}'"),
            "sleeper" => writeln!(text, "wait_timeout = '{SLEEP}'"),
            _ => Ok(()),
        }
        .expect("a text takes more");
    }
    text
}

fn seconds() -> Duration {
    match env::var("SOCKLET_NEIGHBOUR_SECONDS") {
        Ok(seconds) => Duration::from_secs(seconds.parse().expect("SOCKLET_NEIGHBOUR_SECONDS is a number")),
        Err(_) => ATTACK,
    }
}

/// Waits until every connection that was born is dead, and checks that each died once.
async fn buried(name: &str, observer: &Observer) -> usize {
    let count = || (observer.births().len(), observer.obituaries().len());
    eventually(&format!("every end on {name}"), async || {
        let (births, ends) = count();
        births == ends
    })
    .await;
    observer.settled(count().0).await;
    count().0
}

/// Calls of both hooks: as many ends as beginnings, but for the connections that are still open.
fn hooks(metrics: &Metrics) -> (f64, f64) {
    let calls = |hook| metrics.get(&format!("socklet_plugin_calls_total{{hook=\"{hook}\"}}"));
    (calls("on-open"), calls("on-close"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn hostile_tenants_take_nothing_from_a_quiet_one() {
    let attack = seconds();
    let server = Process::start(&configuration()).await;
    let mut observers = Vec::new();
    for policy in ROUTES {
        observers.push((policy, server.observe(&format!("/quiet/{policy}")).await));
    }
    let (quiet_observers, mut hostile_observers) = (observers, Vec::new());
    for kind in KINDS.iter().filter(|kind| kind.watched) {
        hostile_observers.push((kind.name, server.observe(&format!("/hostile/{}", kind.name)).await));
    }
    let paths: Vec<String> = (0..2 * QUIET).map(|index| format!("/quiet/{}", ROUTES[index % 2])).collect();
    let mut quiet = Quiet::open(server.address(), &paths);

    let (alone, returned) =
        tokio::task::spawn_blocking(move || (quiet.round(ALONE.min(attack)), quiet)).await.expect("no panic");
    quiet = returned;
    let (rss, before) = (server.rss(), server.metrics().await);

    let attackers = attack::start(server.address(), attack);
    let round = tokio::task::spawn_blocking(move || (quiet.round(attack), quiet));
    let peak = AtomicU64::new(0);
    let watch = async {
        loop {
            peak.fetch_max(server.rss(), Relaxed);
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let (beside, quiet) = tokio::select! {
        done = round => done.expect("no panic"),
        () = watch => unreachable!("it never ends"),
    };
    let attacks = tokio::task::spawn_blocking(|| attackers.finish()).await.expect("no panic");

    for (name, round) in [("alone", &alone), ("beside", &beside)] {
        for (index, policy) in ROUTES.iter().enumerate() {
            say(&format!(
                "{name:6} {policy:10} {}",
                Figures::of(round.latencies.iter().skip(index).step_by(2).flatten())
            ));
        }
        say(&format!("{name:6} sent late  {}", Figures::of(&round.late)));
    }
    for attack in &attacks {
        say(&format!("{attack}"));
    }

    // The quiet tenant: every message came back, in its order, and every end is told as it was.
    for Round { broken, .. } in [&alone, &beside] {
        assert!(broken.is_empty(), "{broken:?}");
    }
    let sent = quiet.sent();
    tokio::task::spawn_blocking(|| quiet.close()).await.expect("every quiet connection is closed by a handshake");
    for (policy, observer) in &quiet_observers {
        assert_eq!(buried(policy, observer).await, QUIET);
        for dead in observer.obituaries() {
            assert_eq!(
                (dead.code, dead.cause.as_str(), dead.clean, dead.fresh),
                (1000, "client", true, false),
                "{dead:?}"
            );
            assert_eq!((dead.messages_received, dead.messages_sent), (sent, sent), "{dead:?}");
        }
    }
    // The hostile tenants: they got nowhere without being counted, and all of it is gone.
    for (name, observer) in &hostile_observers {
        let births = buried(name, observer).await;
        say(&format!("{name}: {births} births, as many obituaries"));
    }
    let witnesses = (quiet_observers.len() + hostile_observers.len()) as f64;
    server.until_metric("socklet_connections", witnesses).await;
    eventually("every on-close is over", async || {
        let (opened, closed) = hooks(&server.metrics().await);
        opened == closed + witnesses
    })
    .await;
    let after = server.metrics().await;
    for attack in &attacks {
        assert!(attack.attempts > 0, "{attack}");
    }
    let spun: Vec<usize> =
        attacks.iter().filter(|attack| attack.name.starts_with(SPINNERS)).map(|attack| attack.closed).collect();
    say(&format!("calls of each spinner that were stopped: {spun:?}"));
    let (least, most) = (spun.iter().min().expect("there are some"), spun.iter().max().expect("there are some"));
    assert!(*least > 0 && *most <= UNEVEN * least, "CPU time is not shared evenly: {spun:?}");
    for metrics in attack::COUNTED {
        let more: f64 = metrics.iter().map(|metric| after.get(metric) - before.get(metric)).sum();
        say(&format!("{} {more}", metrics.join(" or ")));
        assert!(more > 0.0, "{metrics:?} count nothing");
    }
    server.until_metric("socklet_plugin_instances", witnesses).await;
    let deadline = Instant::now() + GIVE_BACK;
    while server.rss() > rss + KEPT && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let mib = |bytes: u64| bytes >> 20;
    let (peak, end) = (peak.into_inner(), server.rss());
    say(&format!("memory {} MiB before, {} MiB at most, {} MiB after", mib(rss), mib(peak), mib(end)));
    assert!(end <= rss + KEPT, "{} MiB before, {} MiB after", mib(rss), mib(end));
    let (code, log) = server.terminate().await;
    assert_eq!(code, Some(0), "{}", log.lines().rev().take(20).collect::<Vec<_>>().join("\n"));
}
