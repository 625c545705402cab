//! The authenticator chain: who is asked, in which order, and that only a grant lets anybody in.

use socklet_tests::{Answer, Client, Connect, Server};

/// `ada` with `lovelace`, `grace` with `hopper`: the users of the demo.
const BASIC: &str = r#"
    [plugin.basic]
    source = "stock:basic_auth"
    [plugin.basic.settings]
    realm = "Test"
    without_credentials = "abstain"
    [plugin.basic.settings.users]
    ada = "$2b$10$uRVZDQzNPtWfPDUgoZ81yu2o3OTYJHP8BYTxy.8GDlVby6Oy0lA0e"
    grace = "$2b$10$wWY57WMS/uZpGlRfkMGwbuzpoNCvFab8pBO9Gn6FRIW2O7jmguKae"
"#;
const ADA: &str = "Basic YWRhOmxvdmVsYWNl";
const GRACE: &str = "Basic Z3JhY2U6aG9wcGVy";
const ADA_WRONG: &str = "Basic YWRhOmJ5cm9u";
const NOBODY: &str = "Basic bm9ib2R5OmxvdmVsYWNl";

/// A guest behind these authenticators.
async fn behind(authenticators: &str, plugins: &str) -> Server {
    Server::start(&format!(
        "[[route]]\ndefault = true\nbehavior = 'main'\nauthenticators = [{authenticators}]\n\
         [plugin.main]\nsource = 'guest:reporter'\n[plugin.grant]\nsource = 'guest:auth_grant'\n{plugins}"
    ))
    .await
}

async fn subject(mut client: Client) -> String {
    client.command("principal").await["subject"].as_str().unwrap_or_default().to_owned()
}

fn with(connect: Connect, credentials: &str) -> Connect {
    connect.header("authorization", credentials)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn basic_auth_knows_its_users() {
    let server = behind("'basic'", BASIC).await;
    assert_eq!(subject(with(server.at("/"), ADA).open().await).await, "ada");
    assert_eq!(subject(with(server.at("/"), GRACE).open().await).await, "grace");
    let wrong = with(server.at("/"), ADA_WRONG).answer().await;
    let nobody = with(server.at("/"), NOBODY).answer().await;
    for denied in [&wrong, &nobody, &with(server.at("/"), "Basic !!!").answer().await] {
        assert_eq!(denied.status, 401);
        assert_eq!(denied.header("www-authenticate"), "Basic realm=\"Test\", charset=\"UTF-8\"");
    }
    assert_eq!(wrong.body, nobody.body, "nobody learns which names there are");
    // Without credentials this one abstains, and there is no other.
    assert_eq!(server.at("/").answer().await.status, 401);
    let twice = with(with(server.at("/"), ADA), GRACE).answer().await;
    assert_eq!(twice.status, 401);
    assert_eq!(server.metric("socklet_auth_total{outcome=\"grant\"}").await, 2.0);
    assert_eq!(server.metric("socklet_connections_opened_total").await, 2.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_that_decides_is_the_last_that_is_asked() {
    let office = "[plugin.office]\nsource = 'stock:ip_auth'\n\
                  [plugin.office.settings]\nnetworks = { '127.0.0.0/8' = 'local', '10.0.0.0/8' = 'intranet' }\n";
    let server = behind("'basic', 'office'", &format!("{BASIC}{office}")).await;
    assert_eq!(subject(with(server.at("/"), ADA).open().await).await, "ada", "a grant ends the chain");
    assert_eq!(subject(server.open("/").await).await, "local", "the first abstains");
    assert_eq!(with(server.at("/"), ADA_WRONG).answer().await.status, 401, "a denial ends the chain");

    let server = behind("'office', 'basic'", &format!("{BASIC}{office}")).await;
    assert_eq!(subject(with(server.at("/"), ADA_WRONG).open().await).await, "local", "the order counts");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ip_auth_goes_by_the_longest_network() {
    let listeners = |bind: &str| format!("[[listener]]\nbind = '{bind}'\n");
    let plugin = "[plugin.office]\nsource = 'stock:ip_auth'\n[plugin.office.settings]\notherwise = 'deny'\n\
                  networks = { '127.0.0.0/8' = 'net', '127.0.0.1' = 'host', '::1' = 'six' }\n";
    let server = behind("'office'", &format!("{plugin}{}", listeners("127.0.0.1:0"))).await;
    assert_eq!(subject(server.open("/").await).await, "host");
    let server = behind("'office'", &format!("{plugin}{}", listeners("[::1]:0"))).await;
    assert_eq!(subject(server.open("/").await).await, "six");
    // A client on a UNIX socket has no address.
    let folder = tempfile::tempdir().unwrap();
    let socket = format!("unix:{}", folder.path().join("s").display());
    let server = behind("'office'", &format!("{plugin}{}", listeners(&socket))).await;
    assert_eq!(server.at("/").answer().await.status, 403);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chain_in_which_nobody_grants_lets_nobody_in() {
    let guests = "[plugin.trap]\nsource = 'guest:auth_trap'\n[plugin.bad]\nsource = 'guest:auth_bad'\n";
    let server = behind("'grant', 'trap'", guests).await;
    assert_eq!(server.at("/").answer().await.status, 500, "the first abstains, the second dies");
    assert_eq!(subject(server.open("/?as=ada").await).await, "ada", "the second is not asked");
    assert_eq!(server.at("/?deny=403").answer().await.status, 403);

    let server = behind("'trap', 'grant'", guests).await;
    let dies = server.at("/?as=ada").answer().await;
    assert_eq!(dies.status, 500, "a dead authenticator is not an abstention");

    let server = behind("'bad', 'grant'", guests).await;
    assert_eq!(server.at("/?status=302&as=ada").answer().await.status, 500);

    let other = "[plugin.other]\nsource = 'guest:auth_grant'\n";
    let server = behind("'grant', 'other'", other).await;
    let Answer { status, body, .. } = server.at("/").answer().await;
    assert_eq!((status, &*body), (401, "authentication required\n"), "everybody abstains");
    assert_eq!(server.metric("socklet_connections_opened_total").await, 0.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_request_meets_an_authenticator_without_memory() {
    let server = behind("'grant'", "").await;
    for turn in 0..5 {
        let name = format!("user-{turn}");
        assert_eq!(subject(server.open(&format!("/?as={name}")).await).await, name);
        assert_eq!(server.at("/").answer().await.status, 401);
    }
    server.until_metric("socklet_plugin_instances{state=\"live\"}", 0.0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_that_make_no_sense_let_nobody_in() {
    let plugin = "[plugin.basic]\nsource = 'stock:basic_auth'\n[plugin.basic.settings]\nusers = { ada = 'lovelace' }\n";
    let server = behind("'basic'", plugin).await;
    let answer = with(server.at("/"), ADA).answer().await;
    assert_eq!(answer.status, 500, "{answer:?}");
    assert!(!answer.body.contains("lovelace"), "{answer:?}");
    assert_eq!(server.metric("socklet_connections_opened_total").await, 0.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_of_the_wrong_kind_is_a_mistake() {
    let config = "[[route]]\npath = '/'\nbehavior = 'grant'\nauthenticators = 'main'\n\
                  [plugin.main]\nsource = 'guest:reporter'\n[plugin.grant]\nsource = 'guest:auth_grant'\n";
    let mistakes = Server::build(config).await.unwrap_err();
    assert!(mistakes.contains("test.toml:3: route.behavior"), "{mistakes}");
    assert!(mistakes.contains("test.toml:4: route.authenticators"), "{mistakes}");
}
