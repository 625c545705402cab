//! TLS on listeners: with OpenSSL, curl, Python and node at the other end, and while files change.

mod clients;
mod files;
mod handshakes;
mod openssl;
mod reload;
mod requests;

use socklet_tests::{Authority, Issued, Process};
use tempfile::TempDir;

/// What most tests serve: `listener` is the section `[listener.tls]`, its files are in the folder of the configuration.
fn config(listener: &str) -> String {
    format!(
        r#"
        [[listener]]
        bind = "127.0.0.1:0"
        [listener.tls]
        {listener}
        [[route]]
        path = "/"
        behavior = "main"
        [plugin.main]
        source = "guest:reporter"
        [[route]]
        path = "/echo"
        behavior = "echo"
        instance = "shared"
        [plugin.echo]
        source = "stock:echo"
        # Clients of these tests do something else for a while.
        [heartbeat]
        interval = "1h"
        "#
    )
}

/// A folder with the certificate of `localhost` as `a.pem` and `a.key`, and who has signed it in `ca.pem`.
pub(super) fn folder(authority: &Authority) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    authority.issue(&["localhost", "127.0.0.1"]).write(folder.path(), "a");
    socklet_tests::replace(folder.path(), "ca.pem", &authority.pem());
    folder
}

/// A server with that certificate, and more of its section `[listener.tls]`.
async fn serve(authority: &Authority, more: &str) -> Process {
    Process::start_in(folder(authority), &config(&format!("cert = 'a.pem'\nkey = 'a.key'\n{more}"))).await
}

/// A client's certificate.
fn ada(authority: &Authority) -> Issued {
    let request = authority.request(&["ada.example", "192.0.2.1"]).uri("spiffe://example/ada");
    request.organization("Example, Inc").common_name("ada").issue()
}
