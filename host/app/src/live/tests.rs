//! Whatever ran before, a server becomes what its configuration says: the same as one that begins with it.

use super::Live;
use crate::{Config, Running};
use proptest::{collection::vec, prelude::*, sample::subsequence};
use socklet_core::Connections;
use std::{
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
};

/// What a configuration can differ in. Everything is a small number, so that much of it stays from one to the next.
#[derive(Clone, Debug)]
struct World {
    /// For each listener its socket: two may change theirs.
    listeners: Vec<(usize, usize)>,
    routes: Vec<(usize, RouteSpec)>,
    /// The routes of tenants with files of their own.
    files: Vec<(usize, Vec<(usize, RouteSpec)>)>,
    /// The settings of a plugin that all share, and the size of messages for all.
    setting: usize,
    size: usize,
}

#[derive(Clone, Debug)]
struct RouteSpec {
    tenant: usize,
    path: usize,
    page: usize,
    /// A listener of its own; none where it is not there.
    listener: Option<usize>,
    heartbeat: usize,
    behavior: Option<usize>,
    instance: usize,
}

const SOCKETS: usize = 3;
const ROUTES: usize = 4;
const FILES: usize = 3;
const PAGES: usize = 3;

fn route() -> impl Strategy<Value = RouteSpec> {
    let listener = proptest::option::weighted(0.3, 0..SOCKETS);
    let behavior = proptest::option::weighted(0.5, 0..2usize);
    (0..2usize, 0..2usize, 0..PAGES, listener, 1..3usize, behavior, 0..3usize).prop_map(
        |(tenant, path, page, listener, heartbeat, behavior, instance)| RouteSpec {
            tenant,
            path,
            page,
            listener,
            heartbeat,
            behavior,
            instance,
        },
    )
}

fn routes() -> impl Strategy<Value = Vec<(usize, RouteSpec)>> {
    (subsequence((0..ROUTES).collect::<Vec<_>>(), 0..=ROUTES).prop_shuffle(), vec(route(), ROUTES))
        .prop_map(|(numbers, specs)| numbers.into_iter().zip(specs).collect())
}

fn world() -> impl Strategy<Value = World> {
    let sockets = Just((0..SOCKETS).collect::<Vec<_>>()).prop_shuffle();
    let names = subsequence((0..SOCKETS).collect::<Vec<_>>(), 1..=SOCKETS);
    let listeners = (names, sockets).prop_map(|(names, sockets)| names.into_iter().zip(sockets).collect());
    let files = (subsequence((0..FILES).collect::<Vec<_>>(), 0..=FILES), vec(routes(), FILES));
    let files = files.prop_map(|(names, routes)| names.into_iter().zip(routes).collect());
    (listeners, routes(), files, 0..2usize, 1..3usize).prop_map(|(listeners, routes, files, setting, size)| World {
        listeners,
        routes,
        files,
        setting,
        size,
    })
}

impl World {
    /// Writes it down. Sockets are in `sockets`.
    fn config(&self, folder: &Path, sockets: &Path) -> Config {
        let Self { listeners, routes, files, setting, size } = self;
        let mut text = format!(
            "tenants_dir = \"tenants.d\"\n[plugin.p0]\nsource = \"file:p.wasm\"\nload = \"lazy\"\nsettings = {{ n = {setting} }}\n\
             [plugin.p1]\nsource = \"file:p.wasm\"\nload = \"lazy\"\n[limits]\nmax_message_size = \"{size}KiB\"\n\
             [quotas]\nmax_topics = {size}\n"
        );
        for (name, socket) in listeners {
            let path = sockets.join(format!("s{socket}"));
            let _ = writeln!(text, "[[listener]]\nname = \"l{name}\"\nbind = \"unix:{}\"", path.display());
        }
        for (number, spec) in routes {
            spec.write(&mut text, "m", *number, listeners, Some(spec.tenant));
        }
        let tenants = folder.join("tenants.d");
        let _ = fs::remove_dir_all(&tenants);
        fs::create_dir(&tenants).unwrap();
        for (name, routes) in files {
            let mut text = format!("[quotas]\nmax_timers = {size}\n[plugin.p1]\nsource = \"file:../p.wasm\"\n");
            for (number, spec) in routes {
                spec.write(&mut text, &format!("f{name}"), *number, listeners, None);
            }
            fs::write(tenants.join(format!("f{name}.toml")), text).unwrap();
        }
        let cache = folder.join("cache").display().to_string();
        let environment = [("SOCKLET_ENGINE_CACHE_DIR", cache), ("SOCKLET_ENGINE_MAX_INSTANCES", "4".to_owned())];
        let environment = environment.map(|(name, value)| (name.to_owned(), value));
        Config::parse_with(&text, folder.join("socklet.toml"), environment)
            .unwrap_or_else(|error| panic!("{error}\n{text}"))
    }
}

