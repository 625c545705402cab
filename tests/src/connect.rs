//! A request for a WebSocket, before it is sent.

use crate::{Answer, Client, Stream, Trust, Wire, client, connect, within};
use http::{Request, header};
use socklet_server::Bind;
use tokio::io::AsyncWriteExt;
use tokio_tungstenite::{
    client_async_with_config,
    tungstenite::{error::Error, handshake::client::generate_key},
};

/// A request for a WebSocket.
#[derive(Clone, Debug)]
#[must_use = "a request does nothing until it is sent"]
pub struct Connect {
    to: Bind,
    path: String,
    host: String,
    headers: Vec<(String, String)>,
    tls: Option<(Trust, String)>,
    first: Vec<u8>,
}

impl Connect {
    /// To a listener, with a path and maybe a query.
    pub fn new(to: &Bind, path: &str) -> Self {
        let host = match to {
            Bind::Tcp(address) => address.to_string(),
            Bind::Unix(_) | Bind::Systemd(_) => "localhost".to_owned(),
        };
        Self { to: to.clone(), path: path.to_owned(), host, headers: Vec::new(), tls: None, first: Vec::new() }
    }

    /// Adds a header field.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Names another host than the listener's address.
    pub fn host(mut self, host: &str) -> Self {
        host.clone_into(&mut self.host);
        self
    }

    /// Over TLS, to a server of a name.
    pub fn tls(mut self, trust: &Trust, name: &str) -> Self {
        self.tls = Some((trust.clone(), name.to_owned()));
        self
    }

    /// Sends bytes before everything else, TLS included.
    pub fn first(mut self, bytes: &[u8]) -> Self {
        self.first = bytes.to_vec();
        self
    }

    /// Offers subprotocols, separated by commas.
    pub fn subprotocols(self, offered: &str) -> Self {
        self.header("sec-websocket-protocol", offered)
    }

    /// Comes from a page of this origin.
    pub fn origin(self, origin: &str) -> Self {
        self.header("origin", origin)
    }

    /// Connects with tungstenite, which checks the answer.
    ///
    /// # Panics
    ///
    /// When the answer is not a valid 101.
    pub async fn open(self) -> Client {
        let shown = format!("{self:?}");
        let stream = self.stream().await;
        let mut request = Request::get(format!("ws://{}{}", self.host, self.path))
            .header(header::HOST, &self.host)
            .header(header::CONNECTION, "Upgrade")
            .header(header::UPGRADE, "websocket")
            .header(header::SEC_WEBSOCKET_VERSION, "13")
            .header(header::SEC_WEBSOCKET_KEY, generate_key());
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let request = request.body(()).expect("a test writes valid requests");
        let handshake = client_async_with_config(request, stream, Some(client::settings()));
        match within("a handshake", handshake).await {
            Ok((socket, response)) => Client::new(socket, response.map(drop)),
            Err(Error::Http(response)) => panic!("refused with {}: {shown}", response.status()),
            Err(error) => panic!("the handshake failed, {error}: {shown}"),
        }
    }

    /// Asks, and returns the answer as it is, also when it is a 101.
    pub async fn answer(self) -> Answer {
        self.exchange().await.0
    }

    /// Connects without a library: frames are written and read as they are.
    ///
    /// # Panics
    ///
    /// When the answer is not a 101.
    pub async fn wire(self) -> Wire {
        let (answer, wire) = self.exchange().await;
        assert_eq!(answer.status, 101, "{answer:?}");
        wire
    }

    /// The head, as [`Connect::answer`] sends it.
    pub fn head(&self) -> String {
        let mut head = format!(
            "GET {} HTTP/1.1\r\nhost: {}\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
             sec-websocket-key: {}\r\n",
            self.path,
            self.host,
            generate_key()
        );
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        head + "\r\n"
    }

    async fn stream(&self) -> Box<dyn Stream> {
        let mut stream = connect(&self.to).await;
        within("writing", stream.write_all(&self.first)).await.expect("the connection takes bytes");
        match &self.tls {
            None => stream,
            Some((trust, name)) => match trust.secure(stream, name).await {
                Ok(stream) => stream,
                Err(error) => panic!("the TLS handshake failed, {error}: {self:?}"),
            },
        }
    }

    async fn exchange(self) -> (Answer, Wire) {
        let mut wire = Wire::new(self.stream().await);
        let answer = wire.request(&self.head()).await;
        (answer, wire)
    }
}
