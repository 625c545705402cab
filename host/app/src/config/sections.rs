//! Every section and key of a configuration: the only list of them.

use super::{
    schema::{Section, Shape, section},
    value::{Count, Limit, Pairs, Settings, Size},
    words::{
        ClientCertificates, Collector, Cores, Digest, Filter, Format, Instance, Load, OriginList, Ratio, Sample, Source,
    },
};
use socklet_core::{ListenerName, PluginName, Rate, RouteName, StoreName, TenantName};
use socklet_plugin::{AllowedOrigin, OnSwap};
use socklet_server::{Bind, Level, ProxyProtocol, RealIpHeader, SlowConsumer, TlsVersion, TrustedProxy, WindowBits};
use std::{net::SocketAddr, path::PathBuf, time::Duration};

/// Every section, in the order of the documentation.
pub(crate) const SECTIONS: &[Section] = &[
    Section { name: "", shape: Shape::Once, doc: Top::DOC, keys: &[Top::KEYS], later: &[("cluster", "clustering")] },
    Section { name: "listener", shape: Shape::Many, doc: Listener::DOC, keys: &[Listener::KEYS], later: &[] },
    Section {
        name: "listener.tls",
        shape: Shape::Inner,
        doc: ListenerTls::DOC,
        keys: &[Certificate::KEYS, ListenerTls::KEYS],
        later: &[],
    },
    Section {
        name: "listener.tls.certificates",
        shape: Shape::Many,
        doc: " More certificates of the listener. A client is shown the one that has the name of the host that it asks for, and the first one \
              when there is none.",
        keys: &[Certificate::KEYS],
        later: &[],
    },
    Section { name: "route", shape: Shape::Many, doc: Route::DOC, keys: &[Route::KEYS], later: &[] },
    Section {
        name: "route.compression",
        shape: Shape::Switch,
        doc: Compression::DOC,
        keys: &[Compression::KEYS],
        later: &[],
    },
    Section {
        name: "route.limits",
        shape: Shape::Override,
        doc: " Limits of the route's connections. What is left out is as in `[limits]`.",
        keys: &[ConnectionLimits::KEYS, RouteLimits::KEYS],
        later: &[],
    },
    Section {
        name: "route.heartbeat",
        shape: Shape::Override,
        doc: " The route's heartbeat. What is left out is as in `[heartbeat]`.",
        keys: &[Heartbeat::KEYS],
        later: &[],
    },
    Section { name: "plugin", shape: Shape::Named, doc: Plugin::DOC, keys: &[Plugin::KEYS], later: &[] },
    Section { name: "plugin.grants", shape: Shape::Inner, doc: Grants::DOC, keys: &[Grants::KEYS], later: &[] },
    Section { name: "grants", shape: Shape::Once, doc: Granted::DOC, keys: &[Granted::KEYS], later: &[] },
    Section { name: "heartbeat", shape: Shape::Once, doc: Heartbeat::DOC, keys: &[Heartbeat::KEYS], later: &[] },
    Section {
        name: "limits",
        shape: Shape::Once,
        doc: " What clients may do: of each connection, unless its route says otherwise, and of the node.",
        keys: &[ConnectionLimits::KEYS, NodeLimits::KEYS],
        later: &[],
    },
    Section { name: "quotas", shape: Shape::Once, doc: Quotas::DOC, keys: &[Quotas::KEYS], later: &[] },
    Section {
        name: "tenant",
        shape: Shape::NamedOverride("quotas"),
        doc: " The quotas of one tenant, by the name that its routes have as `tenant`. What is left out is as in `[quotas]`.",
        keys: &[Quotas::KEYS],
        later: &[],
    },
    Section { name: "drain", shape: Shape::Once, doc: Drain::DOC, keys: &[Drain::KEYS], later: &[] },
    Section { name: "ops", shape: Shape::Once, doc: Ops::DOC, keys: &[Ops::KEYS], later: &[] },
    Section { name: "admin", shape: Shape::Once, doc: Admin::DOC, keys: &[Admin::KEYS], later: &[] },
    Section {
        name: "admin.tls",
        shape: Shape::Inner,
        doc: " TLS of the admin API. Left out, it is plain. There must be a `cert` with its `key`, here or in `certificates`.",
        keys: &[Certificate::KEYS, ListenerTls::KEYS],
        later: &[],
    },
    Section {
        name: "admin.tls.certificates",
        shape: Shape::Many,
        doc: " More certificates of the admin API, as those of a listener.",
        keys: &[Certificate::KEYS],
        later: &[],
    },
    Section { name: "usage", shape: Shape::Once, doc: Usage::DOC, keys: &[Usage::KEYS], later: &[] },
    Section { name: "log", shape: Shape::Once, doc: Log::DOC, keys: &[Log::KEYS], later: &[] },
    Section { name: "trace", shape: Shape::Once, doc: Trace::DOC, keys: &[Trace::KEYS], later: &[] },
    Section { name: "engine", shape: Shape::Once, doc: Engine::DOC, keys: &[Engine::KEYS], later: &[] },
];

