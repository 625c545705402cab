//! Configurations as people write them, right and wrong.

mod edge;
mod grants;
mod tenants;

use super::{print, schema::Section, sections::SECTIONS, value::Form, *};
use socklet_plugin::InstancePolicy;
use std::time::Duration;

/// A folder with a configuration's files: `chat.wasm`, `auth.wasm` and the folder `page`.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("chat.wasm"), "").unwrap();
        std::fs::write(folder.path().join("auth.wasm"), "").unwrap();
        std::fs::create_dir(folder.path().join("page")).unwrap();
        Self(folder)
    }

    fn parse(&self, text: &str, environment: &[(&str, &str)]) -> Result<Config, Mistakes> {
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Config::parse_with(text, self.0.path().join("socklet.toml"), environment)
    }

    /// The mistakes of a text, one a line, without the folder.
    fn mistakes(&self, text: &str, environment: &[(&str, &str)]) -> String {
        let mistakes = self.parse(text, environment).expect_err("there are mistakes").to_string();
        mistakes.replace(&format!("{}/", self.0.path().display()), "")
    }
}

fn parse(text: &str) -> Config {
    match Folder::new().parse(text, &[]) {
        Ok(config) => config,
        Err(mistakes) => panic!("{mistakes}"),
    }
}

#[track_caller]
fn wrong(text: &str, expected: &[&str]) {
    assert_eq!(Folder::new().mistakes(text, &[]).lines().collect::<Vec<_>>(), expected);
}

#[test]
fn an_empty_file_has_one_listener_and_the_defaults_of_the_server() {
    let config = parse("");
    assert_eq!(config.listeners[0].bind.to_string(), "127.0.0.1:8080");
    assert!(config.routes.is_empty() && config.plugins.is_empty() && config.ops.is_none());
    assert_eq!(format!("{:?}", config.server), format!("{:?}", ServerConfig::default()));
    assert_eq!(format!("{:?}", config.drain), format!("{:?}", Drain::default()));
}

#[test]
fn the_limits_of_a_plain_route_are_the_defaults_of_the_server() {
    let config = parse("[[route]]\npath = \"/\"\nstatic = \"page\"");
    let route = &config.routes[0].config;
    assert_eq!(format!("{:?}", route.limits), format!("{:?}", socklet_server::ConnectionLimits::default()));
    assert_eq!(route.heartbeat, socklet_core::Heartbeat::default());
    assert_eq!(route.name.as_str(), "root");
}

