//! What plugins reach by their grants, and what they do not reach.

use crate::{
    harness::{Client, Host, config, guest, stock},
    web::Web,
};
use futures_util::future::join_all;
use socklet_core::{CallError, DeathKind, Quotas, Tenant};
use socklet_plugin::{Grant, Grants, HttpGrant, HttpLimits, InstancePolicy, PluginConfig, RouteInstances, inspect};
use std::{path::Path, sync::Arc, time::Duration};

/// The guest with these origins, and the store `own`.
fn reach(origins: &[String], private: bool) -> PluginConfig {
    let origins = origins.iter().map(|origin| origin.parse().unwrap()).collect();
    let grants = Grants {
        credentials: false,
        http: Some(HttpGrant { origins, private }),
        keyvalue: Some(vec!["own".parse().unwrap()]),
    };
    PluginConfig { grants, ..config(guest("reach")) }
}

fn host(folder: &Path) -> Host {
    Host::with(|config| {
        config.max_instances = 64;
        config.keyvalue.folder = Some(folder.join("stores"));
        config.keyvalue.value_max = 100_000;
        config.http = HttpLimits {
            connect_timeout: Duration::from_secs(5),
            first_byte_timeout: Duration::from_millis(300),
            timeout: Duration::from_millis(600),
            request_max: 100_000,
            response_max: 200_000,
        };
    })
}

async fn client(host: &Host, config: PluginConfig) -> Client {
    host.route_with(config, InstancePolicy::Connection).await.connect("").await
}

fn tenant(name: &str, quotas: Quotas) -> Arc<Tenant> {
    Arc::new(Tenant::new(name.parse().unwrap(), quotas))
}

#[tokio::test]
async fn what_is_not_granted_is_not_loaded_and_what_is_not_needed_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let host = host(folder.path());
    let error = host.load(config(guest("reach"))).await.unwrap_err().to_string();
    for words in [
        "wasi:http/outgoing-handler@0.2",
        "which is not granted: write http = [\"https://HOST\"]",
        "which is not granted: write keyvalue = [\"NAME\"] in [plugin.guest.grants]",
        "wasi:keyvalue/store@0.2.0-draft",
        "wasi:keyvalue/atomics",
        "wasi:keyvalue/batch",
    ] {
        assert!(error.contains(words), "{words} in {error}");
    }
    let inspection = inspect(&std::fs::read(guest("reach")).unwrap()).unwrap();
    assert_eq!((inspection.would_load, inspection.grants), (true, vec![Grant::Http, Grant::Keyvalue]));
    let all = reach(&[], false);
    assert_eq!(host.load(all.clone()).await.unwrap().unused_grants(), []);
    let echo = PluginConfig { source: stock("echo").into(), ..all.clone() };
    assert_eq!(host.load(echo).await.unwrap().unused_grants(), [Grant::Http, Grant::Keyvalue]);
    let error = Host::new().load(all).await.unwrap_err().to_string();
    assert!(error.contains("write keyvalue_dir in [grants]"), "{error}");
}

#[tokio::test]
async fn requests_go_where_they_are_granted_and_nowhere_else() {
    let folder = tempfile::tempdir().unwrap();
    let (host, web) = (host(folder.path()), Web::start().await);
    let port = web.port;
    let (address, name) = (format!("http://127.0.0.1:{port}"), format!("http://localhost:{port}"));
    let mut client = client(&host, reach(std::slice::from_ref(&address), false)).await;
    assert_eq!(client.ask(&format!("get {address}/x")).await, "200 hello");
    assert_eq!(client.ask(&format!("post {address}/x 1000")).await, "200 hello");
    let all = web.connections().0;
    for to in [
        name.as_str(),
        "http://127.0.0.1",
        &format!("http://127.0.0.2:{port}"),
        &format!("http://[::1]:{port}"),
        &format!("https://127.0.0.1:{port}"),
        "http://169.254.169.254",
    ] {
        assert_eq!(client.ask(&format!("get {to}/")).await, "Denied", "{to}");
    }
    // The last host counts, whoever parses it.
    assert_ne!(client.ask(&format!("raw 127.0.0.1:{port}@127.0.0.2:{port}")).await, "ok");
    assert_eq!(client.ask(&format!("get {address}/redirect")).await, "302 elsewhere", "nobody follows it");
    assert_eq!(web.connections().0, all + 1);
    host.until("plugin_http_requests_total{outcome=\"ok\"}", 3.0).await;
}

