//! `openssl s_client`: versions, SNI, ALPN, certificates of clients, kinds of keys.

use super::{ada, config, folder, serve};
use socklet_server::Bind;
use socklet_tests::{Authority, Process, finished};
use std::{
    fs::{self, File},
    path::Path,
    process::Stdio,
};
use tokio::process::Command;

/// Runs `openssl s_client` to a server, which hangs up at once or after a request; exit code and what it says, outputs together.
async fn ask(server: &Process, arguments: &[&str], request: &str) -> (i32, String) {
    let Bind::Tcp(address) = server.address() else { panic!("a listener on TCP") };
    let address = address.to_string();
    let fixed = ["s_client", "-connect", &address, "-CAfile", "ca.pem", "-verify_return_error"];
    let input = server.folder().join("request");
    fs::write(&input, request).unwrap();
    let mut command = Command::new("openssl");
    command
        .args(fixed)
        .args(arguments)
        .current_dir(server.folder())
        .stdin(File::open(input).unwrap())
        .kill_on_drop(true);
    let (code, out, err) = finished(command).await;
    (code, out + &err)
}

async fn s_client(server: &Process, arguments: &[&str]) -> (i32, String) {
    ask(server, arguments, "").await
}

/// Runs `openssl` in a folder.
async fn openssl(folder: &Path, arguments: &str) {
    let mut command = Command::new("openssl");
    command.args(arguments.split(' ')).current_dir(folder).stdin(Stdio::null()).kill_on_drop(true);
    let (code, out, err) = finished(command).await;
    assert_eq!(code, 0, "openssl {arguments}: {out}{err}");
}