section! {
    /// What stands above the first section.
    Top {
        /// How long output may wait for a client to read it; then the connection ends.
        send_timeout: Duration = "30s";
        /// The threads that serve connections. Left out: one for each core that the process may use.
        workers: Option<Count> => 2;
        /// A folder with a file `NAME.toml` for each tenant that is not in this file: its quotas, routes and plugins. Left out, there is
        /// none.
        tenants_dir: Option<PathBuf> => "tenants.d";
    }
}

section! {
    /// A socket that accepts connections. Without any there is one with the defaults.
    Listener {
        /// Its name: what routes and logs call it.
        name: ListenerName = "default";
        /// An address and port, `:PORT` for every address of the machine, `unix:` and a path, or `systemd:` and the name of a socket that
        /// the server was started with.
        bind: Bind = "127.0.0.1:8080";
        /// The proxies that are believed what they say of clients: networks such as `10.0.0.0/8`, addresses, or `unix` for whoever may use the
        /// listener's UNIX socket.
        trusted_proxies: Vec<TrustedProxy> = [];
        /// Whether connections begin with a header of the PROXY protocol: `"v1"`, `"v2"` or `"any"` of the two. It is required then, and
        /// nobody but `trusted_proxies` may connect.
        proxy_protocol: ProxyProtocol = "off";
        /// The header field by which `trusted_proxies` say who a request's client is: `"forwarded"`, `"x-forwarded-for"` or `"x-real-ip"`. Left out,
        /// requests come from whoever has connected.
        real_ip_header: Option<RealIpHeader> => "x-forwarded-for";
        /// Whether HTTP/2 is spoken, too: by agreement where there is TLS, and to clients that begin with it. WebSockets over it are those of RFC 8441.
        http2: bool = false;
        /// Whether other processes of the same user may listen on the same address and port. The system shares connections out among them.
        reuse_port: bool = false;
    }
}

section! {
    /// A certificate, in files that are read again when they change.
    Certificate {
        /// The certificate in PEM, and behind it those that it was signed by, up to one that clients know.
        cert: Option<PathBuf> => "tls/example.com.pem";
        /// Its private key in PEM.
        key: Option<PathBuf> => "tls/example.com.key";
        /// A file with the password of the key, where it is encrypted (`BEGIN ENCRYPTED PRIVATE KEY`).
        key_password_file: Option<PathBuf> => "tls/example.com.password";
    }
}

section! {
    /// TLS on the listener. Left out, it is plain. There must be a `cert` with its `key`, here or in `certificates`.
    ListenerTls {
        /// Whether clients show a certificate: `"none"` they are not asked, `"optional"` they are asked, `"required"` without one they are
        /// not served.
        client_auth: ClientCertificates = "none";
        /// The certificates in PEM of those who may have signed the certificates of clients.
        client_ca: Option<PathBuf> => "tls/clients.pem";
        /// The oldest version of TLS that is spoken: `"1.2"` or `"1.3"`.
        min_version: TlsVersion = "1.2";
    }
}