impl RouteSpec {
    fn write(
        &self,
        text: &mut String,
        owner: &str,
        number: usize,
        listeners: &[(usize, usize)],
        tenant: Option<usize>,
    ) {
        let Self { path, page, listener, heartbeat, behavior, instance, .. } = self;
        let folder = if tenant.is_some() { "" } else { "../" };
        let _ = writeln!(
            text,
            "[[route]]\nname = \"r{number}\"\npath = \"/{owner}/r{number}/{path}/{{*file}}\"\nstatic = \"{folder}page{page}\"\n\
             heartbeat.interval = \"{heartbeat}s\""
        );
        if let Some(tenant) = tenant {
            let _ = writeln!(text, "tenant = \"t{tenant}\"");
        }
        if let Some(listener) = listener.filter(|listener| listeners.iter().any(|(name, _)| name == listener)) {
            let _ = writeln!(text, "listener = \"l{listener}\"");
        }
        if let Some(behavior) = behavior {
            let instance = ["connection", "shared", "event"][*instance];
            let _ = writeln!(text, "behavior = \"p{behavior}\"\ninstance = \"{instance}\"");
        }
    }
}

/// A folder with the pages, and with a component that nobody will load.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("p.wasm"), "").unwrap();
    for page in 0..PAGES {
        fs::create_dir(folder.path().join(format!("page{page}"))).unwrap();
        fs::write(folder.path().join(format!("page{page}/index.html")), format!("page {page}")).unwrap();
    }
    folder
}

async fn start(config: Config) -> Running {
    config.build().await.unwrap_or_else(|error| panic!("{error}")).start()
}

/// What is found at a path of a socket.
async fn get(socket: &Path, path: &str) -> String {
    let Ok(mut stream) = UnixStream::connect(socket).await else { return "nobody listens".to_owned() };
    let request = format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let status = answer.split(' ').nth(1).unwrap_or_default();
    format!("{status} {}", answer.split("\r\n\r\n").nth(1).unwrap_or_default())
}

/// Everything that can be seen of a server, from inside and from outside.
async fn seen(running: &Running, sockets: &Path) -> String {
    let mut text = String::new();
    let live: std::sync::Arc<Live> = running.control().live();
    for (name, tenant) in &live.tenants {
        let _ = writeln!(text, "tenant {name} {:?} {:?}", tenant.tenant.quotas(), tenant.plugins.keys());
        for (name, route) in &tenant.routes {
            let plan = &route.plan;
            let _ = writeln!(
                text,
                "  route {name} {:?} {:?} {:?} {:?}",
                plan.config,
                plan.behavior,
                plan.instances,
                route.connections.heartbeat()
            );
        }
    }
    for plugin in live.plugins() {
        let _ = writeln!(text, "plugin {} {:?}", plugin.id(), plugin.state());
    }
    for status in running.control().listeners() {
        let _ = writeln!(text, "listener {} {} {:?}", status.name, status.bind, status.state);
    }
    let owners = (0..FILES).map(|file| format!("f{file}")).chain(["m".to_owned()]);
    for owner in owners {
        for (number, path) in (0..ROUTES).flat_map(|number| (0..2).map(move |path| (number, path))) {
            let path = format!("/{owner}/r{number}/{path}/");
            for socket in 0..SOCKETS {
                let _ = writeln!(text, "{socket} {path} {}", get(&sockets.join(format!("s{socket}")), &path).await);
            }
        }
    }
    text.replace(&sockets.display().to_string(), "SOCKETS")
}

/// One server goes through all of the worlds; after each it is compared with one that begins there.
async fn goes_through(worlds: Vec<World>) {
    let folder = folder();
    let sockets = |name: &str| -> PathBuf {
        let path = folder.path().join(name);
        fs::create_dir_all(&path).unwrap();
        path
    };
    let mut worlds = worlds.into_iter();
    let own = sockets("own");
    let running = start(worlds.next().unwrap().config(folder.path(), &own)).await;
    for (number, world) in worlds.enumerate() {
        let control = running.control();
        let prepared = control.prepare(world.config(folder.path(), &own)).await;
        control.begin(prepared.unwrap_or_else(|refused| panic!("{:?}", refused.mistakes)));
        let other = sockets(&format!("other{number}"));
        let fresh = start(world.config(folder.path(), &other)).await;
        // Sockets that are not listened on any more are closed in a moment.
        for _ in 0..1_000 {
            if seen(&running, &own).await == seen(&fresh, &other).await {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        assert_eq!(seen(&running, &own).await, seen(&fresh, &other).await, "{world:#?}");
        fresh.drain().await;
    }
    running.drain().await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, max_shrink_iters: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_server_becomes_what_its_configuration_says(worlds in vec(world(), 2..6)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(goes_through(worlds));
    }
}