/// OpenSSL offers old versions only where it is told not to care.
const OLD: [&str; 3] = ["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn versions() {
    let authority = Authority::new("versions");
    let server = serve(&authority, "").await;
    for (arguments, version) in [(&["-tls1_2"][..], "TLSv1.2"), (&["-tls1_3"], "TLSv1.3"), (&[], "TLSv1.3")] {
        let (code, said) = s_client(&server, arguments).await;
        assert!(code == 0 && said.contains(&format!("New, {version}")), "{arguments:?}: {said}");
        assert!(said.contains("Verify return code: 0 (ok)"), "{arguments:?}: {said}");
    }
    let (code, said) = s_client(&server, &OLD).await;
    // Its hello lacks more than the version: which of the two is told does not matter.
    assert!(code != 0 && said.contains("SSL alert number"), "{said}");
    server.until_metric("socklet_tls_handshakes_total{outcome=\"incompatible\"}", 1.0).await;
    assert_eq!(server.metric("socklet_tls_handshakes_total{outcome=\"ok\"}").await, 3.0);

    let server = serve(&authority, "min_version = '1.3'").await;
    assert_eq!(s_client(&server, &["-tls1_3"]).await.0, 0);
    let (code, said) = s_client(&server, &["-tls1_2"]).await;
    assert!(code != 0 && said.contains("protocol version"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_protocol_inside_is_http() {
    let server = serve(&Authority::new("alpn"), "").await;
    let (code, said) = s_client(&server, &["-alpn", "h2,http/1.1"]).await;
    assert!(code == 0 && said.contains("ALPN protocol: http/1.1"), "{said}");
    let (code, said) = s_client(&server, &["-alpn", "h2"]).await;
    assert!(code != 0 && said.contains("no application protocol"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_for_each_host() {
    let authority = Authority::new("hosts");
    let folder = folder(&authority);
    authority.issue(&["example.com", "*.example.com"]).write(folder.path(), "b");
    authority.issue(&["example.org"]).write(folder.path(), "c");
    let certificates = "certificates = [{ cert = 'a.pem', key = 'a.key' }, { cert = 'b.pem', key = 'b.key' }, \
                        { cert = 'c.pem', key = 'c.key' }]";
    let server = Process::start_in(folder, &config(certificates)).await;
    for (asked, shown) in [
        ("example.com", "example.com"),
        ("www.example.com", "www.example.com"),
        ("example.org", "example.org"),
        ("example.net", "localhost"),
    ] {
        let (code, said) = s_client(&server, &["-servername", asked, "-verify_hostname", shown]).await;
        assert!(code == 0, "{asked}: {said}");
    }
    let (code, _) = s_client(&server, &["-servername", "example.org", "-verify_hostname", "example.com"]).await;
    assert_ne!(code, 0);
    assert_eq!(s_client(&server, &["-noservername", "-verify_hostname", "localhost"]).await.0, 0);
    let metrics = server.metrics().await;
    for name in ["localhost", "example.com", "example.org"] {
        let metric = "socklet_tls_certificate_not_after_timestamp_seconds";
        assert!(metrics.get(&format!("{metric}{{listener=\"default\",name=\"{name}\"}}")) > 1.7e9, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_of_clients() {
    let (authority, others) = (Authority::new("clients"), Authority::new("strangers"));
    for (auth, without, strange) in [("optional", true, false), ("required", false, false)] {
        let server = serve(&authority, &format!("client_ca = 'ca.pem'\nclient_auth = '{auth}'")).await;
        ada(&authority).write(server.folder(), "ada");
        ada(&others).write(server.folder(), "eve");
        let shows = |name| [format!("{name}.pem"), format!("{name}.key")];
        for version in ["-tls1_2", "-tls1_3"] {
            // With TLS 1.3 a client hears of it with what it reads first: hence a request, and `-quiet`, which waits for the answer.
            let ask = async |more: &[&str]| {
                let request = "GET /nowhere HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
                ask(&server, &[&["-quiet", version], more].concat(), request).await.1
            };
            let [cert, key] = shows("ada");
            let said = ask(&["-cert", &cert, "-key", &key]).await;
            assert!(said.contains("HTTP/1.1 404"), "{auth} {version}: {said}");
            assert_eq!(ask(&[]).await.contains("HTTP/1.1 404"), without, "{auth} {version}");
            let [cert, key] = shows("eve");
            let said = ask(&["-cert", &cert, "-key", &key]).await;
            assert_eq!(said.contains("HTTP/1.1 404"), strange, "{auth} {version}: {said}");
            assert!(said.contains("alert"), "{auth} {version}: {said}");
        }
        let outcome = |outcome| format!("socklet_tls_handshakes_total{{outcome=\"{outcome}\"}}");
        server.until_metric(&outcome("bad-certificate"), 2.0).await;
        assert_eq!(server.metric(&outcome("no-certificate")).await, if without { 0.0 } else { 2.0 });
        let (_, said) = s_client(&server, &[]).await;
        assert!(said.contains("Acceptable client certificate CA names"), "{said}");
    }
    let (_, said) = s_client(&serve(&authority, "").await, &[]).await;
    assert!(said.contains("No client certificate CA names sent"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_of_every_kind() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    fs::write(path.join("password"), "se cret\n").unwrap();
    for command in [
        "genrsa -traditional -out rsa1.key 2048",
        "pkcs8 -topk8 -nocrypt -in rsa1.key -out rsa8.key",
        "ecparam -name prime256v1 -genkey -noout -out sec1.key",
        "genpkey -algorithm ed25519 -out ed.key",
        "pkcs8 -topk8 -in sec1.key -out sealed.key -passout file:password",
        "pkcs8 -topk8 -scrypt -in rsa1.key -out scrypt.key -passout file:password",
        "rsa -aes128 -in rsa1.key -traditional -out old.key -passout file:password",
    ] {
        openssl(path, command).await;
    }
    for name in ["rsa1", "rsa8", "sec1", "ed", "sealed", "scrypt"] {
        let request =
            "req -x509 -days 9 -subj /CN=localhost -addext subjectAltName=DNS:localhost -passin file:password";
        openssl(path, &format!("{request} -key {name}.key -out {name}.pem")).await;
    }
    let server = |name: &str, password: &str| config(&format!("cert = '{name}.pem'\nkey = '{name}.key'\n{password}"));
    for name in ["rsa1", "rsa8", "sec1", "ed", "sealed", "scrypt"] {
        let password = if ["sealed", "scrypt"].contains(&name) { "key_password_file = 'password'" } else { "" };
        let own = tempfile::tempdir().unwrap();
        for file in [format!("{name}.pem"), format!("{name}.key"), "password".to_owned()] {
            fs::copy(path.join(&file), own.path().join(&file)).unwrap();
        }
        fs::copy(path.join(format!("{name}.pem")), own.path().join("ca.pem")).unwrap();
        let server = Process::start_in(own, &server(name, password)).await;
        let (code, said) = s_client(&server, &["-servername", "localhost"]).await;
        assert!(code == 0, "{name}: {said}");
        assert!(!server.log().contains("se cret"));
    }
    // A kind of encryption that is older than PKCS #8.
    fs::write(path.join("old.toml"), server("old", "key_password_file = 'password'")).unwrap();
    fs::copy(path.join("rsa1.pem"), path.join("old.pem")).unwrap();
    let (code, _, err) = finished(socklet_tests::command(&["check", "old.toml"], path)).await;
    assert!(
        code == 64 && err.contains("encrypted in a way that is not served") && err.contains("openssl pkcs8 -topk8"),
        "{err}"
    );
}
