//! haproxy and nginx in front, as operators put them there, and clients that nobody here wrote behind them.

use super::request;
use crate::{
    clients::{installed, passes},
    tls,
};
use socklet_server::Bind;
use socklet_tests::{Authority, Connect, Server, Trust, eventually, within};
use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::Stdio,
};
use tokio::{
    net::TcpStream,
    process::{Child, Command},
};

/// From where proxies connect, so that their address is another one than that of clients.
const PROXY: &str = "127.0.0.2";

/// A proxy that runs in a folder of its own.
struct Front {
    _child: Child,
    _folder: tempfile::TempDir,
}

/// What there is behind the proxies.
async fn server(folder: &Path) -> Server {
    let file = |name: &str| folder.join(name).display().to_string();
    let mut config = String::new();
    for (name, more) in [
        ("v1", "proxy_protocol = 'v1'".to_owned()),
        ("v2", "proxy_protocol = 'v2'".to_owned()),
        ("tls", format!("proxy_protocol = 'v2'\ntls = {{ cert = '{}', key = '{}' }}", file("a.pem"), file("a.key"))),
        ("xff", "real_ip_header = 'x-forwarded-for'".to_owned()),
        ("xri", "real_ip_header = 'x-real-ip'".to_owned()),
    ] {
        config +=
            &format!("[[listener]]\nname = '{name}'\nbind = '127.0.0.1:0'\ntrusted_proxies = '{PROXY}'\n{more}\n");
    }
    config += "[[route]]\npath = '/'\nbehavior = 'main'\n[plugin.main]\nsource = 'guest:reporter'\n\
               [[route]]\npath = '/echo'\nbehavior = 'echo'\n[plugin.echo]\nsource = 'stock:echo'\n";
    Server::start(&config).await
}

/// A program that `make setup` installs, where Debian has it.
fn program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places: Vec<_> = std::env::split_paths(&path).collect();
    places.push("/usr/sbin".into());
    let found = places.into_iter().map(|folder| folder.join(name)).find(|file| file.is_file());
    found.unwrap_or_else(|| panic!("{name} is missing: run `make setup` first"))
}

