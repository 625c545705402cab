//! The stock plugins that ask for tokens or ask somebody else: `jwt-auth`, `jwt-auth-remote` and `webhook-auth`.

use crate::clients::passes;
use serde_json::{Value, json};
use socklet_tests::{Answer, Authority, Connect, Process, Server};
use std::{
    path::Path,
    sync::{Arc, Mutex},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

const ISSUER: &str = "https://id.example";

/// Tokens, made by node.
async fn tokens(seconds: u32) -> Value {
    let made = passes("node".into(), "tokens.mjs", &[ISSUER, "chat", &seconds.to_string()], &[]).await;
    serde_json::from_str(&made).unwrap()
}

/// A web server that answers every request by a function of its head and body.
struct Web {
    port: u16,
    /// Heads and bodies.
    asked: Arc<Mutex<Vec<(String, String)>>>,
    task: JoinHandle<()>,
}

// === impl Web ===

impl Web {
    async fn start(answer: impl Fn(&str, &str) -> (u16, String) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (asked, answer) = (Arc::<Mutex<Vec<_>>>::default(), Arc::new(answer));
        let noted = asked.clone();
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (noted, answer) = (noted.clone(), answer.clone());
                tokio::spawn(async move {
                    let (head, body, mut stream) = read(stream).await;
                    let (status, text) = answer(&head, &body);
                    noted.lock().unwrap().push((head, body));
                    let length = text.len();
                    let response = format!(
                        "HTTP/1.1 {status} Said\r\nwww-authenticate: Bearer\r\nlocation: /\r\ncontent-length: {length}\r\n\r\n{text}"
                    );
                    // Status 0: no answer.
                    if status > 0 {
                        stream.write_all(response.as_bytes()).await.unwrap();
                    }
                });
            }
        });
        Self { port, asked, task }
    }

    fn asked(&self) -> Vec<(String, String)> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn read(mut stream: TcpStream) -> (String, String, TcpStream) {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let read = stream.read(&mut buffer).await.unwrap();
        assert_ne!(read, 0, "a whole request");
        bytes.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
        if body.len() >= length {
            return (head.to_owned(), body.to_owned(), stream);
        }
    }
}

/// The guest that knows who came, behind an authenticator.
async fn behind(stock: &str, more: &str) -> Server {
    Server::start(&format!(
        "[[route]]\ndefault = true\nbehavior = 'main'\nauthenticators = ['auth']\n[plugin.main]\nsource = 'guest:reporter'\n\
         [plugin.auth]\nsource = 'stock:{stock}'\n{more}"
    ))
    .await
}

async fn with_keys(folder: &Path, tokens: &Value, settings: &str) -> Server {
    let keys = folder.join("keys.json");
    std::fs::write(&keys, tokens["keys"].to_string()).unwrap();
    let more = format!(
        "settings_files = {{ keys = '{}' }}\n[plugin.auth.settings]\nissuer = ['{ISSUER}']\naudience = ['chat']\n{settings}",
        keys.display()
    );
    behind("jwt_auth", &more).await
}

fn bearer(server: &Server, token: &str) -> Connect {
    server.at("/").header("authorization", &format!("Bearer {token}"))
}

fn names(tokens: &Value) -> Vec<(String, String)> {
    let tokens = tokens.as_object().unwrap();
    tokens.iter().map(|(name, token)| (name.clone(), token.as_str().unwrap().to_owned())).collect()
}