#[tokio::test]
async fn a_name_that_stands_for_a_private_address_needs_more() {
    let folder = tempfile::tempdir().unwrap();
    let (host, web) = (host(folder.path()), Web::start().await);
    let name = format!("http://localhost:{}", web.port);
    let ask = format!("get {name}/x");
    let mut public = client(&host, reach(std::slice::from_ref(&name), false)).await;
    assert_eq!(public.ask(&ask).await, "Denied");
    assert_eq!(web.connections().0, 0);
    host.until("plugin_http_requests_total{outcome=\"denied\"}", 1.0).await;
    let mut private = client(&host, reach(&[name], true)).await;
    assert_eq!(private.ask(&ask).await, "200 hello");
}

#[tokio::test]
async fn servers_that_behave_badly_are_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    let (host, web) = (host(folder.path()), Web::start().await);
    let address = format!("http://127.0.0.1:{}", web.port);
    let mut client = client(&host, reach(std::slice::from_ref(&address), false)).await;
    for (path, answer) in [
        ("huge", "failed: "),
        ("promise", "TooLarge"),
        ("never", "Timeout"),
        ("drip", "failed: "),
        ("head", "failed: ErrorCode::"),
        ("upgrade", "failed: ErrorCode::HttpUpgradeFailed"),
        ("nonsense", "failed: ErrorCode::"),
        ("short", "failed: "),
    ] {
        let answered = client.ask(&format!("get {address}/{path}")).await;
        assert!(answered.starts_with(answer), "{path}: {answered}");
    }
    let answered = client.ask(&format!("post {address}/x 100001")).await;
    assert_eq!(answered, "Invalid(\"the body, which is too large\")");
    let answered = client.ask("get http://127.0.0.1:1/").await;
    assert_eq!(answered, "Denied");
    assert_eq!(client.ask(&format!("get {address}/x")).await, "200 hello", "it goes on");
}