section! {
    /// What is served where. The most exact path wins; `default` comes last.
    Route {
        /// Who it belongs to. Plugins reach connections of their own tenant's route only.
        tenant: TenantName = "default";
        /// Its name, unique within the tenant. Left out, it comes from the path: `/chat/{room}` is `chat-room`, `/` is `root`.
        name: Option<RouteName> => "chat";
        /// The listeners that serve it; none means all.
        listener: Vec<ListenerName> = [];
        /// The hosts that it serves, such as `example.com` or `*.example.com`; none means all.
        host: Vec<String> = [];
        /// The path: exact, with captures such as `{room}`, or with a rest such as `{*rest}`.
        path: Option<String> => "/chat/{room}";
        /// The path as a regular expression for the whole of it; named groups are captures.
        path_regex: Option<String> => "/v[0-9]+/(?<room>[a-z]+)";
        /// Whether it serves every path that no other route serves.
        default: bool = false;
        /// Header fields that a request must carry, all of them.
        headers: Pairs = {};
        /// The plugins that decide who may connect, asked in this order; none means everybody.
        authenticators: Vec<PluginName> = [];
        /// The plugin that serves the connections.
        behavior: Option<PluginName> => "chat";
        /// Who shares an instance of the behavior: `"connection"` nobody, `"shared"` all connections of the route,
        /// `{ key = "{room}" }` those with the same captures; `"event"` nobody, and every event has an instance of its own.
        instance: Instance = "connection";
        /// How long an instance is idle before it is saved and dropped; its connections stay open, and the next event wakes it.
        /// For plugins that export `state` or are `stateless`; others stay awake.
        hibernate_after: Limit<Duration> = "10s";
        /// When as many instances die, new connections are refused with 503: for a second at first, and twice as long each time that
        /// the next ones die, too, up to a minute.
        max_deaths: Limit<Rate> = "60/m";
        /// The subprotocols that the server picks from where the plugin does not choose, most wanted first.
        subprotocols: Vec<String> = [];
        /// The web pages that may connect: origins such as `https://app.example` or `https://*.example`, or `"*"` for
        /// all. Left out: pages of the same origin.
        allowed_origins: Option<OriginList> => ["https://app.example"];
        /// A folder of plain files to serve beside the sockets. A path with a rest, such as `/page/{*file}`, serves all of
        /// it. Authenticators do not guard files.
        files as "static": Option<PathBuf> => "page";
        /// The route's own `send_timeout`.
        send_timeout: Option<Duration> => "30s";
    }
}

section! {
    /// Compression of messages (permessage-deflate, RFC 7692) for clients that offer it. Off unless it is written: as
    /// `compression = true`, or with what should be different.
    Compression {
        /// How hard to try: 1 for speed to 9 for size. Everything above 1 takes three times as long and saves little.
        level: Level = 1;
        /// Smaller messages are sent as they are.
        threshold: Size = "256B";
        /// Whether each message of the server is compressed on its own. `false` makes similar messages smaller; it costs up to
        /// 375KiB for each connection that was sent one, and a message to many is compressed for each of them.
        server_no_context_takeover: bool = true;
        /// Whether each message of a client is compressed on its own. `false` lets clients make similar messages smaller; it costs
        /// 48KiB for each connection that sent one.
        client_no_context_takeover: bool = true;
        /// The largest window of the server: 9 for 512 bytes to 15 for 32KiB. A client may ask for a smaller one.
        server_max_window_bits: WindowBits = 15;
        /// The largest window of clients, where the client can be told.
        client_max_window_bits: WindowBits = 15;
    }
}

section! {
    /// A WebAssembly component that routes refer to by its name.
    Plugin {
        /// The file.
        source: Source => "file:plugins/chat.wasm";
        /// The digest that the file must have.
        digest: Option<Digest>
            => "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        /// What the plugin reads: texts as they are, everything else as JSON.
        settings: Settings = {};
        /// More of what it reads: settings, and the files that their texts are in, such as a secret or a set of keys. The end of the last
        /// line is left out. They are read when the configuration is.
        settings_files: Pairs = {};
        /// The longest that a call may compute. Left out: 100ms for a behavior, 2s for an authenticator.
        timeout: Option<Duration> => "100ms";
        /// The longest that a call may take in all, its waits for the host included. Left out: 30s for a behavior, 5s for an authenticator.
        wait_timeout: Option<Duration> => "30s";
        /// The most memory of an instance.
        memory_max: Size = "64MiB";
        /// Whether its instances keep nothing that must survive: idle ones are dropped without being asked to save.
        stateless: bool = false;
        /// The most that an instance may save when it goes to sleep. One that has more stays awake.
        saved_state_max: Size = "1MiB";
        /// After how many calls an instance is replaced, at a moment when nobody calls it: it is saved, or `stateless`. One that is
        /// shared and can neither is left to the connections that it has.
        recycle_calls: Limit<Count> = "none";
        /// From how much memory on. Left out: three quarters of `memory_max`. No more than once a minute.
        recycle_memory: Option<Size> => "48MiB";
        /// When it is loaded: `"eager"` before it can be needed, so that what is wrong with it is told at once; `"lazy"` when the first
        /// request needs it, which is refused with 503, and tried again later, where that fails. Left out: `"eager"` in the main file,
        /// `"lazy"` in a file of `tenants_dir`.
        load: Option<Load> => "eager";
        /// What becomes of connections of an old version that cannot move to a new one, since the old one does not export `state` and
        /// is not `stateless`: `"keep"` has it serve them to their end, `"close"` closes them with 1012, a thousand in a second.
        on_swap: OnSwap = "keep";
        /// The most bytes that one host call may take from the plugin: a message that it sends must fit.
        host_call_bytes_max: Size = "4MiB";
    }
}

