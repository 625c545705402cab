//! A server in the process of the test, on sockets of its own.

use crate::{Answer, Client, Connect, Metrics, Observer, Wire, eventually, setup::Setup, within};
use socklet::{Config, Running};
use socklet_server::{Bind, DrainReport};
use std::net::SocketAddr;

/// A running server. It ends with the runtime of its test.
#[derive(Debug)]
pub struct Server {
    running: Running,
}

impl Server {
    /// Serves a configuration. What it leaves out: a listener `default` and operators, both on 127.0.0.1 and ports that the
    /// system chooses, and the folder of compiled components. `source = "guest:NAME"` and `"stock:NAME"` name components.
    ///
    /// # Panics
    ///
    /// With every mistake in it.
    pub async fn start(fragment: &str) -> Self {
        Self::build(fragment).await.unwrap_or_else(|mistakes| panic!("{mistakes}"))
    }

    /// As [`Server::start`], for configurations that may be wrong.
    ///
    /// # Errors
    ///
    /// What is told to the operator.
    pub async fn build(fragment: &str) -> Result<Self, String> {
        let Setup { text, variables } = Setup::of(fragment);
        let config = Config::parse_with(&text, "test.toml", variables).map_err(|mistakes| mistakes.to_string())?;
        let app = within("building a server", config.build()).await.map_err(|error| error.to_string())?;
        Ok(Self { running: app.start() })
    }

    /// Serves one component on every path, with more of its `[plugin.main]` and of everything else behind.
    pub async fn plugin(source: &str, more: &str) -> Self {
        Self::start(&format!(
            "[[route]]\ndefault = true\nbehavior = \"main\"\n[plugin.main]\nsource = \"{source}\"\n{more}"
        ))
        .await
    }

    /// The first listener's address.
    pub fn address(&self) -> &Bind {
        &self.running.listeners()[0].1
    }

    /// A listener's address.
    ///
    /// # Panics
    ///
    /// When there is none of this name.
    pub fn listener(&self, name: &str) -> &Bind {
        let found = self.running.listeners().iter().find(|(listener, _)| listener.as_str() == name);
        &found.unwrap_or_else(|| panic!("no listener {name}")).1
    }

    /// The first listener's URL with a path, for clients that are programs.
    pub fn url(&self, path: &str) -> String {
        format!("ws://{}{path}", self.address())
    }

    /// The operators' address.
    pub fn ops(&self) -> SocketAddr {
        self.running.ops_addr().expect("operators listen unless the test says otherwise")
    }

    /// A request to the first listener.
    pub fn at(&self, path: &str) -> Connect {
        Connect::new(self.address(), path)
    }

    /// Connects to the first listener.
    pub async fn open(&self, path: &str) -> Client {
        self.at(path).open().await
    }

    /// Watches a route whose behavior is a guest; the path has no query.
    pub async fn observe(&self, path: &str) -> Observer {
        Observer::connect(self.at(&format!("{path}?watch"))).await
    }

    /// A plain request for a path of the first listener.
    pub async fn get(&self, path: &str) -> Answer {
        get(self.address(), path).await
    }

    /// A plain request for a path of the operators' listener.
    pub async fn get_ops(&self, path: &str) -> Answer {
        get(&Bind::Tcp(self.ops()), path).await
    }

    /// What is counted.
    pub async fn metrics(&self) -> Metrics {
        Metrics::new(self.get_ops("/metrics").await.body)
    }

    /// One metric, as [`Metrics::get`].
    pub async fn metric(&self, metric: &str) -> f64 {
        self.metrics().await.get(metric)
    }

    /// Waits until a metric has a value.
    pub async fn until_metric(&self, metric: &str, value: f64) {
        eventually(&format!("{metric} is {value}"), async || self.metric(metric).await == value).await;
    }

    /// Open connections.
    pub fn connections(&self) -> usize {
        self.running.connections()
    }

    /// Stops, as SIGTERM would.
    pub async fn drain(self) -> DrainReport {
        within("a drain", self.running.drain()).await
    }
}

/// A plain request.
pub(crate) async fn get(to: &Bind, path: &str) -> Answer {
    let host = match to {
        Bind::Tcp(address) => address.to_string(),
        Bind::Unix(_) | Bind::Systemd(_) => "localhost".to_owned(),
    };
    let head = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    Wire::connect(to).await.request(&head).await
}
