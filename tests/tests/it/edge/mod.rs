//! What stands in front of a server, and what starts it: proxies, systemd, another process on the same port.

mod exhaustion;
mod fields;
mod front;
mod handover;
mod http2;
mod proxy;

use serde_json::Value;
use socklet_tests::Client;
use std::collections::BTreeMap;

/// The request as the guest got it, and its attributes.
async fn request(client: &mut Client) -> (Value, BTreeMap<String, String>) {
    let request = client.command("request").await;
    let attributes: Vec<(String, String)> = serde_json::from_value(request["attributes"].clone()).unwrap();
    (request, attributes.into_iter().collect())
}