section! {
    /// What the plugin may reach beside its own connections. Nothing unless it stands here.
    Grants {
        /// Whether a behavior sees the header fields `authorization`, `proxy-authorization` and `cookie`.
        credentials: bool = false;
        /// Where it may send HTTP requests: origins such as `https://auth.example` and `http://127.0.0.1:8081`, or `https://*.example` for the
        /// hosts below one. An address that is written here may be a private one.
        http: Option<Vec<AllowedOrigin>> => ["https://auth.example"];
        /// Whether the names in `http` may stand for private addresses, too: those of this machine and of networks that are not public.
        http_private: bool = false;
        /// The tenant's key-value stores that it may use. Plugins of one tenant that are granted the same name share the store; that of another
        /// tenant is another one.
        keyvalue: Option<Vec<StoreName>> => ["sessions"];
    }
}

section! {
    /// What plugins that have grants may do with them. See [grants](grants.md).
    Granted {
        /// The folder of the key-value stores. There must be one where a plugin is granted a store.
        keyvalue_dir: Option<PathBuf> => "/var/lib/socklet/keyvalue";
        /// The longest key.
        keyvalue_max_key: Size = "1KiB";
        /// The largest value.
        keyvalue_max_value: Size = "1MiB";
        /// How long an HTTP request may take to find the address, connect, and agree on TLS; also how long it waits for others of its tenant.
        http_connect_timeout: Duration = "5s";
        /// How long the beginning of the response may take once the request is sent.
        http_first_byte_timeout: Duration = "10s";
        /// The longest that a request may take in all, its response included.
        http_timeout: Duration = "30s";
        /// The largest body of a request.
        http_max_request: Size = "1MiB";
        /// The largest body of a response.
        http_max_response: Size = "4MiB";
    }
}

section! {
    /// The ping to connections that were idle in both directions. Plugins can change interval and message at run time.
    Heartbeat {
        /// How long a connection is idle before a ping: 1s to 1d.
        interval: Duration = "20s";
        /// What the ping carries: at most 125 bytes.
        message: String = "heartbeat";
        /// How long a ping may go unanswered before the connection is closed with 1008.
        pong_timeout: Duration = "10s";
    }
}

section! {
    /// What one connection may do.
    ConnectionLimits {
        /// The largest message, its fragments together and inflated; over it 1009.
        max_message_size: Size = "64KiB";
        /// The largest frame; over it 1009. `"none"`: as `max_message_size`.
        max_frame_size: Limit<Size> = "none";
        /// The most fragments of a message; over it 1008.
        max_fragments: Count = 1_024;
        /// How many times its size on the wire a compressed message may become, where it becomes more than 64KiB; over it 1009.
        max_inflated_ratio: Count = 100;
        /// How fast pings and pongs may arrive; over it 1008.
        control_frame_rate: Rate = "100/s";
        /// How fast messages may arrive; over it 1008.
        messages_per_second: Limit<Rate> = "none";
        /// How many bytes of messages may arrive in a second; over it 1008.
        bytes_per_second: Limit<Size> = "none";
        /// The most bytes that wait to be written to a client.
        send_queue_max_bytes: Size = "1MiB";
        /// What happens when they are more: `"close"` closes the connection with 1013. `"drop-newest"` does not queue the message:
        /// its sender is told that the queue is full, and a message to many leaves the connection out. `"drop-oldest"` drops the
        /// oldest whole messages that wait to make room, never control frames, fragments or what has begun to be written. A client
        /// is not told what was dropped.
        slow_consumer: SlowConsumer = "close";
        /// How long the closing handshake may take.
        close_timeout: Duration = "5s";
        /// How long a connection may live without a message in either direction; then 1001.
        idle_timeout: Limit<Duration> = "none";
        /// How long a connection may live; then 1001.
        max_lifetime: Limit<Duration> = "none";
    }
}

