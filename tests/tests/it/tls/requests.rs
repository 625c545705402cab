//! What plugins and the log see of TLS: attributes of requests.

use super::{ada, config, folder, serve};
use serde_json::Value;
use socklet_server::Bind;
use socklet_tests::{Authority, Client, Connect, Process, Trust};
use std::collections::BTreeMap;

async fn attributes(client: &mut Client) -> (Value, BTreeMap<String, String>) {
    let request = client.command("request").await;
    let attributes: Vec<(String, String)> = serde_json::from_value(request["attributes"].clone()).unwrap();
    (request, attributes.into_iter().collect())
}

/// The SHA-256 of a certificate.
fn fingerprint(pem: &str) -> String {
    use sha2::{Digest, Sha256};
    use tokio_rustls::rustls::pki_types::{CertificateDer, pem::PemObject};
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
    Sha256::digest(&der).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_sees_the_session_and_the_certificate() {
    let authority = Authority::new("who, \"signs\"");
    let server = serve(&authority, "client_ca = 'ca.pem'\nclient_auth = 'optional'").await;
    let (nobody, ada) = (Trust::new(&authority), ada(&authority));
    let mut client = server.at("/?x=1").tls(&nobody, "localhost").open().await;
    let (request, seen) = attributes(&mut client).await;
    assert_eq!(request["secure"], true);
    assert_eq!((seen["tls.version"].as_str(), seen["tls.server-name"].as_str()), ("1.3", "localhost"));
    assert!(!seen.keys().any(|name| name.starts_with("tls.client")), "{seen:?}");
    // By address: there is no name to ask for.
    let shows = Trust::showing(&authority, &ada);
    let mut client = server.at("/").tls(&shows, "127.0.0.1").open().await;
    let (_, seen) = attributes(&mut client).await;
    assert!(!seen.contains_key("tls.server-name"), "{seen:?}");
    assert_eq!(seen["tls.client.subject"], "CN=ada,O=Example\\, Inc");
    assert_eq!(seen["tls.client.issuer"], "CN=who\\, \\\"signs\\\"");
    assert_eq!(seen["tls.client.sans"], "DNS:ada.example IP:192.0.2.1 URI:spiffe://example/ada");
    assert_eq!(seen["tls.client.fingerprint"], fingerprint(&ada.cert));
    // A session that is resumed is the same client's.
    let mut again = server.at("/").tls(&shows, "127.0.0.1").open().await;
    assert_eq!(attributes(&mut again).await.1["tls.client.fingerprint"], fingerprint(&ada.cert));
    server.until_metric("socklet_tls_handshakes_total{outcome=\"resumed\"}", 1.0).await;
    let log = server.until_log("certificate=\"CN=ada,O=Example\\\\, Inc\"").await;
    assert!(log.contains("tls=\"1.3\""), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_of_the_same_origin_are_those_of_https() {
    let authority = Authority::new("origin");
    let server = serve(&authority, "").await;
    let trust = Trust::new(&authority);
    let Bind::Tcp(address) = server.address() else { panic!("a listener on TCP") };
    for (scheme, status) in [("https", 101), ("http", 403)] {
        let request = server.at("/").tls(&trust, "localhost").origin(&format!("{scheme}://{address}"));
        assert_eq!(request.answer().await.status, status, "{scheme}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_unix_socket_can_have_tls_and_a_plain_listener_stays_plain() {
    let authority = Authority::new("unix");
    let more = "[[listener]]\nname = 'plain'\nbind = '127.0.0.1:0'\n";
    let text = config("cert = 'a.pem'\nkey = 'a.key'").replace("\"127.0.0.1:0\"", "\"unix:s\"");
    let text = text.replace("[[route]]\n        path = \"/\"", &format!("{more}[[route]]\npath = \"/\""));
    let server = Process::start_in(folder(&authority), &text).await;
    let socket = Bind::Unix(server.folder().join("s"));
    let mut client = Connect::new(&socket, "/").tls(&Trust::new(&authority), "localhost").open().await;
    assert_eq!(attributes(&mut client).await.1["tls.version"], "1.3");
    let mut client = Connect::new(server.listener("plain"), "/").open().await;
    let (request, seen) = attributes(&mut client).await;
    assert!(request["secure"] == false && !seen.contains_key("tls.version"), "{seen:?}");
    assert!(
        server.printed().contains("wss+unix:s:/echo") && server.printed().contains("ws://127.0.0.1:"),
        "{}",
        server.printed()
    );
}
