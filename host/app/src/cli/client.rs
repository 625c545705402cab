//! A client of the admin API: one request on a connection.

use super::{address::Address, exit::Failure, secure::Secure};
use crate::token::Token;
use anyhow::{Context, anyhow, bail};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value as Json;
use std::time::Duration;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
    time::timeout,
};
use tokio_util::task::AbortOnDropHandle;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(10);
/// How long a request may take: a little longer than the server tries.
const REQUEST: Duration = Duration::from_secs(310);
/// The largest answer in bytes.
const MAX_ANSWER: usize = 64 << 20;

/// A client of one server.
#[derive(Debug)]
pub(super) struct Client {
    address: Address,
    /// How to speak TLS, where the address says so.
    secure: Option<Secure>,
    token: Option<Token>,
}

/// What is sent with a request.
#[derive(Clone, Debug)]
pub(super) struct Content {
    /// None: empty.
    pub(super) media_type: &'static str,
    pub(super) bytes: Bytes,
}

/// Entries of a list, from as many pages as it took.
#[derive(Debug)]
pub(super) struct Pages {
    pub(super) entries: Vec<Json>,
    /// Whether there are more.
    pub(super) more: bool,
}

/// What happens, as it happens.
#[derive(Debug)]
pub(super) struct Events {
    body: Incoming,
    text: String,
    address: Address,
    _connection: AbortOnDropHandle<hyper::Result<()>>,
}

/// What came of a request.
#[derive(Debug)]
pub(super) enum Answer {
    Done(Json),
    Refused(Refusal),
}

/// Why the server did not do it.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    /// What it says: one sentence, and what that is made of.
    pub(super) text: String,
}

/// What is encoded in a part of a path, or in a query.
const PART: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// The entries that are asked for at a time.
const PAGE: usize = 1000;
/// How long the server may tell nothing of what happens: it says so itself more often.
const SILENCE: Duration = Duration::from_secs(60);

#[derive(Debug, Deserialize)]
struct Told {
    detail: String,
    #[serde(default)]
    problems: Vec<String>,
}

// === impl Client ===

impl Client {
    pub(super) fn new(address: Address, secure: Option<Secure>, token: Option<Token>) -> Self {
        Self { address, secure, token }
    }

    /// A path with a query. Each part may be any text.
    pub(super) fn path(parts: &[&str], query: &[(&str, &str)]) -> String {
        let encoded = |text: &str| utf8_percent_encode(text, PART).to_string();
        let mut path: String = parts.iter().map(|part| format!("/{}", encoded(part))).collect();
        for (at, (name, value)) in query.iter().enumerate() {
            path += &format!("{}{name}={}", if at == 0 { '?' } else { '&' }, encoded(value));
        }
        path
    }

    /// Asks for something.
    pub(super) async fn get(&self, path: &str) -> Result<Json, Failure> {
        self.request(Method::GET, path, Content::none()).await?.done()
    }

    /// Asks for a list, page by page: `limit` entries at most.
    pub(super) async fn pages(
        &self,
        list: &str,
        query: &[(&str, Option<&str>)],
        limit: usize,
    ) -> Result<Pages, Failure> {
        let (mut entries, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let size = limit.saturating_sub(entries.len()).clamp(1, PAGE).to_string();
            let filters = query.iter().filter_map(|(name, value)| Some((*name, (*value)?)));
            let more =
                [("limit", size.as_str())].into_iter().chain(cursor.iter().map(|cursor| ("cursor", cursor.as_str())));
            let mut page = self.get(&Self::path(&["v1", list], &filters.chain(more).collect::<Vec<_>>())).await?;
            match page[list].take() {
                Json::Array(mut found) => entries.append(&mut found),
                _ => return Err(anyhow!("failed to understand the server's answer").into()),
            }
            cursor = match &page["next"] {
                Json::Null => return Ok(Pages { entries, more: false }),
                Json::String(next) => Some(next.clone()),
                next => Some(next.to_string()),
            };
            if entries.len() >= limit {
                return Ok(Pages { entries, more: true });
            }
        }
    }

    /// Reads along what happens.
    pub(super) async fn events(&self, path: &str) -> Result<Events, Failure> {
        let request = self.prepare(Method::GET, path, Content::none())?;
        let answered = timeout(REQUEST, self.exchange(request)).await;
        let (answer, connection) = answered.map_err(|_| anyhow!("{} does not answer", self.address))??;
        let (head, body) = answer.into_parts();
        if head.status != StatusCode::OK {
            let body = self.collect(body).await?;
            self.understand(head.status, &body)?.done()?;
            return Err(anyhow!("{} is not an admin API of Socklet", self.address).into());
        }
        Ok(Events { body, text: String::new(), address: self.address.clone(), _connection: connection })
    }

    /// Has something changed.
    pub(super) async fn post(&self, path: &str, content: Content) -> Result<Answer, Failure> {
        self.request(Method::POST, path, content).await
    }

    /// Has something put in the place of what is there.
    pub(super) async fn put(&self, path: &str, content: Content) -> Result<Answer, Failure> {
        self.request(Method::PUT, path, content).await
    }

    /// Has a part of something changed.
    pub(super) async fn patch(&self, path: &str, content: Content) -> Result<Answer, Failure> {
        self.request(Method::PATCH, path, content).await
    }

    /// Has something ended or undone.
    pub(super) async fn delete(&self, path: &str) -> Result<Answer, Failure> {
        self.request(Method::DELETE, path, Content::none()).await
    }