#[test]
fn a_whole_configuration() {
    let config = parse(
        r#"
        send_timeout = "15s"
        heartbeat = { interval = "5s", pong_timeout = "3s" }

        [limits]
        max_message_size = "1MiB"
        idle_timeout = "5m"

        [[listener]]
        name = "public"
        bind = "127.0.0.1:0"

        [[listener]]
        name = "inner"
        bind = "127.0.0.1:0"

        [[route]]
        tenant = "acme"
        listener = "public"
        host = ["Example.com", "*.example.com"]
        path = "/chat/{room}"
        headers = { X-Version = "2" }
        authenticators = ["auth"]
        behavior = "chat"
        instance = { key = "{room}" }
        subprotocols = ["chat.v2", "chat.v1"]
        allowed_origins = ["https://example.com"]
        static = "page"
        limits.max_message_size = "2KiB"
        limits.idle_timeout = "none"
        limits.max_connections = 10
        heartbeat.message = ""

        [plugin.chat]
        source = "file:chat.wasm"
        timeout = "50ms"
        grants.credentials = true
        settings.history = 20

        [plugin.auth]
        source = "file:auth.wasm"
        [plugin.auth.settings]
        realm = "demo"
        users = { ada = "x" }

        [ops]
        bind = "127.0.0.1:0"
        "#,
    );
    let route = &config.routes[0];
    assert_eq!(route.tenant.as_str(), "acme");
    assert_eq!(route.config.name.as_str(), "chat-room");
    assert_eq!(route.config.hosts, ["Example.com", "*.example.com"]);
    assert_eq!(route.config.headers, [("x-version".to_owned(), "2".to_owned())]);
    assert_eq!(route.config.limits.max_message_size, 2048);
    assert_eq!(route.config.limits.max_frame_size, 2048);
    assert_eq!(route.config.limits.idle_timeout, None);
    assert_eq!(route.config.limits.max_connections, Some(10));
    assert_eq!(route.config.limits.send_timeout, Duration::from_secs(15));
    assert_eq!(route.config.limits.pong_timeout, Duration::from_secs(3));
    assert_eq!(route.config.heartbeat.interval(), Duration::from_secs(5));
    assert_eq!(route.config.heartbeat.payload(), "");
    assert!(matches!(route.instances.policy, InstancePolicy::Key(_)));
    let [chat, auth] = &config.plugins[..] else { panic!("two plugins") };
    assert!(chat.grants.credentials && !auth.grants.credentials);
    assert_eq!(chat.timeout, Some(Duration::from_millis(50)));
    assert_eq!(chat.settings["history"], "20");
    assert_eq!(auth.settings["realm"], "demo");
    assert_eq!(auth.settings["users"], r#"{"ada":"x"}"#);
}

#[test]
fn every_mistake_is_found_at_once_and_says_where_and_what_would_be_right() {
    wrong(
        r#"send_timout = "30s"
[[listener]]
name = "public"
bind = "localhost"
proxy_protocol = "v3"

[[route]]
path = "/chat/{room}"
behaviour = "chat"
behavior = "caht"
authenticators = ["auth", "nobody"]
listener = "publik"
instance = { key = "{user}" }
limits.max_message_size = "64KB"
heartbeat.interval = "2d"

[plugin.chat]
source = "file:missing.wasm"
timeout = 100
grants = { http = ["https://api.example"] }

[plugin.auth]

[limits]
slow_consumer = "drop"
max_fragments = 0
max_header_bytes = "4KiB"

[log]
format = "xml"

[engine]
compile_memory = "1MiB"
"#,
        &[
            "socklet.toml:1: send_timout: unknown key, did you mean send_timeout? (there are send_timeout, workers, tenants_dir, listener, route, \
             plugin, grants, heartbeat, limits, quotas, tenant, drain, ops, admin, usage, log, trace, engine)",
            "socklet.toml:4: listener.bind = \"localhost\": not an address; expected an address such as \"127.0.0.1:8080\", \
             \"[::1]:8080\", \":8080\", \"unix:/run/socklet.sock\" or \"systemd:NAME\"",
            "socklet.toml:5: listener.proxy_protocol = \"v3\": expected \"off\", \"v1\", \"v2\" or \"any\"",
            "socklet.toml:9: route.behaviour: unknown key, did you mean behavior? (there are tenant, name, listener, host, path, \
             path_regex, default, headers, authenticators, behavior, instance, hibernate_after, max_deaths, subprotocols, allowed_origins, static, \
             send_timeout, compression, limits, heartbeat)",
            "socklet.toml:10: route.behavior = \"caht\": unknown plugin caht, did you mean chat? (there are auth, chat)",
            "socklet.toml:11: route.authenticators = [\"auth\", \"nobody\"]: unknown plugin nobody (there are auth, chat)",
            "socklet.toml:12: route.listener = \"publik\": unknown listener publik, did you mean public? (there is public)",
            "socklet.toml:13: route.instance = { key = \"{user}\" }: the path does not capture it: unknown capture user \
             (there is room)",
            "socklet.toml:14: route.limits.max_message_size = \"64KB\": no such unit: KB (there are B, KiB, MiB, GiB); expected \
             a size such as \"64KiB\" or \"1MiB\"",
            "socklet.toml:15: route.heartbeat.interval = \"2d\": heartbeat interval 172800s is not between 1s and 24h",
            "socklet.toml:18: plugin.chat.source = \"file:missing.wasm\": there is no file missing.wasm",
            "socklet.toml:19: plugin.chat.timeout = 100: expected a duration such as \"25s\", \"100ms\" or \"5m\"",
            "socklet.toml:22: plugin.auth.source: missing; expected \"file:\" and a path, from the folder of the configuration file",
            "socklet.toml:25: limits.slow_consumer = \"drop\": expected \"close\", \"drop-newest\" or \"drop-oldest\"",
            "socklet.toml:26: limits.max_fragments = 0: expected a whole number from 1",
            "socklet.toml:27: limits.max_header_bytes = \"4KiB\": too small for what browsers send; expected at least \"8KiB\"",
            "socklet.toml:30: log.format = \"xml\": expected \"text\" or \"json\"",
            "socklet.toml:33: engine.compile_memory = \"1MiB\": too small for any plugin; expected at least \"64MiB\"",
        ],
    );
}

#[test]
fn sections_that_are_not_what_they_should_be() {
    wrong(
        "route = 1\nplugin = []\n[listener]\nbind = \"127.0.0.1:0\"\n[[limits]]\nmax_headers = 1\n[cluster]\n",
        &[
            "socklet.toml:1: route = 1: expected tables: write [[route]]",
            "socklet.toml:2: plugin = []: expected a table: write [plugin.NAME]",
            "socklet.toml:3: listener: expected tables: write [[listener]]",
            "socklet.toml:5: limits: expected a table: write [limits]",
            "socklet.toml:7: cluster: this version does not serve it yet: clustering; leave it out",
        ],
    );
}

#[test]
fn usage_is_exported_where_there_is_a_folder() {
    assert!(parse("").usage.is_none());
    let plan = parse("[usage]\nfolder = \"u\"\ninterval = \"1d\"").usage.unwrap();
    assert!(plan.folder.ends_with("u") && plan.interval == Duration::from_secs(86_400));
    for interval in ["500ms", "2d"] {
        let text = format!("[usage]\ninterval = \"{interval}\"");
        wrong(
            &text,
            &[&format!("socklet.toml:2: usage.interval = \"{interval}\": expected a time from \"1s\" to \"1d\"")],
        );
    }
}

#[test]
fn compression_is_a_switch_or_a_table() {
    let compression = |text: &str| {
        let text =
            format!("[[route]]\npath = \"/\"\nbehavior = \"chat\"\n{text}\n[plugin.chat]\nsource = \"file:chat.wasm\"");
        parse(&text).routes[0].config.compression
    };
    let defaults = socklet_server::Compression::default();
    for (text, expected) in [
        ("", None),
        ("compression = false", None),
        ("compression = true", Some(defaults)),
        ("compression = {}", Some(defaults)),
        ("[route.compression]", Some(defaults)),
        ("compression.threshold = \"1KiB\"", Some(socklet_server::Compression { threshold: 1024, ..defaults })),
        (
            "compression = { level = 7, server_no_context_takeover = false, server_max_window_bits = 12 }",
            Some(socklet_server::Compression {
                level: socklet_server::Level::new(7).unwrap(),
                server_no_context_takeover: false,
                server_max_window_bits: socklet_server::WindowBits::new(12).unwrap(),
                ..defaults
            }),
        ),
    ] {
        assert_eq!(compression(text), expected, "{text}");
    }
    wrong(
        r#"
[[route]]
path = "/a"
behavior = "chat"
compression = "yes"
[[route]]
path = "/b"
behavior = "chat"
compression = { level = 10, window = 9, client_max_window_bits = 8 }
[[route]]
path = "/c"
static = "page"
compression = true
[plugin.chat]
source = "file:chat.wasm"
"#,
        &[
            "socklet.toml:5: route.compression = \"yes\": expected true, false or a table: write [route.compression]",
            "socklet.toml:9: route.compression.window: unknown key (there are level, threshold, server_no_context_takeover, \
             client_no_context_takeover, server_max_window_bits, client_max_window_bits)",
            "socklet.toml:9: route.compression.level = 10: expected a whole number from 1 to 9",
            "socklet.toml:9: route.compression.client_max_window_bits = 8: expected a whole number from 9 to 15",
            "socklet.toml:13: route.compression = true: this is about WebSockets, and the route has no behavior to serve them",
        ],
    );
}

#[test]
fn what_is_not_toml() {
    wrong(
        "[log]\nlevel = warn\n",
        &["socklet.toml:2: not TOML: string values must be quoted, expected literal string"],
    );
}

#[test]
fn every_key_of_later_versions_is_refused_by_name() {
    for section in SECTIONS {
        for (key, _) in section.later {
            let line = format!("{key} = 1");
            let text = match section.name {
                "" => line,
                "listener" => format!("[[listener]]\n{line}"),
                "route" => format!("[[route]]\npath = \"/\"\nstatic = \"page\"\n{line}"),
                "route.limits" => format!("[[route]]\npath = \"/\"\nstatic = \"page\"\nlimits.{line}"),
                "plugin" => format!("[plugin.chat]\nsource = \"file:chat.wasm\"\n{line}"),
                "plugin.grants" => format!("[plugin.chat]\nsource = \"file:chat.wasm\"\n[plugin.chat.grants]\n{line}"),
                name => format!("[{name}]\n{line}"),
            };
            let mistakes = Folder::new().mistakes(&text, &[]);
            assert!(mistakes.lines().count() == 1 && mistakes.contains("does not serve it yet"), "{mistakes}");
        }
    }
}

#[test]
fn names_and_addresses_are_taken_once() {
    wrong(
        r#"
[[listener]]
bind = "127.0.0.1:8080"
[[listener]]
bind = "127.0.0.1:8080"
[ops]
bind = "127.0.0.1:8080"
[[route]]
path = "/a"
static = "page"
name = "a"
[[route]]
path = "/b"
static = "page"
name = "a"
[plugin."Chat 1"]
source = "file:chat.wasm"
"#,
        &[
            "socklet.toml:4: listener.name: another listener is called default, too; give each a name of its own",
            "socklet.toml:5: listener.bind = \"127.0.0.1:8080\": the listener default has this address already",
            "socklet.toml:7: ops.bind = \"127.0.0.1:8080\": the listener default has this address; operators need one of their own",
            "socklet.toml:15: route.name = \"a\": the tenant default has another route a; name one of them",
            "socklet.toml:16: plugin.Chat 1: \"Chat 1\" is not a name: use 1 to 63 of a-z, 0-9, '-' and '_'",
        ],
    );
}

#[test]
fn a_route_has_one_path_and_something_to_serve() {
    wrong(
        r#"
[[route]]
static = "page"
[[route]]
path = "/x"
default = true
behavior = "chat"
[[route]]
path_regex = "/y[0-9"
name = "y"
behavior = "chat"
[[route]]
path_regex = "/z"
behavior = "chat"
[[route]]
path = "/w"
authenticators = ["chat"]
[[route]]
path = "v"
static = "pages"
instance = "shared"
[plugin.chat]
source = "file:chat.wasm"
"#,
        &[
            "socklet.toml:2: route: it has no path: write one of path, path_regex and default = true",
            "socklet.toml:6: route.default = true: write one of path, path_regex and default = true, not path and default",
            "socklet.toml:9: route.path_regex = \"/y[0-9\": \"/y[0-9\" is not a pattern of paths: regex parse error:",
            "    /y[0-9",
            "      ^",
            "error: unclosed character class",
            "socklet.toml:12: route.name: missing; a route with path_regex needs one",
            "socklet.toml:15: route: it serves nothing: write behavior, static, or both",
            "socklet.toml:17: route.authenticators = [\"chat\"]: this is about WebSockets, and the route has no behavior to serve them",
            "socklet.toml:19: route.path = \"v\": \"v\" is not a pattern of paths: it starts with a slash, such as /rooms/{room}",
            "socklet.toml:20: route.static = \"pages\": there is no folder pages",
            "socklet.toml:21: route.instance = \"shared\": this is about WebSockets, and the route has no behavior to serve them",
        ],
    );
}

#[test]
fn routes_that_cannot_be_told_apart() {
    let text = |second: &str| {
        format!(
            "[[route]]\nname = \"a\"\npath = \"/r/{{x}}\"\nstatic = \"page\"\n[[route]]\nname = \"b\"\nstatic = \"page\"\n{second}"
        )
    };
    wrong(
        &text("path = \"/r/{x}\""),
        &[
            "socklet.toml:5: route: routes default/a and default/b cannot be told apart: both serve /r/{x} of every host, with the same \
           header fields and listeners",
        ],
    );
    parse(&text("path = \"/r/{x}\"\nhost = \"example.com\""));
    parse(&text("path = \"/r/{x}/more\""));
}

#[test]
fn what_a_route_says_of_the_handshake_is_checked() {
    wrong(
        r#"
[[route]]
path = "/"
behavior = "chat"
host = ["https://example.com"]
headers = { "x y" = "1" }
subprotocols = ["a", "b c", "a"]
allowed_origins = ["example.com"]
authenticators = ["chat", "chat"]
[plugin.chat]
source = "file:chat.wasm"
"#,
        &[
            "socklet.toml:5: route.host = [\"https://example.com\"]: \"https://example.com\" is not a host: write the \
             host alone, such as example.com",
            "socklet.toml:6: route.headers: \"x y\" is not the name of a header field: use letters, digits and hyphens, such as \
             x-version",
            "socklet.toml:7: route.subprotocols = [\"a\", \"b c\", \"a\"]: \"b c\" is not a subprotocol: no spaces, no \
             separators, not empty",
            "socklet.toml:7: route.subprotocols = [\"a\", \"b c\", \"a\"]: a is in it twice",
            "socklet.toml:8: route.allowed_origins = [\"example.com\"]: \"example.com\" is not an origin: it starts with a scheme, such as \
             https://app.example",
            "socklet.toml:9: route.authenticators = [\"chat\", \"chat\"]: chat is in it twice",
        ],
    );
}

#[test]
fn a_wrong_host_is_told_once() {
    wrong(
        "[[route]]\npath = \"/\"\nstatic = \"page\"\nhost = \"*\"\nheaders = { a = \"1\", A = \"1\" }",
        &["socklet.toml:4: route.host = \"*\": \"*\" is not a host: leave the hosts out to serve all of them"],
    );
    wrong(
        "[[route]]\npath = \"/\"\nstatic = \"page\"\nheaders = { a = \"1\", A = \"1\" }",
        &[
            "socklet.toml:1: route: route default/root: header field \"a\" is asked for twice: a request has to carry it exactly once",
        ],
    );
}

#[test]
fn the_environment_wins_over_the_file() {
    let folder = Folder::new();
    let text = "[log]\nlevel = \"warn\"\n[limits]\nmax_headers = 10\n[[route]]\npath = \"/\"\nstatic = \"page\"";
    let environment = [
        ("SOCKLET_LOG_LEVEL", "debug"),
        ("SOCKLET_LOG_MASK_QUERY", "Token, pin"),
        ("SOCKLET_LIMITS_MAX_HEADERS", "20"),
        ("SOCKLET_LIMITS_IDLE_TIMEOUT", "none"),
        ("SOCKLET_LIMITS_MAX_MESSAGE_SIZE", "1KiB"),
        ("SOCKLET_SEND_TIMEOUT", "9s"),
        ("HOME", "/home/ada"),
    ];
    let config = folder.parse(text, &environment).unwrap();
    assert_eq!(config.log.level.0, "debug");
    assert_eq!(config.server.mask.query, ["token", "pin"]);
    assert_eq!(config.server.max_headers, 20);
    assert_eq!(config.routes[0].config.limits.max_message_size, 1024);
    assert_eq!(config.routes[0].config.limits.send_timeout, Duration::from_secs(9));
}

#[test]
fn mistakes_in_the_environment() {
    let environment = [
        ("SOCKLET_LOG_LEVLE", "debug"),
        ("SOCKLET_LIMITS_MAX_HEADERS", "many"),
        ("SOCKLET_LOG_FORMAT", "xml"),
        ("SOCKLET_ROUTE_PATH", "/"),
    ];
    assert_eq!(
        Folder::new().mistakes("[limits]\nmax_headers = 10", &environment).lines().collect::<Vec<_>>(),
        [
            "environment: SOCKLET_LOG_LEVLE: unknown variable, did you mean SOCKLET_LOG_LEVEL? (`socklet config schema` lists them)",
            "environment: SOCKLET_ROUTE_PATH: unknown variable (`socklet config schema` lists them)",
            "environment: SOCKLET_LIMITS_MAX_HEADERS = many: expected a whole number from 1",
            "environment: SOCKLET_LOG_FORMAT = xml: expected \"text\" or \"json\"",
        ]
    );
}

#[test]
fn the_defaults_of_the_engine_are_those_of_the_plugins() {
    let EnginePlan { max_instances, max_large_instances, cache_dir, compile_limits, .. } = parse("").engine;
    let defaults = socklet_plugin::EngineConfig::new(cache_dir);
    assert_eq!((max_instances, max_large_instances), (defaults.max_instances, defaults.max_large_instances));
    assert_eq!(compile_limits, socklet_plugin::CompileLimits::default());
    let calls = socklet_plugin::CallLimits::default();
    let plugin = &parse("[plugin.chat]\nsource = \"file:chat.wasm\"").plugins[0];
    assert_eq!((plugin.memory_max, plugin.host_call_bytes_max), (calls.memory_max, calls.host_call_bytes_max));
}

#[test]
fn the_printed_defaults_are_the_defaults() {
    assert_eq!(parse("").needs_restart(&parse(&print::defaults())), [""; 0]);
}

#[test]
fn the_printed_defaults_are_complete() {
    let printed = print::defaults();
    for section in SECTIONS.iter().filter(|section| !section.name.is_empty()) {
        assert!(printed.contains(&section.header().replace("NAME", "chat")), "{}", section.header());
    }
    for key in SECTIONS.iter().flat_map(Section::keys) {
        assert!(
            printed.lines().any(|line| line.trim_start_matches("# ").starts_with(&format!("{} = ", key.name))),
            "{}",
            key.name
        );
    }
}

#[test]
fn every_default_and_example_is_valid_and_every_key_has_one() {
    for section in SECTIONS {
        assert!(!section.doc.trim().is_empty(), "{}", section.name);
        for key in section.keys() {
            let text =
                key.default.or(key.example).unwrap_or_else(|| panic!("{} has neither default nor example", key.name));
            let toml = text.parse().unwrap_or_else(|error| panic!("{} = {text}: {error}", key.name));
            assert!((key.check)(&toml), "{} = {text}", key.name);
            assert!(key.doc().ends_with('.'), "{}", key.name);
            assert_ne!((key.kind)().expected(), "");
        }
    }
}

#[test]
fn the_json_schema_has_every_section_and_key() {
    let schema = print::json_schema();
    let mut keys = 0;
    for section in SECTIONS {
        let mut at = &schema;
        for name in section.name.split('.').filter(|name| !name.is_empty()) {
            at = &at["properties"][name];
            at = at
                .get("items")
                .or_else(|| at.get("additionalProperties").filter(|inner| inner.is_object()))
                .unwrap_or(at);
        }
        for key in section.keys() {
            let property = &at["properties"][key.name];
            assert!(property["description"].is_string(), "{}.{}", section.name, key.name);
            if (key.kind)().form == Form::Boolean {
                assert_eq!(property["type"], "boolean");
            }
            keys += 1;
        }
    }
    assert!(keys > 50);
    assert_eq!(schema["properties"]["limits"]["properties"]["max_headers"]["default"], 100);
    assert_eq!(schema["properties"]["limits"]["properties"]["max_fragments"]["default"], 1024);
    assert_eq!(schema["properties"]["log"]["properties"]["level"]["x-variable"], "SOCKLET_LOG_LEVEL");
    assert_eq!(schema["properties"]["plugin"]["additionalProperties"]["required"][0], "source");
}

#[test]
fn the_guide_has_the_reference() {
    const MARK: &str = "<!-- From here on: written by `UPDATE=1 cargo test -p socklet the_guide`. -->\n\n";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/configuration.md");
    let guide = std::fs::read_to_string(&path).unwrap();
    let (prose, reference) = guide.split_once(MARK).expect("the guide has the mark");
    let expected = print::reference();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, format!("{prose}{MARK}{expected}")).unwrap();
    } else {
        assert_eq!(reference, expected, "write it with UPDATE=1");
    }
}