section! {
    /// What clients may do to the node.
    NodeLimits {
        /// The most connections of the node; over it 503.
        max_connections: Count = 10_000;
        /// The most sockets from one client: an IPv4 address, or the 64 bits that IPv6 addresses of one network begin with; over it 429.
        max_connections_per_ip: Limit<Count> = "none";
        /// How fast one such client may open connections; over it 429.
        connection_rate: Limit<Rate> = "none";
        /// From accept to 101; also the longest that a plain HTTP connection may wait for its next request.
        handshake_timeout: Duration = "10s";
        /// The largest request head, at least 8KiB; over it 431.
        max_header_bytes: Size = "16KiB";
        /// The most header fields of a request; over it 431.
        max_headers: Count = 100;
    }
}

section! {
    /// What only a route can limit.
    RouteLimits {
        /// The most connections of the route; over it 503.
        max_connections: Limit<Count> = "none";
    }
}

section! {
    /// What all routes of a tenant may have together: of each tenant, unless its own section says otherwise.
    Quotas {
        /// The most connections; over it 503.
        max_connections: Limit<Count> = "none";
        /// How fast connections may be opened; over it 429.
        connection_rate: Limit<Rate> = "none";
        /// How fast messages may arrive, at all its connections together. Over it a connection is not read until its next message has
        /// its turn; where that would take more than 5s, the connection is closed with 1013.
        messages_per_second: Limit<Rate> = "none";
        /// How many bytes of messages may arrive in a second, at all its connections together; over it as over `messages_per_second`.
        bytes_per_second: Limit<Size> = "none";
        /// The most topics that have a subscriber; over it `subscribe` fails.
        max_topics: Limit<Count> = "none";
        /// The most instances at a time.
        max_instances: Limit<Count> = "none";
        /// The most memory of all its instances.
        max_memory: Limit<Size> = "none";
        /// How much its plugins may compute, in cores: `0.5` is half a second in each second.
        cpu: Limit<Cores> = "none";
        /// The most timers that are set.
        max_timers: Limit<Count> = "none";
        /// How fast its plugins may write lines to the log.
        log_lines_per_second: Limit<Rate> = "none";
        /// The most that all its hibernated instances may have saved.
        max_saved_state: Limit<Size> = "none";
        /// The most that its key-value stores may hold together: keys, values, and 64 bytes for each of them.
        max_keyvalue: Limit<Size> = "64MiB";
        /// The most HTTP requests that its plugins make at a time. Four times as many wait for a moment; what is more is refused.
        max_http_requests: Limit<Count> = 32;
    }
}

section! {
    /// How the server stops, and how parts of it are drained: connections are closed in batches, so that not all come back at once.
    Drain {
        /// How long it waits once `/readyz` says that it is draining, so that load balancers look elsewhere first. Left out: not at all.
        delay: Option<Duration> => "5s";
        /// How long it may take; what is left then is cut off.
        timeout: Duration = "30s";
        /// How many connections are closed at a time.
        batch: Count = 500;
        /// The pause between two batches.
        interval: Duration = "100ms";
        /// By how much that pause may differ, in all, so that nobody who counts on it comes back with all others.
        jitter: Duration = "50ms";
        /// What connections are closed with: 1001, 1012, 1013, or 3000 to 4999.
        close_code: Count = 1012;
    }
}

section! {
    /// The listener of operators: `/healthz`, `/readyz` and `/metrics`. Left out, there is none.
    Ops {
        /// Its address. Keep it away from the public.
        bind: Option<SocketAddr> => "127.0.0.1:9090";
    }
}

section! {
    /// The admin API, by which operators look and change: a listener of its own. Left out, there is none.
    Admin {
        /// `unix:` and a path: a socket that only the server's own user can use. Or an address and port, which needs a `token_file` or
        /// a `tokens_file`;
        /// keep it away from the public.
        bind: Option<Bind> => "unix:/run/socklet/admin.sock";
        /// A file with the token that requests must show: 16 visible ASCII characters at least. Only its owner may be able to read it.
        token_file: Option<PathBuf> => "/etc/socklet/token";
        /// A file with tokens that have names, roles and tenants, and with the certificates of clients that have. Only its owner may be able to read it.
        tokens_file: Option<PathBuf> => "/etc/socklet/tokens.toml";
        /// How often requests of one client may be refused for their token or its role; what is more is answered with 429 until the time is over.
        failure_rate: Rate = "30/m";
        /// A folder that keeps the components that were sent. Left out: they are gone with a restart or a reload.
        uploads_dir: Option<PathBuf> => "/var/lib/socklet/uploads";
    }
}