    /// Asks for something, or has something changed.
    pub(super) async fn request(&self, method: Method, path: &str, content: Content) -> Result<Answer, Failure> {
        let request = self.prepare(method, path, content)?;
        let exchanged = async {
            let (answer, _connection) = self.exchange(request).await?;
            let (head, body) = answer.into_parts();
            anyhow::Ok((head.status, self.collect(body).await?))
        };
        let answered = timeout(REQUEST, exchanged).await;
        let (status, body) = answered.map_err(|_| anyhow!("{} does not answer", self.address))??;
        Ok(self.understand(status, &body)?)
    }

    fn prepare(&self, method: Method, path: &str, content: Content) -> anyhow::Result<Request<Full<Bytes>>> {
        let mut request = Request::new(Full::new(content.bytes));
        *request.method_mut() = method;
        *request.uri_mut() = path.parse().context("failed to name what to ask for")?;
        let headers = request.headers_mut();
        headers.insert(header::HOST, HeaderValue::from_str(self.address.host()).context("failed to name the host")?);
        if let Some(token) = &self.token {
            headers.insert(header::AUTHORIZATION, token.authorization());
        }
        if !content.media_type.is_empty() {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content.media_type));
        }
        Ok(request)
    }

    /// Sends a request: the head of the answer, and what has to be kept for its body.
    async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
    ) -> anyhow::Result<(Response<Incoming>, AbortOnDropHandle<hyper::Result<()>>)> {
        let connected = timeout(CONNECT, self.connect()).await.unwrap_or_else(|_| Err(anyhow!("it does not answer")));
        let stream = connected.with_context(|| format!("failed to reach a server at {}", self.address))?;
        let failed = || format!("failed to ask {}", self.address);
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.with_context(failed)?;
        let connection = AbortOnDropHandle::new(tokio::spawn(connection));
        Ok((sender.send_request(request).await.with_context(failed)?, connection))
    }

    async fn collect(&self, body: Incoming) -> anyhow::Result<Bytes> {
        let collected = Limited::new(body, MAX_ANSWER).collect().await.map_err(|error| anyhow!(error));
        Ok(collected.with_context(|| format!("failed to ask {}", self.address))?.to_bytes())
    }

    async fn connect(&self) -> anyhow::Result<Box<dyn Stream>> {
        match &self.address {
            Address::Http(authority) | Address::Https(authority) => {
                let stream = TcpStream::connect(authority).await?;
                match &self.secure {
                    Some(secure) => Ok(Box::new(secure.connect(stream).await?)),
                    None => Ok(Box::new(stream)),
                }
            }
            Address::Unix(path) => Ok(Box::new(UnixStream::connect(path).await?)),
        }
    }

    fn understand(&self, status: StatusCode, body: &[u8]) -> anyhow::Result<Answer> {
        if status.is_success() {
            let body = serde_json::from_slice(body);
            return Ok(Answer::Done(body.with_context(|| format!("{} is not an admin API of Socklet", self.address))?));
        }
        let Ok(Told { detail, problems }) = serde_json::from_slice(body) else {
            bail!("{} is not an admin API of Socklet: it answers with {status}", self.address);
        };
        if status == StatusCode::UNAUTHORIZED {
            bail!(match self.token {
                Some(_) => format!("{} refuses the token: {detail}", self.address),
                None => format!("{} needs a token: name its file with --token-file ({detail})", self.address),
            });
        }
        let text = [detail].into_iter().chain(problems).collect::<Vec<_>>().join("\n");
        Ok(Answer::Refused(Refusal { status, text }))
    }
}

// === impl Content ===

impl Content {
    pub(super) fn none() -> Self {
        Self { media_type: "", bytes: Bytes::new() }
    }

    pub(super) fn json(data: &Json) -> Self {
        Self { media_type: "application/json", bytes: data.to_string().into() }
    }

    pub(super) fn toml(text: Vec<u8>) -> Self {
        Self { media_type: "application/toml", bytes: text.into() }
    }

    pub(super) fn component(bytes: Bytes) -> Self {
        Self { media_type: "application/wasm", bytes }
    }
}

// === impl Events ===

impl Events {
    /// The next event. None when the server has ended them.
    pub(super) async fn next(&mut self) -> anyhow::Result<Option<Json>> {
        loop {
            while let Some((event, rest)) = self.text.split_once("\n\n") {
                let data = event.lines().filter_map(|line| line.strip_prefix("data: ")).collect::<String>();
                let data = (!data.is_empty()).then(|| serde_json::from_str(&data));
                self.text = rest.to_owned();
                if let Some(data) = data {
                    return data.context("failed to understand the server's answer");
                }
            }
            if self.text.len() > MAX_ANSWER {
                bail!("{} is not an admin API of Socklet", self.address);
            }
            let frame = timeout(SILENCE, self.body.frame()).await;
            match frame.map_err(|_| anyhow!("{} tells nothing any more", self.address))? {
                None => return Ok(None),
                Some(frame) => {
                    let data = frame.with_context(|| format!("{} has gone", self.address))?.into_data();
                    self.text.push_str(&String::from_utf8_lossy(&data.unwrap_or_default()));
                }
            }
        }
    }
}

/// What the server has said, as it is meant.
pub(super) fn understand<T: DeserializeOwned>(data: Json) -> anyhow::Result<T> {
    serde_json::from_value(data).context("failed to understand the server's answer")
}

// === impl Answer ===

impl Answer {
    /// What was answered; a refusal is a failure.
    pub(super) fn done(self) -> Result<Json, Failure> {
        match self {
            Self::Done(data) => Ok(data),
            Self::Refused(refusal) => Err(anyhow!(refusal.text).into()),
        }
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}
