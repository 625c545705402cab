//! What `socklet check` says of certificates, keys, and who can read them.

use super::{config, folder};
use socklet_tests::{Authority, command, finished};
use std::{fs, os::unix::fs::PermissionsExt, path::Path};

/// Exit code and what is said, by the error output, of a configuration in a folder.
async fn check(folder: &Path, listener: &str) -> (i32, String) {
    fs::write(
        folder.join("t.toml"),
        config(listener).replace("guest:reporter", "file:x").replace("stock:echo", "file:x"),
    )
    .unwrap();
    let (code, _, err) = finished(command(&["check", "t.toml"], folder)).await;
    let lines = err.lines().filter(|line| !line.contains(".source = "));
    (code, lines.map(|line| format!("{line}\n")).collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mistakes_name_the_key_and_the_file() {
    let authority = Authority::new("check");
    let folder = folder(&authority);
    let path = folder.path();
    authority.issue(&["b.example"]).write(path, "b");
    authority.request(&["old.example"]).expired(2).issue().write(path, "old");
    fs::write(path.join("word"), "secret\n").unwrap();
    let good = "cert = 'a.pem'\nkey = 'a.key'";
    for (listener, told) in [
        (good.to_owned(), ""),
        ("cert = 'a.pem'".to_owned(), "t.toml:4: listener.tls: there is no key; a certificate needs cert and key\n"),
        ("min_version = '1.3'".to_owned(), "t.toml:4: listener.tls: there is no certificate; write cert and key\n"),
        (
            "cert = 'c.pem'\nkey = 'c.key'".to_owned(),
            "t.toml:5: listener.tls.cert = 'c.pem': there is no file c.pem\n\
             t.toml:6: listener.tls.key = 'c.key': there is no file c.key\n",
        ),
        (
            "cert = 'a.pem'\nkey = 'b.key'".to_owned(),
            "t.toml:6: listener.tls.key = 'b.key': the private key in it is not that of the certificate in a.pem\n",
        ),
        (
            format!("{good}\nkey_password_file = 'word'"),
            "t.toml:6: listener.tls.key = 'a.key': the private key in it is not encrypted; leave key_password_file out\n",
        ),
        (
            format!("{good}\nclient_ca = 'ca.pem'"),
            "t.toml:7: listener.tls.client_ca = 'ca.pem': clients are not asked for a certificate; write client_auth = \"required\" or \"optional\", too\n",
        ),
        (
            format!("{good}\nclient_auth = 'required'"),
            "t.toml:7: listener.tls.client_auth = 'required': certificates of clients need somebody who has signed them; write client_ca, too\n",
        ),
        (
            format!("{good}\nclient_auth = 'none'\nclient_ca = 'ca.pem'"),
            "t.toml:7: listener.tls.client_auth = 'none': clients are not asked for a certificate, and client_ca is of no use; leave it out\n",
        ),
        (
            format!("{good}\nclient_auth = 'always'"),
            "t.toml:7: listener.tls.client_auth = 'always': expected \"none\", \"optional\" or \"required\"\n",
        ),
        (
            format!("{good}\nmin_version = '1.1'"),
            "t.toml:7: listener.tls.min_version = '1.1': expected \"1.2\" or \"1.3\"\n",
        ),
        (
            format!("{good}\nkye = 'a'"),
            "t.toml:7: listener.tls.kye: unknown key, did you mean key? (there are cert, key, key_password_file, client_auth, client_ca, min_version, certificates)\n",
        ),
        (
            format!(
                "{good}\ncertificates = [{{ cert = 'b.pem', key = 'b.key' }}, {{ cert = 'ca.pem', key = 'b.key' }}]"
            ),
            "t.toml:7: listener.tls.certificates.key = 'b.key': the private key in it is not that of the certificate in ca.pem\n",
        ),
        (
            "cert = 'old.pem'\nkey = 'old.key'".to_owned(),
            // Told when the rest is right; there is no file of the plugin here.
            "",
        ),
    ] {
        let (code, said) = check(path, &listener).await;
        assert_eq!(code, 64, "the plugins are missing");
        assert_eq!(said, told, "{listener}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_everybody_can_read_is_warned_of() {
    let folder = folder(&Authority::new("open"));
    let path = folder.path();
    fs::write(path.join("t.toml"), "[[listener]]\ntls = { cert = 'a.pem', key = 'a.key' }\n").unwrap();
    let check = async || finished(command(&["check", "t.toml"], path)).await;
    assert_eq!(check().await.2, "");
    fs::set_permissions(path.join("a.key"), fs::Permissions::from_mode(0o644)).unwrap();
    let (code, out, err) = check().await;
    assert_eq!(
        (code, err.as_str()),
        (0, "warning: a.key: everybody on this machine can read or write it: chmod 600 a.key\n"),
        "{out}"
    );
}