/// Ports that are free now.
fn ports<const N: usize>() -> [SocketAddr; N] {
    let taken: [TcpListener; N] = std::array::from_fn(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
    taken.map(|listener| listener.local_addr().unwrap())
}

impl Front {
    async fn start(name: &str, arguments: &[&str], config: &str, serves: SocketAddr) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("front.conf");
        fs::write(&file, config.replace("FOLDER", &folder.path().display().to_string())).unwrap();
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let mut child = Command::new(program(name))
            .args(arguments)
            .arg(&file)
            .current_dir(&folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        eventually(name, async || {
            let ended = child.try_wait().unwrap();
            let log = || fs::read_to_string(folder.path().join("log")).unwrap_or_default();
            assert!(ended.is_none(), "{name} ended with {ended:?}: {}", log());
            TcpStream::connect(serves).await.is_ok()
        })
        .await;
        Self { _child: child, _folder: folder }
    }
}

/// What a guest is told of a client that comes by an address: whom it is, whether it is secure, and by whom it came.
async fn told(connect: Connect) -> (String, bool, String) {
    let (request, attributes) = request(&mut connect.open().await).await;
    let proxy = attributes["proxy.address"].rsplit_once(':').unwrap().0.to_owned();
    (request["client_ip"].as_str().unwrap().to_owned(), request["secure"].as_bool().unwrap(), proxy)
}

/// Python's `websockets` and node's `ws` echo, ping and close.
async fn real_clients(to: SocketAddr) {
    let url = format!("ws://{to}/echo");
    let arguments = [url.as_str(), "text-echo", "ping-pong", "close"];
    let python = installed(".tools/python/bin/python");
    within("websockets", passes(python, "websockets_client.py", &arguments, &[])).await;
    installed("tests/clients/node_modules/ws");
    within("ws", passes("node".into(), "ws_client.mjs", &arguments, &[])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn haproxy_with_the_proxy_protocol() {
    let authority = Authority::new("haproxy");
    let folder = tls::folder(&authority);
    let server = server(folder.path()).await;
    let [v1, v2, tls, checksum] = ports();
    let mut config =
        "defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n".to_owned();
    for (front, name, send) in [
        (v1, "v1", "send-proxy"),
        (v2, "v2", "send-proxy-v2"),
        (tls, "tls", "send-proxy-v2-ssl-cn"),
        (checksum, "v2", "send-proxy-v2 proxy-v2-options crc32c,unique-id"),
    ] {
        config += &format!(
            "listen at-{}\n  bind {front}\n  unique-id-format %ci\n  server s {} source {PROXY} {send}\n",
            front.port(),
            server.listener(name)
        );
    }
    let _front = Front::start("haproxy", &["-db", "-f"], &config, checksum).await;
    for front in [v1, v2, checksum] {
        let expected = ("127.0.0.1".to_owned(), false, PROXY.to_owned());
        assert_eq!(told(Connect::new(&Bind::Tcp(front), "/")).await, expected, "{front}");
    }
    let secure = Connect::new(&Bind::Tcp(tls), "/").tls(&Trust::new(&authority), "localhost");
    assert_eq!(told(secure).await, ("127.0.0.1".to_owned(), true, PROXY.to_owned()));
    real_clients(v1).await;
    real_clients(checksum).await;
    // What haproxy sends to see whether the server lives is no client.
    assert_eq!(server.metric("socklet_proxy_headers_total{outcome=\"malformed\"}").await, 0.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn haproxy_that_looks_whether_the_server_lives() {
    let folder = tls::folder(&Authority::new("haproxy"));
    let server = server(folder.path()).await;
    let [front] = ports();
    let config = format!(
        "defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n\
         listen main\n  bind {front}\n  option httpchk GET /\n  http-check expect status 426\n\
         server s {} source {PROXY} send-proxy-v2 check inter 100ms\n",
        server.listener("v2")
    );
    let _front = Front::start("haproxy", &["-db", "-f"], &config, front).await;
    // Its own connections say LOCAL.
    eventually("a check", async || server.metric("socklet_proxy_headers_total{outcome=\"local\"}").await > 1.0).await;
    assert_eq!(told(Connect::new(&Bind::Tcp(front), "/")).await.0, "127.0.0.1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nginx_as_a_reverse_proxy() {
    let folder = tls::folder(&Authority::new("nginx"));
    let server = server(folder.path()).await;
    let [forwarded, real, both] = ports();
    let mut config =
        "daemon off;\nworker_processes 1;\npid FOLDER/pid;\nerror_log stderr;\nevents {}\nhttp {\n  access_log off;\n"
            .to_owned();
    for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
        config += &format!("  {kind}_temp_path FOLDER/{kind};\n");
    }
    config += "  map $http_upgrade $connection_upgrade { default upgrade; '' close; }\n";
    for (front, name, field) in
        [(forwarded, "xff", "X-Forwarded-For $proxy_add_x_forwarded_for"), (real, "xri", "X-Real-IP $remote_addr")]
    {
        config += &format!(
            "  server {{\n    listen {front};\n    location / {{\n      proxy_pass http://{};\n      proxy_bind {PROXY};\n\
             proxy_http_version 1.1;\n      proxy_set_header Host $http_host;\n      proxy_set_header Upgrade $http_upgrade;\n\
             proxy_set_header Connection $connection_upgrade;\n      proxy_set_header {field};\n\
             proxy_set_header X-Forwarded-Proto $scheme;\n      proxy_read_timeout 1h;\n    }}\n  }}\n",
            server.listener(name)
        );
    }
    config += &format!(
        "}}\nstream {{\n  server {{\n    listen {both};\n    proxy_pass {};\n    proxy_bind {PROXY};\n    proxy_protocol on;\n  }}\n}}\n",
        server.listener("v1")
    );
    // Its module for streams may not be there: then the rest is shown alone.
    let module = ["/usr/lib/nginx/modules/ngx_stream_module.so", "/usr/lib64/nginx/modules/ngx_stream_module.so"];
    let streams = module.into_iter().find(|file| Path::new(file).is_file());
    match streams {
        Some(file) => config.insert_str(0, &format!("load_module {file};\n")),
        None => config.truncate(config.find("stream {\n").unwrap()),
    }
    let _front = Front::start("nginx", &["-e", "stderr", "-c"], &config, real).await;
    let expected = || ("127.0.0.1".to_owned(), false, PROXY.to_owned());
    // What a client makes up stands before what the proxy adds.
    let forged = Connect::new(&Bind::Tcp(forwarded), "/").header("X-Forwarded-For", "6.6.6.6, <nonsense>");
    assert_eq!(told(forged).await, expected());
    let forged =
        Connect::new(&Bind::Tcp(real), "/").header("X-Real-IP", "6.6.6.6").header("X-Forwarded-Proto", "https");
    assert_eq!(told(forged).await, expected());
    if streams.is_some() {
        assert_eq!(told(Connect::new(&Bind::Tcp(both), "/")).await, expected());
    }
    real_clients(forwarded).await;
    real_clients(real).await;
}
