//! Clients that are bombs: each ends as the guide says, costs the server little memory, and nobody beside it loses anything.

use flate2::{Compress, Compression, FlushCompress};
use socklet_tests::{Process, Wire, eventually};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

const CONFIGURATION: &str = "
send_timeout = '2s'
[[route]]
tenant = 'quiet'
path = '/quiet'
behavior = 'echo'
[[route]]
tenant = 'hostile'
path = '/hostile'
behavior = 'echo'
compression = true
limits = { idle_timeout = '2s' }
[plugin.echo]
source = 'stock:echo'
[limits]
handshake_timeout = '2s'
close_timeout = '1s'
";

/// Clients of each kind at a time.
const CLIENTS: usize = 8;

/// Connections beside them.
const NEIGHBORS: usize = 20;

/// How much more memory the server may have at any time: queues, pieces of messages and inflaters of some connections.
const MEMORY: u64 = 64 << 20;

/// Neighbors that have their messages sent back, one after the other, until they are told to stop.
struct Neighbors {
    stop: Arc<AtomicBool>,
    echoes: Arc<AtomicU64>,
    tasks: JoinSet<()>,
}

impl Neighbors {
    async fn start(server: &Process) -> Self {
        let (stop, echoes) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let mut tasks = JoinSet::new();
        for neighbor in 0..NEIGHBORS {
            let mut client = server.open("/quiet").await;
            let (stop, echoes) = (stop.clone(), echoes.clone());
            tasks.spawn(async move {
                let mut turn = 0;
                while !stop.load(Relaxed) {
                    turn += 1;
                    let text = format!("{turn} of {neighbor}");
                    assert_eq!(client.ask(&text).await, text);
                    echoes.fetch_add(1, Relaxed);
                    sleep(Duration::from_millis(10)).await;
                }
                assert_eq!(client.close(1000, "").await.0, 1000);
            });
        }
        Self { stop, echoes, tasks }
    }

    /// All of them go on.
    async fn go_on(&self) {
        let target = self.echoes.load(Relaxed) + 2 * NEIGHBORS as u64;
        eventually("the neighbors go on", async || self.echoes.load(Relaxed) >= target).await;
    }

    async fn end(mut self) {
        self.stop.store(true, Relaxed);
        while let Some(neighbor) = self.tasks.join_next().await {
            neighbor.expect("no neighbor loses anything");
        }
    }
}

/// Throws bombs of one kind, some at a time; each must end as it should. Neighbors live on, and memory stays.
async fn throw<F>(server: &Process, neighbors: &Neighbors, what: &str, bomb: impl Fn(Wire) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let before = server.rss();
    let mut bombs = JoinSet::new();
    for _ in 0..CLIENTS {
        let connect = server.at("/hostile").header("sec-websocket-extensions", "permessage-deflate");
        bombs.spawn(bomb(connect.wire().await));
    }
    let mut most = before;
    while !bombs.is_empty() {
        if let Ok(Some(ended)) = timeout(Duration::from_millis(20), bombs.join_next()).await {
            ended.unwrap_or_else(|error| panic!("{what}: {error}"));
        }
        most = most.max(server.rss());
    }
    assert!(most <= before + MEMORY, "{what}: {before} bytes of memory before, {most} at most");
    neighbors.go_on().await;
    server.until_metric("socklet_connections", NEIGHBORS as f64).await;
    server.until_metric("socklet_send_queue_bytes", 0.0).await;
}

/// Reads up to the close frame; its code.
async fn code(wire: &mut Wire) -> u16 {
    loop {
        let frame = wire.next().await.expect("a close frame before the end");
        if frame.first == 0x88 {
            return u16::from_be_bytes([frame.payload[0], frame.payload[1]]);
        }
    }
}

/// 1 MiB of zeros, compressed so that it can be repeated.
fn mebibyte_of_zeros() -> Vec<u8> {
    let mut out = Vec::with_capacity(1 << 16);
    let zeros = vec![0; 1 << 20];
    Compress::new(Compression::best(), false)
        .compress_vec(&zeros, &mut out, FlushCompress::Full)
        .expect("zeros can be compressed");
    out
}

/// Writes until the server has closed; what cannot be written any more is no failure.
async fn pour(wire: &mut Wire, frames: impl Iterator<Item = (u8, Vec<u8>)>) {
    for (first, payload) in frames {
        if !wire.try_frame(first, &payload).await {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bombs_end_as_documented() {
    let server = Process::start(CONFIGURATION).await;
    let neighbors = Neighbors::start(&server).await;
    neighbors.go_on().await;

    // 1 GiB inflated, about 1 MiB on the wire.
    let zeros = mebibyte_of_zeros();
    throw(&server, &neighbors, "inflating", |mut wire| {
        let zeros = zeros.clone();
        async move {
            let frames = (0..1024).map(|n| (if n == 0 { 0x42 } else { 0x00 }, zeros.clone()));
            pour(&mut wire, frames).await;
            assert_eq!(code(&mut wire).await, 1009);
        }
    })
    .await;

    throw(&server, &neighbors, "a million empty fragments", |mut wire| async move {
        pour(&mut wire, (0..1_000_000).map(|n| (if n == 0 { 0x02 } else { 0x00 }, Vec::new()))).await;
        assert_eq!(code(&mut wire).await, 1008);
    })
    .await;

    throw(&server, &neighbors, "a flood of pings", |mut wire| async move {
        pour(&mut wire, (0..100_000).map(|_| (0x89, vec![7; 125]))).await;
        assert_eq!(code(&mut wire).await, 1008);
    })
    .await;

    // A message of which a byte comes now and then is no message before its end.
    throw(&server, &neighbors, "a byte a second", |mut wire| async move {
        let started = Instant::now();
        for byte in [0x82_u8, 0xfe, 0x10] {
            wire.write(&[byte]).await;
            sleep(Duration::from_secs(1)).await;
        }
        assert_eq!(code(&mut wire).await, 1001);
        assert!(started.elapsed() < Duration::from_secs(30));
    })
    .await;

    throw(&server, &neighbors, "whoever reads nothing", |mut wire| async move {
        // Until nothing more is taken; the server gives up once its answers were not read for long enough.
        pour(&mut wire, (0..10_000).map(|_| (0x82, vec![7; 60 << 10]))).await;
        wire.ends().await;
    })
    .await;

    // A handshake of which a byte comes now and then.
    let mut wire = Wire::connect(server.address()).await;
    for byte in b"GET" {
        wire.write(&[*byte]).await;
        sleep(Duration::from_secs(1)).await;
    }
    wire.ends().await;
    neighbors.go_on().await;

    let metrics = server.metrics().await;
    for (kind, count) in [("message-too-big", CLIENTS), ("too-many-fragments", CLIENTS)] {
        let series = format!("socklet_protocol_errors_total{{kind=\"{kind}\"}}");
        assert_eq!(metrics.get(&series), count as f64, "{kind}");
    }
    let rate = metrics.get("socklet_limit_hits_total{limit=\"control_frame_rate\"}");
    assert_eq!(rate, CLIENTS as f64);
    neighbors.end().await;
    let (code, log) = server.terminate().await;
    assert_eq!(code, Some(0), "{log}");
}
