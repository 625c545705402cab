//! Quotas of tenants.

use super::{Folder, parse, wrong};
use socklet_core::{Quotas, Rate, TenantName};
use std::time::Duration;

fn quotas(text: &str, tenant: &str) -> Quotas {
    parse(text).tenants.quotas(&tenant.parse::<TenantName>().unwrap()).clone()
}

/// Routes of the tenants `acme` and `default`.
const ROUTES: &str = "[[route]]\ntenant = \"acme\"\npath = \"/a\"\nstatic = \"page\"\n\
                      [[route]]\npath = \"/b\"\nstatic = \"page\"\n";

/// What each may have where nothing is written.
fn usual() -> Quotas {
    Quotas { keyvalue: Some(64 << 20), http_requests: Some(32), ..Quotas::default() }
}

#[test]
fn what_plugins_are_granted_has_a_quota_and_nothing_else_unless_it_is_written() {
    assert_eq!(quotas(ROUTES, "acme"), usual());
    assert_eq!(quotas("", "whoever"), usual());
}

#[test]
fn every_quota_is_read() {
    let text = r#"
        [tenant.acme]
        max_connections = 1
        connection_rate = "2/s"
        messages_per_second = "60/m"
        bytes_per_second = "3KiB"
        max_topics = 4
        max_instances = 5
        max_memory = "6MiB"
        cpu = 0.75
        max_timers = 8
        log_lines_per_second = "9/s"
        max_saved_state = "10B"
        max_keyvalue = "1MiB"
        max_http_requests = 11
    "#;
    let expected = Quotas {
        connections: Some(1),
        connection_rate: Some(Rate::per_second(2)),
        messages: Some(Rate { count: 60, per: Duration::from_secs(60) }),
        bytes_per_second: Some(3 << 10),
        topics: Some(4),
        instances: Some(5),
        memory: Some(6 << 20),
        cpu: Some(Duration::from_millis(750)),
        timers: Some(8),
        log_lines: Some(Rate::per_second(9)),
        saved_state: Some(10),
        keyvalue: Some(1 << 20),
        http_requests: Some(11),
    };
    assert_eq!(quotas(&format!("{ROUTES}{text}"), "acme"), expected);
    assert_eq!(quotas(&format!("{ROUTES}{text}"), "default"), usual());
    let of_each = format!("{ROUTES}{}", text.replace("[tenant.acme]", "[quotas]"));
    assert_eq!((quotas(&of_each, "acme"), quotas(&of_each, "default")), (expected.clone(), expected));
}

#[test]
fn what_a_tenant_leaves_out_is_as_for_each() {
    let text =
        format!("{ROUTES}[quotas]\nmax_connections = 10\nmax_topics = 5\n[tenant.acme]\nmax_topics = 7\ncpu = 2\n");
    let of_each = Quotas { connections: Some(10), topics: Some(5), ..usual() };
    assert_eq!(quotas(&text, "default"), of_each);
    let acme = Quotas { topics: Some(7), cpu: Some(Duration::from_secs(2)), ..of_each };
    assert_eq!(quotas(&text, "acme"), acme);
    let text = format!("{text}max_connections = \"none\"\n");
    assert_eq!(quotas(&text, "acme"), Quotas { connections: None, ..acme });
    let environment = [("SOCKLET_QUOTAS_CPU", "0.5"), ("SOCKLET_QUOTAS_MAX_TOPICS", "none")];
    let config = Folder::new().parse(&text, &environment).unwrap();
    let of = |tenant: &str| config.tenants.quotas(&tenant.parse().unwrap()).clone();
    assert_eq!((of("default").cpu, of("default").topics), (Some(Duration::from_millis(500)), None));
    assert_eq!((of("acme").cpu, of("acme").topics), (Some(Duration::from_secs(2)), Some(7)));
}

#[test]
fn mistakes() {
    wrong(
        &format!(
            r#"{ROUTES}[tenant.acmee]
max_connections = 0
[tenant."A b"]
[tenant.acme]
max_conections = 1
cpu = "50%"
messages_per_second = 100
[quotas]
cpu = 0
"#
        ),
        &[
            "socklet.toml:8: tenant.acmee: it has no route: unknown tenant acmee, did you mean acme? (there are acme, default)",
            "socklet.toml:9: tenant.acmee.max_connections = 0: expected a whole number from 1, or \"none\"",
            "socklet.toml:10: tenant.A b: \"A b\" is not a name: use 1 to 63 of a-z, 0-9, '-' and '_'",
            "socklet.toml:12: tenant.acme.max_conections: unknown key, did you mean max_connections? (there are max_connections, \
             connection_rate, messages_per_second, bytes_per_second, max_topics, max_instances, max_memory, cpu, max_timers, \
             log_lines_per_second, max_saved_state, max_keyvalue, max_http_requests)",
            "socklet.toml:13: tenant.acme.cpu = \"50%\": expected a number of cores from 0.001 to 1024, such as 0.5, or \"none\"",
            "socklet.toml:14: tenant.acme.messages_per_second = 100: expected a rate such as \"100/s\" or \"60/m\", or \"none\"",
            "socklet.toml:16: quotas.cpu = 0: expected a number of cores from 0.001 to 1024, such as 0.5, or \"none\"",
        ],
    );
    wrong("tenant = 1\n", &["socklet.toml:1: tenant = 1: expected a table: write [tenant.NAME]"]);
    wrong(
        "[tenant.acme]\nmax_topics = 1\n",
        &["socklet.toml:1: tenant.acme: it has no route: unknown tenant acme (there is none)"],
    );
    // Where a route cannot be read, its tenant may be the one that is missing.
    wrong(
        "[[route]]\ntenant = \"acme\"\nstatic = \"page\"\n[tenant.acme]\n",
        &["socklet.toml:1: route: it has no path: write one of path, path_regex and default = true"],
    );
}