async fn refused(connect: Connect) -> Answer {
    let answer = connect.answer().await;
    assert!((400..600).contains(&answer.status), "{}", answer.status);
    answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_of_every_algorithm_are_accepted_and_nothing_else() {
    let (folder, tokens) = (tempfile::tempdir().unwrap(), tokens(60).await);
    let attributes = "attributes = { roles = 'realm.roles', plan = 'plan', nothing = 'nothing' }\n";
    let server = with_keys(folder.path(), &tokens, attributes).await;
    for (algorithm, token) in names(&tokens["good"]) {
        if algorithm.starts_with("HS") {
            assert_eq!(refused(bearer(&server, &token)).await.status, 401, "{algorithm}");
            continue;
        }
        let mut client = bearer(&server, &token).open().await;
        let principal = client.command("principal").await;
        assert_eq!(principal["subject"], "ada", "{algorithm}");
        let shown = principal["attributes"].to_string();
        assert!(shown.contains("admin,user") && shown.contains('7') && !shown.contains("nothing"), "{shown}");
    }
    for (wrong, token) in names(&tokens["bad"]) {
        let answer = refused(bearer(&server, &token)).await;
        let challenge = answer.header("www-authenticate");
        assert_eq!((answer.status, challenge), (401, "Bearer realm=\"Socklet\", error=\"invalid_token\""), "{wrong}");
    }
    let answer = refused(server.at("/")).await;
    assert_eq!((answer.status, answer.header("www-authenticate")), (401, "Bearer realm=\"Socklet\""));
    assert_eq!(server.metric("socklet_plugin_traps_total").await, 0.0);

    let secret = tokens["secret"].as_str().unwrap();
    let shared = format!("settings = {{ secret = '{secret}', issuer = ['{ISSUER}'], audience = ['chat'] }}\n");
    let server = behind("jwt_auth", &shared).await;
    for (algorithm, token) in names(&tokens["good"]) {
        let status = bearer(&server, &token).answer().await.status;
        assert_eq!(status, if algorithm.starts_with("HS") { 101 } else { 401 }, "{algorithm}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_may_be_where_it_is_looked_for() {
    let (folder, tokens) = (tempfile::tempdir().unwrap(), tokens(60).await);
    let token = tokens["good"]["EdDSA"].as_str().unwrap();
    let places = "token_from = ['query:token', 'cookie:session', 'subprotocol:jwt.']\nalgorithms = ['EdDSA']\n";
    let server = with_keys(folder.path(), &tokens, places).await;
    for connect in [
        server.at(&format!("/?a=b&token={token}")),
        server.at("/").header("cookie", &format!("a=b; session={token}")),
        server.at("/").subprotocols(&format!("chat, jwt.{token}")),
    ] {
        assert_eq!(connect.answer().await.status, 101);
    }
    assert_eq!(refused(bearer(&server, token)).await.status, 401);
    let other = tokens["good"]["ES256"].as_str().unwrap();
    assert_eq!(refused(server.at(&format!("/?token={other}"))).await.status, 401, "not one of the algorithms");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_ends_with_its_token() {
    let folder = tempfile::tempdir().unwrap();
    // The token ends while the connection is open, and not while the plugin is compiled.
    drop(with_keys(folder.path(), &tokens(60).await, "").await);
    let tokens = tokens(10).await;
    let server = with_keys(folder.path(), &tokens, "leeway = 0\n").await;
    let mut client = bearer(&server, tokens["short"].as_str().unwrap()).open().await;
    client.expect_close(1008).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_of_a_url_are_fetched_once() {
    let (folder, tokens) = (tempfile::tempdir().unwrap(), tokens(60).await);
    let keys = tokens["keys"].to_string();
    let web = Web::start(move |_, _| (200, keys.clone())).await;
    let config = |port: u16| {
        format!(
            "[plugin.auth.settings]\nkeys_url = 'http://127.0.0.1:{port}/keys'\naudience = ['chat']\n\
             [plugin.auth.grants]\nhttp = ['http://127.0.0.1:{port}']\nkeyvalue = ['jwt-auth']\n\
             [grants]\nkeyvalue_dir = '{}'\n",
            folder.path().display()
        )
    };
    let server = behind("jwt_auth_remote", &config(web.port)).await;
    for (algorithm, token) in names(&tokens["good"]) {
        let status = bearer(&server, &token).answer().await.status;
        assert_eq!(status, if algorithm.starts_with("HS") { 401 } else { 101 }, "{algorithm}");
    }
    for wrong in ["an unknown key", "another key", "no algorithm", "no token"] {
        let token = tokens["bad"][wrong].as_str().unwrap();
        assert_eq!(refused(bearer(&server, token)).await.status, 401, "{wrong}");
    }
    let asked = web.asked();
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert!(asked[0].0.starts_with("GET /keys HTTP/1.1\r\n"), "{asked:?}");

    // Nobody has keys, and nobody answers.
    let other = tempfile::tempdir().unwrap();
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let config = config(nobody).replace(&folder.path().display().to_string(), &other.path().display().to_string());
    let server = behind("jwt_auth_remote", &config).await;
    let token = tokens["good"]["ES256"].as_str().unwrap();
    assert_eq!(refused(bearer(&server, token)).await.status, 503);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_says_who_comes_in() {
    let web = Web::start(|_, body| {
        let question: Value = serde_json::from_str(body).unwrap();
        match question["query"].as_str() {
            Some("yes") => (200, json!({ "subject": "ada", "attributes": { "role": "admin" } }).to_string()),
            Some("no") => (403, "not you".into()),
            Some("unknown") => (401, String::new()),
            Some("abstain") => (204, String::new()),
            Some("nonsense") => (200, "{}".into()),
            Some("elsewhere") => (302, String::new()),
            Some("broken") => (500, "a secret of the endpoint".into()),
            Some("huge") => (200, "x".repeat(100_000)),
            _ => (0, String::new()),
        }
    })
    .await;
    let port = web.port;
    let server = behind(
        "webhook_auth",
        &format!(
            "[plugin.auth.settings]\nurl = 'http://127.0.0.1:{port}/auth'\nforward_headers = ['x-told']\n\
             headers = {{ x-api-key = 'marker-secret' }}\n[plugin.auth.grants]\nhttp = ['http://127.0.0.1:{port}']\n"
        ),
    )
    .await;
    let mut client = server.at("/?yes").header("x-told", "1").header("x-untold", "2").open().await;
    let principal = client.command("principal").await;
    assert_eq!(principal["subject"], "ada");
    for (query, status, body) in [
        ("no", 403, "not you"),
        ("unknown", 401, "401 Unauthorized\n"),
        ("nonsense", 503, "503 Service Unavailable\n"),
        ("elsewhere", 503, "503 Service Unavailable\n"),
        ("broken", 503, "503 Service Unavailable\n"),
        ("huge", 503, "503 Service Unavailable\n"),
        ("silence", 503, "503 Service Unavailable\n"),
    ] {
        let answer = refused(server.at(&format!("/?{query}"))).await;
        assert_eq!((answer.status, &answer.body[..]), (status, body), "{query}");
    }
    assert_eq!(refused(server.at("/?abstain")).await.status, 401, "nobody is left to ask");
    let (head, body) = web.asked().swap_remove(0);
    assert!(head.starts_with("POST /auth HTTP/1.1\r\n") && head.contains("x-api-key: marker-secret"), "{head}");
    let question: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(question["headers"], json!({ "x-told": ["1"] }));
    assert_eq!((&question["client_ip"], &question["path"]), (&json!("127.0.0.1"), &json!("/")));
    drop(web);
    assert_eq!(refused(server.at("/?yes")).await.status, 503, "fails closed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_come_over_tls_from_those_whom_the_system_trusts() {
    let (folder, tokens) = (tempfile::tempdir().unwrap(), tokens(60).await);
    let path = folder.path().display();
    let authority = Authority::new("Test");
    authority.issue(&["localhost"]).write(folder.path(), "web");
    std::fs::create_dir(folder.path().join("public")).unwrap();
    std::fs::write(folder.path().join("public/keys.json"), tokens["keys"].to_string()).unwrap();
    let web = Server::start(&format!(
        "[[listener]]\nbind = '127.0.0.1:0'\ntls = {{ cert = '{path}/web.pem', key = '{path}/web.key' }}\n\
         [[route]]\npath = '/{{*file}}'\nstatic = '{path}/public'\n"
    ))
    .await;
    let address = web.address().to_string();
    let port = address.rsplit_once(':').unwrap().1;
    for (trusted, status) in [(&authority, 101), (&Authority::new("Other"), 503)] {
        let own = tempfile::tempdir().unwrap();
        std::fs::write(own.path().join("ca.pem"), trusted.pem()).unwrap();
        let server = Process::start_limited(
            own,
            &format!(
                "[[route]]\ndefault = true\nbehavior = 'main'\nauthenticators = ['auth']\n[plugin.main]\nsource = 'guest:reporter'\n\
                 [plugin.auth]\nsource = 'stock:jwt_auth_remote'\n[plugin.auth.settings]\naudience = ['chat']\n\
                 keys_url = 'https://localhost:{port}/keys.json'\n[plugin.auth.grants]\nhttp = ['https://localhost:{port}']\n\
                 http_private = true\nkeyvalue = ['jwt-auth']\n[grants]\nkeyvalue_dir = 'stores'\n"
            ),
            "export SSL_CERT_FILE=ca.pem",
        )
        .await;
        let token = tokens["good"]["PS256"].as_str().unwrap();
        let answer = server.at("/").header("authorization", &format!("Bearer {token}")).answer().await;
        assert_eq!(answer.status, status);
    }
}
