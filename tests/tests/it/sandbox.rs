//! What a plugin can reach of the world outside: its settings, a clock, and nothing else.

use serde_json::json;
use socklet_tests::Server;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_environment_no_files_no_network() {
    let server = Server::plugin("guest:reporter", "").await;
    let mut client = server.open("/").await;
    assert_eq!(client.command("env").await, json!({ "variables": [], "arguments": 0 }));
    let files = client.command("files").await;
    for act in ["list", "read", "write"] {
        assert_ne!(files[act], "ok", "{files}");
    }
    assert_eq!(files["stdin"], "0", "{files}");
    let network = client.command("network").await;
    for act in ["connect", "listen", "udp", "resolve"] {
        assert!(network[act].is_string() && network[act] != "ok", "{network}");
    }
    // The listener is real: it is the sandbox that keeps the guest from it.
    assert_eq!(client.ask("echo still here").await, "still here");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_and_random_numbers() {
    let server = Server::plugin("guest:reporter", "").await;
    let mut client = server.open("/").await;
    let clock = client.command("clock").await;
    assert!(clock["unix"].as_u64().unwrap() > 1_700_000_000 && clock["thread_slept"] == true, "{clock}");
    assert_ne!(client.command("random").await, client.command("random").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_are_texts_or_json() {
    let settings =
        "[plugin.main.settings]\ntext = 'hello'\nnumber = 7\nyes = true\nlist = [1, 'two']\nnested = { a = 1 }\n";
    let server = Server::plugin("guest:reporter", settings).await;
    let mut client = server.open("/").await;
    let expected = json!({
        "text": "hello", "number": "7", "yes": "true", "list": "[1,\"two\"]", "nested": "{\"a\":1}",
    });
    assert_eq!(client.command("settings").await, expected);
    assert_eq!(client.command("setting text").await, "hello");
    assert_eq!(client.command("setting missing").await, json!(null));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_has_its_own_settings_only() {
    let server = Server::start(
        "[[route]]\npath = '/a'\nbehavior = 'a'\n[[route]]\npath = '/b'\nbehavior = 'b'\n\
         [plugin.a]\nsource = 'guest:reporter'\nsettings = { secret = 'of a' }\n[plugin.b]\nsource = 'guest:reporter'\n",
    )
    .await;
    assert_eq!(server.open("/a").await.command("settings").await, json!({ "secret": "of a" }));
    assert_eq!(server.open("/b").await.command("settings").await, json!({}));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_are_seen_only_where_they_are_granted() {
    for (grant, seen) in [("", 0), ("[plugin.main.grants]\ncredentials = true\n", 3)] {
        let server = Server::plugin("guest:reporter", grant).await;
        let request = server.at("/").header("authorization", "Bearer s3cret").header("cookie", "session=s3cret");
        let request = request.header("proxy-authorization", "Basic s3cret").header("x-other", "plain");
        let headers = request.open().await.command("request").await["headers"].to_string();
        assert_eq!(headers.matches("s3cret").count(), seen, "{headers}");
        assert!(headers.contains("[\"x-other\",\"plain\"]"), "{headers}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn header_fields_come_in_order_and_in_lower_case() {
    let server = Server::plugin("guest:reporter", "").await;
    let request = server.at("/").header("X-One", "1").header("x-two", "2").header("x-one", "3");
    let headers = request.open().await.command("request").await["headers"].take();
    let ours: Vec<_> =
        headers.as_array().unwrap().iter().filter(|field| field[0].as_str().unwrap().starts_with("x-")).collect();
    let ones: Vec<_> =
        ours.iter().filter(|field| field[0] == "x-one").map(|field| field[1].as_str().unwrap()).collect();
    assert_eq!((ours.len(), ones), (3, vec!["1", "3"]));
}
