//! What plugins are granted, and settings that are in files.

use super::{Folder, parse, wrong};
use socklet_plugin::{Grants, HttpGrant};
use std::{fs, time::Duration};

const ROUTE: &str = "[[route]]\npath = \"/a\"\nbehavior = \"chat\"\n[plugin.chat]\nsource = \"file:chat.wasm\"\n";

#[test]
fn nothing_is_granted_unless_it_is_written() {
    assert_eq!(parse(ROUTE).plugins[0].grants, Grants::default());
    let text = format!(
        "{ROUTE}[plugin.chat.grants]\nhttp = [\"https://*.example\", \"http://127.0.0.1:81\"]\nhttp_private = true\n\
         keyvalue = [\"a\", \"b\"]\n[grants]\nkeyvalue_dir = \"stores\"\nkeyvalue_max_key = \"2KiB\"\nhttp_timeout = \"7s\"\n"
    );
    let config = parse(&text);
    let origins = ["https://*.example", "http://127.0.0.1:81"].map(|origin| origin.parse().unwrap()).into();
    let expected = Grants {
        credentials: false,
        http: Some(HttpGrant { origins, private: true }),
        keyvalue: Some(vec!["a".parse().unwrap(), "b".parse().unwrap()]),
    };
    assert_eq!(config.plugins[0].grants, expected);
    assert!(config.engine.keyvalue.folder.as_ref().unwrap().ends_with("stores"));
    assert_eq!((config.engine.keyvalue.key_max, config.engine.http.timeout), (2 << 10, Duration::from_secs(7)));
    let empty = parse(&format!("{ROUTE}[plugin.chat.grants]\nhttp = []\nkeyvalue = []\n"));
    assert_eq!(empty.plugins[0].grants.http, Some(HttpGrant::default()), "nothing is not the same as none");
    assert_eq!(empty.plugins[0].grants.keyvalue, Some(vec![]));
}

#[test]
fn mistakes() {
    wrong(
        &format!(
            "{ROUTE}[plugin.chat.grants]\nhttp = [\"https://auth.example/path\"]\nkeyvalue = [\"A\"]\nfiles = true\n[grants]\nhttp = []\n"
        ),
        &[
            "socklet.toml:7: plugin.chat.grants.http = [\"https://auth.example/path\"]: nothing may follow the host and the port; \
             expected origins such as [\"https://auth.example\", \"http://127.0.0.1:8081\", \"https://*.example\"]",
            "socklet.toml:8: plugin.chat.grants.keyvalue = [\"A\"]: not a name; expected a name of 1 to 63 of a-z, 0-9, '-' and '_'",
            "socklet.toml:9: plugin.chat.grants.files: unknown key (there are credentials, http, http_private, keyvalue)",
            "socklet.toml:11: grants.http: unknown key (there are keyvalue_dir, keyvalue_max_key, keyvalue_max_value, \
             http_connect_timeout, http_first_byte_timeout, http_timeout, http_max_request, http_max_response)",
        ],
    );
    wrong(
        &format!("{ROUTE}[plugin.chat.grants]\nhttp_private = true\n"),
        &[
            "socklet.toml:7: plugin.chat.grants.http_private = true: there is no http beside it: write the origins that it is about",
        ],
    );
}

#[test]
fn settings_may_be_in_files() {
    let folder = Folder::new();
    let path = folder.0.path().join("secret");
    let text = format!("{ROUTE}settings_files = {{ key = \"secret\" }}\n");
    for (written, read) in [("a b\n", "a b"), ("a\r\n", "a"), ("a\n\n", "a\n"), ("a", "a"), ("", "")] {
        fs::write(&path, written).unwrap();
        assert_eq!(folder.parse(&text, &[]).unwrap().plugins[0].settings["key"], read);
    }
    let twice = text.replace("[plugin.chat]\n", "[plugin.chat]\nsettings = { key = \"x\" }\n");
    assert!(folder.mistakes(&twice, &[]).contains("the setting key is written in settings, too"));
    fs::write(&path, [0xff]).unwrap();
    assert!(folder.mistakes(&text, &[]).contains("secret: stream did not contain valid UTF-8"));
    fs::write(&path, vec![b'x'; (1 << 20) + 1]).unwrap();
    assert!(folder.mistakes(&text, &[]).contains("more than 1048576 bytes are no setting"));
    fs::remove_file(&path).unwrap();
    assert!(folder.mistakes(&text, &[]).contains("plugin.chat.settings_files: there is no file secret"));
}
