//! Two processes on one port, sockets that somebody else has bound, and what a service manager is told.

use rustix::process::Signal;
use socklet_server::Bind;
use socklet_tests::{Connect, Process, binary, command, eventually, finished};
use std::{net::TcpListener, path::Path};
use tokio::net::UnixDatagram;

const ECHO: &str = "[[route]]\npath = '/'\nbehavior = 'main'\n[plugin.main]\nsource = 'stock:echo'\n";

fn on(bind: &str, more: &str) -> String {
    format!("[[listener]]\nbind = '{bind}'\n{more}\n{ECHO}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_share_a_port_until_one_goes() {
    let old = Process::start(&on("127.0.0.1:0", "reuse_port = true")).await;
    let bind = old.address().to_string();
    let new = Process::start(&on(&bind, "reuse_port = true")).await;
    // The system shares them out.
    let mut clients = Vec::new();
    eventually("both are connected to", async || {
        clients.push(new.open("/").await);
        old.metric("socklet_connections").await > 0.0 && new.metric("socklet_connections").await > 0.0
    })
    .await;
    assert_eq!(old.terminate().await.0, Some(0));
    for _ in 0..20 {
        assert_eq!(new.open("/").await.ask("hello").await, "hello");
    }
    // Without it the port is taken.
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("socklet.toml"), "[[listener]]\nbind = '".to_owned() + &bind + "'\n").unwrap();
    let (code, _, log) = finished(command(&["serve"], folder.path())).await;
    assert_eq!(code, 1, "{log}");
    assert!(log.contains(&format!("failed to bind listener default to {bind}")), "{log}");
}

/// Starts a server with sockets of the test as its descriptors 3 and 4: Python passes them on, as systemd would.
async fn with_sockets(config: &str, names: &str, tcp: &TcpListener, folder: &Path) -> Process {
    use std::os::fd::AsRawFd;
    let launcher = format!(
        "import os, socket, sys\n\
         tcp = socket.socket(fileno={})\n\
         local = socket.socket(socket.AF_UNIX); local.bind('{}'); local.listen()\n\
         fds = [os.dup(tcp.fileno()), os.dup(local.fileno())]\n\
         fds = [os.dup2(os.dup(fd), 100 + n) for n, fd in enumerate(fds)]\n\
         [os.dup2(fd, 3 + n) for n, fd in enumerate(fds)]\n\
         os.environ.update(LISTEN_FDS='2', LISTEN_PID=str(os.getpid()), LISTEN_FDNAMES='{names}')\n\
         os.execv(sys.argv[1], [sys.argv[1], 'serve'])\n",
        tcp.as_raw_fd(),
        folder.join("local").display()
    );
    let script = folder.join("launch.py");
    std::fs::write(&script, launcher).unwrap();
    rustix::io::fcntl_setfd(tcp, rustix::io::FdFlags::empty()).unwrap();
    let start = format!("exec python3 {} {}; :", script.display(), binary().display());
    Process::start_limited(tempfile::tempdir().unwrap(), config, &start).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sockets_that_somebody_else_has_bound() {
    let folder = tempfile::tempdir().unwrap();
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = tcp.local_addr().unwrap();
    let config = format!(
        "[[listener]]\nname = 'web'\nbind = 'systemd:web.socket'\n[[listener]]\nname = 'local'\nbind = 'systemd:local'\n{ECHO}"
    );
    let process = with_sockets(&config, "web.socket:local", &tcp, folder.path()).await;
    let local = Bind::Unix(folder.path().join("local"));
    assert_eq!((process.listener("web"), process.listener("local")), (&Bind::Tcp(address), &local));
    for bind in [Bind::Tcp(address), local] {
        assert_eq!(Connect::new(&bind, "/").open().await.ask("hello").await, "hello");
    }
    assert_eq!(process.terminate().await.0, Some(0));
    assert!(folder.path().join("local").exists(), "it belongs to somebody else");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_socket_that_was_not_passed() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("socklet.toml"), "[[listener]]\nbind = 'systemd:web'\n").unwrap();
    let (code, _, log) = finished(command(&["serve"], folder.path())).await;
    assert_eq!(code, 1);
    assert!(log.contains("no socket was passed: the server was not started by a socket unit"), "{log}");
}

/// What the server says to its service manager, in order, until it says `last`.
async fn said(manager: &UnixDatagram, last: &str) -> Vec<String> {
    let mut all = Vec::new();
    while !all.iter().any(|line| line == last) {
        let mut datagram = vec![0; 4096];
        let length = socklet_tests::within(last, manager.recv(&mut datagram)).await.unwrap();
        let text = std::str::from_utf8(&datagram[..length]).unwrap();
        all.extend(text.lines().map(str::to_owned));
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_manager_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    let first = format!("export NOTIFY_SOCKET={} WATCHDOG_USEC=300000 WATCHDOG_PID=$$", path.display());
    let process = Process::start_limited(tempfile::tempdir().unwrap(), &on("127.0.0.1:0", ""), &first).await;
    let start = said(&manager, "READY=1").await;
    assert_eq!(start[0], "STATUS=loading plugins", "{start:?}");
    said(&manager, "WATCHDOG=1").await;
    let _client = process.open("/").await;

    process.signal(Signal::HUP);
    let reload = said(&manager, "READY=1").await;
    let at = reload.iter().position(|line| line == "RELOADING=1").expect("it tells that it reloads");
    let clock = reload[at + 1].strip_prefix("MONOTONIC_USEC=").expect("and when");
    assert!(clock.parse::<u64>().unwrap() > 0, "{reload:?}");
    assert!(reload.contains(&"STATUS=serving".to_owned()), "{reload:?}");

    process.configure("nonsense = 1");
    process.signal(Signal::HUP);
    said(&manager, "STATUS=serving; the last reload failed, and what was before goes on").await;

    process.signal(Signal::TERM);
    let stop = said(&manager, "STATUS=draining 1 connections").await;
    assert!(stop.contains(&"STOPPING=1".to_owned()), "{stop:?}");
    assert_eq!(process.wait().await.0, Some(0));
}
