//! What a listener expects of whoever stands in front of it, checked where one key needs another.

use super::{reader::Table, sections};
use socklet_server::{Bind, Edge, ProxyProtocol, TrustedProxies};

/// The proxies of a listener.
pub(super) fn edge(table: &Table<'_>, listener: &sections::Listener) -> Edge {
    let trusted: TrustedProxies = listener.trusted_proxies.iter().copied().collect();
    let edge = Edge {
        proxy_protocol: listener.proxy_protocol,
        trusted,
        real_ip: listener.real_ip_header,
        http2: listener.http2,
    };
    let (headers, field) = (edge.proxy_protocol != ProxyProtocol::Off, edge.real_ip.is_some());
    for (used, key) in [(headers, "proxy_protocol"), (field, "real_ip_header")] {
        if used && edge.trusted.is_empty() {
            table.wrong(key, "nobody is believed: write trusted_proxies, too, such as [\"10.0.0.0/8\"]");
        }
    }
    if !edge.trusted.is_empty() && !headers && !field {
        let message = "they are asked nothing: write proxy_protocol or real_ip_header, too";
        table.wrong("trusted_proxies", message);
    }
    match &listener.bind {
        Bind::Tcp(_) if edge.trusted.has_unix() => {
            table.wrong("trusted_proxies", "nobody connects to this listener over a UNIX socket; leave \"unix\" out");
        }
        Bind::Unix(_) if headers && edge.trusted.has_networks() && !edge.trusted.has_unix() => {
            let message =
                "whoever connects to a UNIX socket has no address, and nobody could connect; write \"unix\", too";
            table.wrong("trusted_proxies", message);
        }
        Bind::Unix(_) | Bind::Systemd(_) if listener.reuse_port => {
            table.wrong(
                "reuse_port",
                "only an address and port can be shared; leave it out, or write ReusePort= into the socket unit",
            );
        }
        _ => {}
    }
    edge
}
