//! `socklet doctor`: what it finds on this machine, and what it must not miss.

use serde_json::Value;
use socklet_tests::{Authority, command, finished, stock};
use std::{fs, net::TcpListener, os::unix::fs::PermissionsExt, path::Path};

fn configure(folder: &Path, bind: &str, more: &str) {
    let echo = stock("echo");
    let text = format!(
        "[[listener]]\nbind = \"{bind}\"\n[[route]]\npath = \"/\"\nbehavior = \"echo\"\n[plugin.echo]\nsource = \"file:{}\"\n\
         [engine]\ncache_dir = \"cache\"\nmax_instances = 256\n{more}",
        echo.display()
    );
    fs::write(folder.join("socklet.toml"), text).unwrap();
}

/// The exit code, and what was found out about something.
async fn examine(folder: &Path, about: &str) -> (i32, String) {
    let (code, output, said) = finished(command(&["doctor", "--json"], folder)).await;
    let found: Value = serde_json::from_str(&output).unwrap_or_else(|error| panic!("{error}: {output}{said}"));
    let findings = found["findings"].as_array().unwrap();
    let finding = findings.iter().find(|finding| finding["about"] == about);
    let finding = finding.unwrap_or_else(|| panic!("nothing about {about}: {output}"));
    assert_eq!(found["ok"], code == 0, "{output}");
    (code, finding["verdict"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_server_that_would_do_well_is_told_so() {
    let folder = tempfile::tempdir().unwrap();
    configure(folder.path(), "127.0.0.1:0", "[limits]\nmax_connections = 100\n");
    let (code, output, said) = finished(command(&["doctor"], folder.path())).await;
    assert_eq!(code, 0, "{output}{said}");
    for line in ["ok       open files", "ok       instances", "ok       listener default", "ok       plugins", "1 load"]
    {
        assert!(output.contains(line), "{line}: {output}");
    }
}

#[tokio::test]
async fn problems_are_found_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    configure(folder.path(), &taken.local_addr().unwrap().to_string(), "[limits]\nmax_connections = 1000000000\n");
    assert_eq!(examine(folder.path(), "listener default").await, (1, "warning".to_owned()));
    assert_eq!(examine(folder.path(), "open files").await, (1, "problem".to_owned()));

    configure(folder.path(), "192.0.2.1:80", "");
    assert_eq!(examine(folder.path(), "listener default").await, (1, "problem".to_owned()));

    configure(folder.path(), "127.0.0.1:0", "");
    let cache = folder.path().join("cache");
    fs::set_permissions(&cache, fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(examine(folder.path(), "engine.cache_dir").await, (1, "problem".to_owned()));
    let (code, output, said) = finished(command(&["doctor"], folder.path())).await;
    assert!(code == 1 && output.contains("-> chmod 700 ") && said.contains("problem"), "{output}{said}");
}

#[tokio::test]
async fn certificates_are_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("doctor");
    let tls = "[[listener]]\nname = \"secure\"\nbind = \"127.0.0.1:0\"\ntls = { cert = \"a.pem\", key = \"a.key\" }\n";
    configure(folder.path(), "127.0.0.1:0", tls);
    let about = "certificates of secure";
    authority.issue(&["a.example"]).write(folder.path(), "a");
    assert_eq!(examine(folder.path(), about).await.1, "ok");
    fs::set_permissions(folder.path().join("a.key"), fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(examine(folder.path(), about).await, (0, "warning".to_owned()));
    authority.request(&["a.example"]).expires_in(9).issue().write(folder.path(), "a");
    assert_eq!(examine(folder.path(), about).await, (0, "warning".to_owned()));
    authority.request(&["a.example"]).expired(9).issue().write(folder.path(), "a");
    assert_eq!(examine(folder.path(), about).await, (1, "problem".to_owned()));
}

#[tokio::test]
async fn a_bad_configuration_is_told_as_ever() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("socklet.toml"), "[limit]\n").unwrap();
    let (code, _, said) = finished(command(&["doctor"], folder.path())).await;
    assert!(code == 64 && said.contains("limit"), "{code} {said}");
}