#[tokio::test]
async fn whoever_is_gone_takes_the_request_along() {
    let folder = tempfile::tempdir().unwrap();
    let (host, web) = (host(folder.path()), Web::start().await);
    let address = format!("http://127.0.0.1:{}", web.port);
    let mut config = reach(std::slice::from_ref(&address), false);
    config.limits.wait = Some(Duration::from_millis(100));
    // A call may compute for less than it waits: waiting is not computing.
    config.limits.timeout = Some(Duration::from_millis(20));
    let mut client = client(&host, config).await;
    assert_eq!(client.ask(&format!("get {address}/x")).await, "200 hello");
    match client.say(&format!("get {address}/never")).await {
        Err(CallError::Died { kind: DeathKind::Timeout, .. }) => {}
        other => panic!("{other:?}"),
    }
    tokio::time::timeout(Duration::from_secs(20), async {
        while web.open() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("the connection ends with the instance");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_makes_so_many_requests_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let (host, web) = (host(folder.path()), Web::start().await);
    let authority = format!("127.0.0.1:{}", web.port);
    let plugin = host.load(reach(&[format!("http://{authority}")], false)).await.unwrap();
    let quotas = Quotas { http_requests: Some(4), ..Quotas::default() };
    let acme = tenant("acme", quotas);
    let mut clients = Vec::new();
    for _ in 0..5 {
        clients.push(crate::harness::connect(&plugin, &acme, "main").await);
    }
    let command = format!("many {authority} 200");
    let answers = join_all(clients.iter_mut().map(|client| client.ask(&command))).await;
    let mut sums = [0; 3];
    for answer in &answers {
        let numbers = answer.split(|c: char| !c.is_ascii_digit()).filter_map(|number| number.parse::<usize>().ok());
        numbers.zip(&mut sums).for_each(|(number, sum)| *sum += number);
    }
    let [answered, refused, failed] = sums;
    assert_eq!((answered + refused, failed), (1000, 0), "{answers:?}");
    assert!(answered >= 20 && refused > 0, "{answers:?}");
    assert!(web.connections().1 <= 4, "{:?}", web.connections());
    host.until("plugin_quota_hits_total{quota=\"http-requests\"}", refused as f64).await;
    assert_eq!(clients[0].ask(&format!("raw {authority}")).await, "ok");
}

#[tokio::test]
async fn more_than_an_instance_may_hold_ends_it() {
    let folder = tempfile::tempdir().unwrap();
    let (host, web) = (host(folder.path()), Web::start().await);
    let authority = format!("127.0.0.1:{}", web.port);
    let mut client = client(&host, reach(&[format!("http://{authority}")], false)).await;
    match client.say(&format!("many {authority} 5000")).await {
        Err(CallError::Died { kind: DeathKind::HostCalls, .. }) => {}
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn stores_keep_what_they_are_given() {
    let folder = tempfile::tempdir().unwrap();
    {
        let host = host(folder.path());
        let mut client = client(&host, reach(&[], false)).await;
        for (command, answer) in [
            ("kv own get a", "none"),
            ("kv own exists a", "false"),
            ("kv own set a 1", "set"),
            ("kv own get a", "1"),
            ("kv own exists a", "true"),
            ("kv own add a 41", "42"),
            ("kv own add new 7", "7"),
            ("kv own set text x", "set"),
            (
                "kv own add text 1",
                "other: the value is not a number from 0 to 18446744073709551615, or would not be one",
            ),
            ("kv own keys", "a,new,text"),
            ("kv own delete text", "deleted"),
            ("kv own set-many 1000 8", "set"),
            ("kv own get-many 1000", "1000 of 1000"),
            ("kv own set-many 1 0", "set"),
            ("kv own keys", "1002 keys"),
            ("kv own delete-many 999", "deleted"),
            ("kv own keys", "a,many-00999,new"),
        ] {
            assert_eq!(client.ask(command).await, answer, "{command}");
        }
        assert!(host.metric("plugin_keyvalue_operations_total{operation=\"set\",outcome=\"ok\"}") >= 3.0);
    }
    // The files are closed on threads of their own.
    let again = async {
        loop {
            let host = host(folder.path());
            let answer = client(&host, reach(&[], false)).await.ask("kv own get a").await;
            if answer == "42" {
                return;
            }
            assert!(answer.starts_with("other: the stores cannot be used"), "{answer}");
        }
    };
    tokio::time::timeout(Duration::from_secs(20), again).await.expect("another host finds what this one left");
}

#[tokio::test]
async fn stores_are_those_of_the_tenant_that_are_granted() {
    let folder = tempfile::tempdir().unwrap();
    let host = host(folder.path());
    let plugin = host.load(reach(&[], false)).await.unwrap();
    let (acme, other) = (tenant("acme", Quotas::default()), tenant("other", Quotas::default()));
    let mut first = crate::harness::connect(&plugin, &acme, "one").await;
    let mut second = crate::harness::connect(&plugin, &acme, "two").await;
    let mut stranger = crate::harness::connect(&plugin, &other, "one").await;
    assert_eq!(first.ask("kv own set secret acme").await, "set");
    assert_eq!(second.ask("kv own get secret").await, "acme", "plugins of one tenant share a store");
    assert_eq!(stranger.ask("kv own get secret").await, "none");
    for (store, answer) in [
        ("other", "AccessDenied"),
        ("acme", "AccessDenied"),
        ("../acme", "NoSuchStore"),
        ("", "NoSuchStore"),
        ("acme/own", "NoSuchStore"),
    ] {
        assert_eq!(stranger.ask(&format!("kv {store} get secret")).await, answer, "{store}");
    }
}

#[tokio::test]
async fn stores_have_limits() {
    let folder = tempfile::tempdir().unwrap();
    let host = host(folder.path());
    let plugin = host.load(reach(&[], false)).await.unwrap();
    let quotas = Quotas { keyvalue: Some(250_000), ..Quotas::default() };
    let mut client = crate::harness::connect(&plugin, &tenant("acme", quotas), "main").await;
    for (command, answer) in [
        ("kv own set  x", "other: the key is empty"),
        ("kv own set *1024 x", "set"),
        ("kv own set *1025 x", "other: the key has 1025 bytes, at most 1024 are allowed"),
        ("kv own get *1025", "other: the key has 1025 bytes, at most 1024 are allowed"),
        ("kv own fill a 100000", "set"),
        ("kv own fill a 100001", "other: the value has 100001 bytes, at most 100000 are allowed"),
        ("kv own set-many 1001 1", "other: 1001 keys at once, at most 1000 are allowed"),
        ("kv own fill b 100000", "set"),
        ("kv own fill c 100000", "other: the tenant's stores are full: they may have 250000 bytes"),
        ("kv own set-many 1000 100", "other: the tenant's stores are full: they may have 250000 bytes"),
        ("kv own get-many 1000", "0 of 1000"),
        ("kv own delete a", "deleted"),
        ("kv own fill c 100000", "set"),
    ] {
        assert_eq!(client.ask(command).await, answer, "{command}");
    }
    assert_eq!(host.metric("plugin_quota_hits_total{quota=\"keyvalue\"}"), 2.0);
}

#[tokio::test]
async fn an_instance_for_each_event_reaches_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let (host, web) = (host(folder.path()), Web::start().await);
    let address = format!("http://127.0.0.1:{}", web.port);
    let config = PluginConfig { fleeting: true, stateless: true, ..reach(std::slice::from_ref(&address), false) };
    let mut client = host.route_with(config, InstancePolicy::Event).await.connect("").await;
    assert_eq!(client.ask("kv own set a 1").await, "set");
    assert_eq!(client.ask("kv own get a").await, "1");
    assert_eq!(client.ask(&format!("get {address}/x")).await, "200 hello");
}

#[tokio::test]
async fn an_instance_that_sleeps_lets_go_and_finds_its_stores_again() {
    let folder = tempfile::tempdir().unwrap();
    let (host, web) = (host(folder.path()), Web::start().await);
    let authority = format!("127.0.0.1:{}", web.port);
    let config = PluginConfig { stateless: true, ..reach(&[format!("http://{authority}")], false) };
    let hibernate_after = Some(Duration::from_millis(20));
    let instances = RouteInstances { policy: InstancePolicy::Connection, hibernate_after, max_deaths: None };
    let mut client = host.route_with(config, instances).await.connect("").await;
    assert_eq!(client.ask("kv own set a 1").await, "set");
    assert_eq!(client.ask(&format!("begin {authority}")).await, "begun");
    host.until("plugin_instances{state=\"hibernated\"}", 1.0).await;
    assert_eq!(client.ask("kv own get a").await, "1");
}

#[tokio::test]
async fn another_version_has_other_grants() {
    let folder = tempfile::tempdir().unwrap();
    let host = host(folder.path());
    let config = PluginConfig { stateless: true, ..reach(&[], false) };
    let plugin = host.load(config.clone()).await.unwrap();
    let mut client = crate::harness::connect(&plugin, &tenant("acme", Quotas::default()), "main").await;
    assert_eq!(client.ask("kv own set a 1").await, "set");
    let grants = Grants { keyvalue: Some(vec!["other".parse().unwrap()]), ..config.grants.clone() };
    plugin.swap(PluginConfig { grants, ..config.clone() }).await.unwrap();
    let moved = async {
        while client.ask("kv own get a").await != "AccessDenied" {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), moved).await.expect("the instance moves between two calls");
    assert_eq!(client.ask("kv other get a").await, "none");
    let grants = Grants { keyvalue: None, ..config.grants.clone() };
    let error = plugin.swap(PluginConfig { grants, ..config }).await.unwrap_err().to_string();
    assert!(error.contains("which is not granted: write keyvalue"), "{error}");
    assert_eq!(client.ask("kv other get a").await, "none", "it goes on as it was");
}
