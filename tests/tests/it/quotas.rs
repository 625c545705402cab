//! Quotas: what all routes of a tenant may have together, and that other tenants go on.

use socklet_tests::{Client, Server, eventually};

/// Two routes of `acme` and one of another tenant, under these quotas.
async fn start(behavior: &str, quotas: &str) -> Server {
    let route = |tenant: &str, path: &str| format!("[[route]]\ntenant = '{tenant}'\npath = '{path}'\nbehavior = 'm'\n");
    let routes = [route("acme", "/a"), route("acme", "/b"), route("other", "/c")].concat();
    Server::start(&format!("{routes}[plugin.m]\nsource = '{behavior}'\n{quotas}")).await
}

async fn hits(server: &Server, limit: &str) -> f64 {
    server.metric(&format!("socklet_limit_hits_total{{limit=\"tenant_{limit}\"}}")).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_of_all_routes_of_a_tenant_are_counted() {
    let server = start("stock:echo", "[tenant.acme]\nmax_connections = 2\n").await;
    let (mut a, b) = (server.open("/a").await, server.open("/b").await);
    for path in ["/a", "/b"] {
        let refused = server.at(path).answer().await;
        assert_eq!((refused.status, refused.header("retry-after")), (503, "5"), "{path}");
    }
    assert_eq!(hits(&server, "max_connections").await, 2.0);
    let (_c, _d, _e) = (server.open("/c").await, server.open("/c").await, server.open("/c").await);
    assert_eq!(a.ask("still here").await, "still here");
    b.close(1000, "").await;
    eventually("there is room again", async || server.at("/a").answer().await.status == 101).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn upgrades_that_are_refused_take_no_place() {
    let server = Server::start(
        r#"
        [[route]]
        path = "/"
        behavior = "m"
        authenticators = ["who"]
        [plugin.m]
        source = "stock:echo"
        [plugin.who]
        source = "stock:basic_auth"
        [plugin.who.settings.users]
        ada = "$2b$10$uRVZDQzNPtWfPDUgoZ81yu2o3OTYJHP8BYTxy.8GDlVby6Oy0lA0e"
        [quotas]
        max_connections = 1
        "#,
    )
    .await;
    for _ in 0..20 {
        assert_eq!(server.at("/").answer().await.status, 401);
    }
    let mut client = server.at("/").header("authorization", "Basic YWRhOmxvdmVsYWNl").open().await;
    assert_eq!(client.ask("hello").await, "hello");
    // Over the quota nobody is asked who it is.
    assert_eq!(server.at("/").answer().await.status, 503);
    assert_eq!(server.metric("socklet_auth_total{outcome=\"deny\"}").await, 20.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_that_sends_too_much_is_slowed_down() {
    let server = start("stock:echo", "[tenant.acme]\nmessages_per_second = '20/s'\n").await;
    let (mut a, mut b, mut c) = (server.open("/a").await, server.open("/b").await, server.open("/c").await);
    let began = std::time::Instant::now();
    let talk = async |client: &mut Client| {
        for n in 0..30 {
            assert_eq!(client.ask(&n.to_string()).await, n.to_string());
        }
        began.elapsed().as_millis()
    };
    let (a, b, c) = tokio::join!(talk(&mut a), talk(&mut b), talk(&mut c));
    // Sixty messages, of which twenty need no time.
    assert!(a.max(b) >= 1900, "{a} {b}");
    // Even if one of them had all the twenty, its last ten took turns with the other's.
    assert!(a.min(b) >= 800, "{a} {b}");
    assert!(c < 1400, "{c}");
    assert_eq!(hits(&server, "messages_per_second").await, 40.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_that_sends_far_too_much_is_refused() {
    let server = start("stock:echo", "[tenant.acme]\nbytes_per_second = '1KiB'\n").await;
    let (mut a, mut b) = (server.open("/a").await, server.open("/b").await);
    let large = "x".repeat(7 << 10);
    a.send(large.as_str()).await;
    assert_eq!(a.expect_close(1013).await, "too busy, try again later");
    assert_eq!(hits(&server, "bytes_per_second").await, 1.0);
    server.until_metric("socklet_connections_closed_total{code=\"1013\",cause=\"limit\"}", 1.0).await;
    assert_eq!(b.ask("unharmed").await, "unharmed");
    let mut c = server.open("/c").await;
    assert_eq!(c.ask(&large).await, large);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn topics_of_all_routes_of_a_tenant_are_counted() {
    let server = start("guest:reporter", "[quotas]\nmax_topics = 2\n").await;
    let (mut a, mut b, mut c) = (server.open("/a").await, server.open("/b").await, server.open("/c").await);
    a.command("subscribe one").await;
    b.command("subscribe one").await;
    let refused = "the tenant has as many topics as its quota allows";
    assert_eq!(a.command_error("subscribe two").await, refused);
    assert_eq!(b.command_error("subscribe two").await, refused);
    a.command("subscribe one").await;
    assert_eq!(hits(&server, "max_topics").await, 2.0);
    for topic in ["one", "two"] {
        c.command(&format!("subscribe {topic}")).await;
    }
    b.command("unsubscribe one").await;
    a.command("subscribe two").await;
    assert_eq!(b.command_error("subscribe one").await, refused);
    // Who goes gives its topics back.
    a.close(1000, "").await;
    b.command("subscribe one").await;
    b.command("subscribe two").await;
    assert_eq!(hits(&server, "max_topics").await, 3.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn quotas_that_nobody_has_are_a_mistake() {
    let route = "[[route]]\ntenant = 'acme'\npath = '/'\nbehavior = 'm'\n[plugin.m]\nsource = 'stock:echo'\n";
    let mistakes = Server::build(&format!("{route}[tenant.acne]\nmax_connections = 2\n")).await.unwrap_err();
    assert!(mistakes.contains("unknown tenant acne, did you mean acme?"), "{mistakes}");
}
