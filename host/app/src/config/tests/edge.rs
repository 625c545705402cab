//! Proxies in front of listeners.

use super::{parse, wrong};
use socklet_server::{Edge, ProxyProtocol, RealIpHeader};

#[test]
fn nobody_is_trusted_unless_it_is_written() {
    assert_eq!(parse("").listeners[0].edge, Edge::default());
    let config = parse(
        r#"
        [[listener]]
        trusted_proxies = ["10.0.0.0/8", "2001:db8::1"]
        proxy_protocol = "v2"
        real_ip_header = "forwarded"
        reuse_port = true
        "#,
    );
    let listener = &config.listeners[0];
    assert!(listener.reuse_port && listener.edge.trusted.has_networks() && !listener.edge.trusted.has_unix());
    assert_eq!(listener.edge.proxy_protocol, ProxyProtocol::V2);
    assert_eq!(listener.edge.real_ip, Some(RealIpHeader::Forwarded));
    let config = parse("[[listener]]\nbind = \"unix:s\"\ntrusted_proxies = \"unix\"\nreal_ip_header = \"x-real-ip\"");
    assert!(config.listeners[0].edge.trusted.has_unix());
}

#[test]
fn what_says_nothing_or_could_never_be_is_a_mistake() {
    wrong(
        "[[listener]]\nproxy_protocol = \"any\"\nreal_ip_header = \"x-real-ip\"",
        &[
            "socklet.toml:2: listener.proxy_protocol = \"any\": nobody is believed: write trusted_proxies, too, such as [\"10.0.0.0/8\"]",
            "socklet.toml:3: listener.real_ip_header = \"x-real-ip\": nobody is believed: write trusted_proxies, too, such as \
             [\"10.0.0.0/8\"]",
        ],
    );
    wrong(
        "[[listener]]\ntrusted_proxies = \"10.0.0.0/8\"",
        &[
            "socklet.toml:2: listener.trusted_proxies = \"10.0.0.0/8\": they are asked nothing: write proxy_protocol or real_ip_header, too",
        ],
    );
    wrong(
        "[[listener]]\ntrusted_proxies = \"unix\"\nproxy_protocol = \"v1\"",
        &[
            "socklet.toml:2: listener.trusted_proxies = \"unix\": nobody connects to this listener over a UNIX socket; leave \"unix\" out",
        ],
    );
    wrong(
        "[[listener]]\nbind = \"unix:s\"\ntrusted_proxies = \"10.0.0.0/8\"\nproxy_protocol = \"v1\"",
        &[
            "socklet.toml:3: listener.trusted_proxies = \"10.0.0.0/8\": whoever connects to a UNIX socket has no address, and nobody could \
           connect; write \"unix\", too",
        ],
    );
    for bind in ["unix:s", "systemd:web"] {
        wrong(
            &format!("[[listener]]\nbind = \"{bind}\"\nreuse_port = true"),
            &[
                "socklet.toml:3: listener.reuse_port = true: only an address and port can be shared; leave it out, or write ReusePort= into \
               the socket unit",
            ],
        );
    }
    wrong(
        "[[listener]]\ntrusted_proxies = [\"10.0.0.1/8\"]\nreal_ip_header = \"x-real-ip\"",
        &[
            "socklet.toml:2: listener.trusted_proxies = [\"10.0.0.1/8\"]: an address within a network; the network is 10.0.0.0/8; expected \
             networks such as [\"10.0.0.0/8\", \"2001:db8::/32\"], addresses, or \"unix\"",
            "socklet.toml:3: listener.real_ip_header = \"x-real-ip\": nobody is believed: write trusted_proxies, too, such as \
             [\"10.0.0.0/8\"]",
        ],
    );
    wrong(
        "[admin]\nbind = \"systemd:admin\"",
        &[
            "socklet.toml:2: admin.bind = \"systemd:admin\": sockets of systemd are for listeners; write unix: and a path, or an address and port",
        ],
    );
}