section! {
    /// The usage export: files of JSON lines with what each tenant, route and version of a plugin has used. Left out, there is none.
    Usage {
        /// The folder. Whoever bills takes the files that end in `.jsonl`, and removes them.
        folder: Option<PathBuf> => "/var/lib/socklet/usage";
        /// How often a file is written: 1s to 1d.
        interval: Duration = "1m";
    }
}

section! {
    /// The log, on the standard error output.
    Log {
        /// What is logged: `error`, `warn`, `info`, `debug` or `trace`, also by module: `info,socklet_plugin=debug`.
        level: Filter = "info";
        /// Lines for people, or one JSON object a line.
        format: Format = "text";
        /// The shares of lines about connections that are written, from 0 to 1: the kinds are `accepted`, `refused` and `closed`. The log
        /// says how many were left out.
        sample: Sample = {};
        /// How fast lines of one kind may be written: of those of `sample`, and of those about calls that plugins failed in. The log says
        /// how many were left out.
        max_rate: Limit<Rate> = "none";
        /// Header fields whose values are never logged.
        mask_headers: Vec<String> = [
            "authorization", "cookie", "proxy-authorization", "sec-websocket-key", "sec-websocket-protocol", "x-api-key"
        ];
        /// Query parameters whose values are never logged.
        mask_query: Vec<String> = [
            "access_token", "api_key", "apikey", "auth", "jwt", "key", "password", "secret", "sig", "token"
        ];
    }
}

section! {
    /// Traces of upgrade requests and their connections, for a collector of OpenTelemetry. Left out, nothing is recorded.
    Trace {
        /// The collector: OTLP over HTTP. What follows the host is a prefix; `/v1/traces` is put behind it.
        endpoint: Option<Collector> => "http://127.0.0.1:4318";
        /// The share of upgrade requests that is recorded, from 0 to 1.
        sample: Ratio = 0.01;
        /// The share of what happens to a connection later that is recorded, where its upgrade was. What fails is recorded in any case.
        sample_events: Ratio = 0.01;
        /// Whether an upgrade is a part of the trace that its `traceparent` names, and recorded if that is, for clients that are
        /// trusted. `false`: it begins a trace of its own that links to the client's, and `sample` alone decides.
        trust_parent: bool = false;
        /// How often a `traceparent` may have an upgrade recorded that `sample` leaves out.
        parent_rate: Rate = "10/s";
        /// How fast spans may be recorded. What is more is counted and left out.
        max_spans: Rate = "1000/s";
        /// The most spans that wait to be sent. What is more is counted and dropped.
        queue: Count = 4_096;
        /// How long spans wait for others, to be sent together: 10ms to 1m.
        interval: Duration = "5s";
        /// How long the collector may take to answer: 10ms to 1m.
        timeout: Duration = "10s";
        /// A file with header fields for the collector, such as `authorization: Bearer …`, one a line. Only its owner may be able to
        /// read it.
        headers_file: Option<PathBuf> => "/etc/socklet/otlp-headers";
        /// What is said of this server beside `service.name`, `service.version` and `service.instance.id`, or in their place.
        attributes: Pairs = {};
    }
}

section! {
    /// The engine that runs plugins.
    Engine {
        /// A private folder for compiled plugins. Left out: `socklet` in the user's cache folder.
        cache_dir: Option<PathBuf> => "/var/cache/socklet";
        /// The most instances at a time. Nothing is reserved for them; a lean one takes 35KiB. A kernel that nobody tuned allows 40000.
        max_instances: Count = 10_000;
        /// The most instances at a time of plugins that are too large for that, such as those with a Python in them.
        max_large_instances: Count = 500;
        /// The threads for plugins that compute for long. Left out: one for each core.
        guest_threads: Option<Count> => 2;
        /// The most memory that compiling a plugin may take, in a process of its own. At most two are compiled at a time.
        compile_memory: Size = "2GiB";
        /// The longest that compiling a plugin may take, by the clock and in CPU time.
        compile_timeout: Duration = "5m";
    }
}
