//! The stock plugin `chat`, over sockets and under every instance policy.

use serde_json::{Value, json};
use socklet_tests::{Client, Server};

async fn next(client: &mut Client) -> Value {
    serde_json::from_str(&client.text().await).unwrap()
}

async fn say(client: &mut Client, text: &str) {
    client.send(json!({ "type": "say", "text": text }).to_string()).await;
}

/// Comes into a room; returns the welcome.
async fn enter(server: &Server, path: &str) -> (Client, Value) {
    let mut client = server.open(path).await;
    let welcome = next(&mut client).await;
    assert_eq!(welcome["type"], "welcome", "{welcome}");
    (client, welcome)
}

/// The next message says that somebody spoke.
async fn hears(client: &mut Client, from: &str, text: &str) {
    let message = next(client).await;
    assert_eq!(message["type"], "message", "{message}");
    assert_eq!((message["from"].as_str(), message["text"].as_str()), (Some(from), Some(text)));
    assert!(message["at"].as_u64().is_some_and(|at| at > 1_700_000_000_000), "{message}");
}

async fn serve(instance: &str, more: &str) -> Server {
    Server::start(&format!(
        "[[route]]\npath = '/chat/{{room}}'\nbehavior = 'chat'\ninstance = {instance}\n\
         [plugin.chat]\nsource = 'stock:chat'\n{more}"
    ))
    .await
}

/// A whole conversation.
async fn talks(instance: &str) {
    let server = serve(instance, "").await;
    let (mut ann, welcome) = enter(&server, "/chat/blue?name=ann").await;
    assert_eq!(welcome, json!({ "type": "welcome", "you": "ann", "room": "blue", "members": ["ann"] }));
    let (mut bob, welcome) = enter(&server, "/chat/blue?name=bob").await;
    assert_eq!(welcome["you"], "bob");
    let mut members: Vec<String> = serde_json::from_value(welcome["members"].clone()).unwrap();
    members.sort();
    assert_eq!(members, ["ann", "bob"]);
    assert_eq!(next(&mut ann).await, json!({ "type": "join", "name": "bob" }));
    let (mut red, welcome) = enter(&server, "/chat/red?name=ann").await;
    assert_eq!((welcome["you"].as_str(), welcome["room"].as_str()), (Some("ann"), Some("red")), "another room");

    say(&mut ann, "zażółć 🦀").await;
    hears(&mut ann, "ann", "zażółć 🦀").await;
    hears(&mut bob, "ann", "zażółć 🦀").await;
    let (mut second, welcome) = enter(&server, "/chat/blue?name=ann").await;
    assert_eq!(welcome["you"], "ann-2", "a name that is taken gets a number");
    for client in [&mut ann, &mut bob] {
        assert_eq!(next(client).await["name"], "ann-2");
    }
    second.send("{\"type\":\"who\"}").await;
    let who = next(&mut second).await;
    let mut members: Vec<String> = serde_json::from_value(who["members"].clone()).unwrap();
    members.sort();
    assert_eq!((who["type"].as_str(), members.join(" ")), (Some("members"), "ann ann-2 bob".to_owned()));
    for nonsense in ["not json", "{}", "{\"type\":\"dance\"}", "{\"type\":\"say\"}"] {
        second.send(nonsense).await;
        assert_eq!(next(&mut second).await["type"], "error", "{nonsense}");
    }
    second.vanish();
    for client in [&mut ann, &mut bob] {
        assert_eq!(next(client).await, json!({ "type": "leave", "name": "ann-2" }));
    }
    bob.send(vec![1]).await;
    bob.expect_close(1003).await;
    assert_eq!(next(&mut ann).await, json!({ "type": "leave", "name": "bob" }));
    // Whoever is in another room has heard nothing of all this.
    say(&mut red, "alone").await;
    hears(&mut red, "ann", "alone").await;
    ann.close(1000, "").await;
    red.close(1000, "").await;
    server.until_metric("socklet_plugin_instances{state=\"live\"}", 0.0).await;
    assert_eq!(server.metric("socklet_plugin_traps_total").await, 0.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_an_instance_for_each_connection() {
    talks("'connection'").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_an_instance_for_each_room() {
    talks("{ key = '{room}' }").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_one_instance() {
    talks("'shared'").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_that_were_vouched_for_are_marked() {
    let server = Server::start(
        "[[route]]\npath = '/'\nbehavior = 'chat'\nauthenticators = 'auth'\n[plugin.chat]\nsource = 'stock:chat'\n\
         [plugin.auth]\nsource = 'guest:auth_grant'\n",
    )
    .await;
    let (mut ada, welcome) = enter(&server, "/?as=ada&name=other").await;
    assert_eq!((welcome["you"].as_str(), welcome["room"].as_str()), (Some("ada"), Some("lobby")));
    let (mut guest, welcome) = enter(&server, "/?as=guest&attribute=anonymous:true&name=ada").await;
    assert_eq!(welcome["you"], "ada-2", "nobody gets the name of somebody");
    assert_eq!(next(&mut ada).await, json!({ "type": "join", "name": "ada-2" }));
    say(&mut ada, "me").await;
    assert_eq!(next(&mut guest).await["verified"], true);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_count_and_wrong_ones_refuse_everybody() {
    let server = serve("'connection'", "settings = { max_text = 5, max_name = 3 }\n").await;
    let (mut client, welcome) = enter(&server, "/chat/r?name=abcdef").await;
    assert_eq!(welcome["you"], "abc");
    say(&mut client, "123456").await;
    assert_eq!(next(&mut client).await["type"], "error");
    let room = "r".repeat(61);
    assert_eq!(server.at(&format!("/chat/{room}")).answer().await.status, 400);

    let server = serve("'connection'", "settings = { max_txt = 5 }\n").await;
    assert_eq!(server.at("/chat/r").answer().await.status, 500);
}
