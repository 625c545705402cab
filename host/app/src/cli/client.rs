//! A client of the admin API: one request on a connection.

use super::{address::Address, exit::Failure};
use crate::token::Token;
use anyhow::{Context, anyhow, bail};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
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
    token: Option<Token>,
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

#[derive(Debug, Deserialize)]
struct Told {
    error: String,
    #[serde(default)]
    problems: Vec<String>,
}

// === impl Client ===

impl Client {
    pub(super) fn new(address: Address, token: Option<Token>) -> Self {
        Self { address, token }
    }

    /// Asks for something.
    pub(super) async fn get(&self, path: &str) -> Result<Json, Failure> {
        self.request(Method::GET, path, Bytes::new()).await?.done()
    }

    /// Has something changed.
    pub(super) async fn post(&self, path: &str, body: Bytes) -> Result<Answer, Failure> {
        self.request(Method::POST, path, body).await
    }

    async fn request(&self, method: Method, path: &str, body: Bytes) -> Result<Answer, Failure> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = path.parse().context("failed to name what to ask for")?;
        let headers = request.headers_mut();
        headers.insert(header::HOST, HeaderValue::from_str(self.address.host()).context("failed to name the host")?);
        if let Some(token) = &self.token {
            headers.insert(header::AUTHORIZATION, token.authorization());
        }
        let answered = timeout(REQUEST, self.exchange(request)).await;
        let (status, body) = answered.map_err(|_| anyhow!("{} does not answer", self.address))??;
        Ok(self.understand(status, &body)?)
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> anyhow::Result<(StatusCode, Bytes)> {
        let connected = timeout(CONNECT, self.connect()).await.unwrap_or_else(|_| Err(anyhow!("it does not answer")));
        let stream = connected.with_context(|| format!("failed to reach a server at {}", self.address))?;
        let failed = || format!("failed to ask {}", self.address);
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.with_context(failed)?;
        let _connection = AbortOnDropHandle::new(tokio::spawn(connection));
        let answer = sender.send_request(request).await.with_context(failed)?;
        let (head, body) = answer.into_parts();
        let body =
            Limited::new(body, MAX_ANSWER).collect().await.map_err(|error| anyhow!(error)).with_context(failed)?;
        Ok((head.status, body.to_bytes()))
    }

    async fn connect(&self) -> anyhow::Result<Box<dyn Stream>> {
        match &self.address {
            Address::Http(authority) => Ok(Box::new(TcpStream::connect(authority).await?)),
            Address::Unix(path) => Ok(Box::new(UnixStream::connect(path).await?)),
        }
    }

    fn understand(&self, status: StatusCode, body: &[u8]) -> anyhow::Result<Answer> {
        if status.is_success() {
            let body = serde_json::from_slice(body);
            return Ok(Answer::Done(body.with_context(|| format!("{} is not an admin API of Socklet", self.address))?));
        }
        let Ok(Told { error, problems }) = serde_json::from_slice(body) else {
            bail!("{} is not an admin API of Socklet: it answers with {status}", self.address);
        };
        if status == StatusCode::UNAUTHORIZED {
            bail!(match self.token {
                Some(_) => format!("{} refuses the token: {error}", self.address),
                None => format!("{} needs a token: name its file with --admin and --token-file", self.address),
            });
        }
        let text = [error].into_iter().chain(problems).collect::<Vec<_>>().join("\n");
        Ok(Answer::Refused(Refusal { status, text }))
    }
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
