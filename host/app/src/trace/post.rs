//! Requests to the collector: OTLP over HTTP, with Protocol Buffers.

use crate::config::TracePlan;
use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Request, StatusCode, Uri,
    header::{CONTENT_TYPE, RETRY_AFTER, USER_AGENT},
};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;
use rustls::{ClientConfig, RootCertStore};
use std::{error::Error, io, time::Duration};
use tokio::time::timeout;

/// Where spans are delivered to.
#[derive(Debug)]
pub(super) struct Collector {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    uri: Uri,
    headers: HeaderMap,
    timeout: Duration,
}

/// The collector did not take a request.
#[derive(Debug)]
pub(super) struct Undelivered {
    /// Why, for people.
    pub(super) why: String,
    /// Whether it may take it later.
    pub(super) again: bool,
    /// When to try that, if it says so.
    pub(super) after: Option<Duration>,
}

/// The largest answer that is read, in bytes.
const MAX_ANSWER: usize = 64 * 1024;
/// How long a connection is kept that nothing is sent on.
const IDLE: Duration = Duration::from_secs(30);

// === impl Collector ===

impl Collector {
    /// # Errors
    ///
    /// When the system has no certificates of authorities, and the collector is to be known by one.
    pub(super) fn new(plan: &TracePlan) -> io::Result<Self> {
        let builder = HttpsConnectorBuilder::new();
        let builder = match plan.endpoint.scheme_str() {
            Some("https") => builder.with_native_roots()?,
            // No certificate is looked at.
            _ => builder.with_tls_config(
                ClientConfig::builder().with_root_certificates(RootCertStore::empty()).with_no_client_auth(),
            ),
        };
        let connector = builder.https_or_http().enable_http1().build();
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(1)
            .build(connector);
        let mut headers = plan.headers.clone();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        let agent = concat!("OTel-OTLP-Exporter-Socklet/", env!("CARGO_PKG_VERSION"));
        headers.entry(USER_AGENT).or_insert(HeaderValue::from_static(agent));
        Ok(Self { client, uri: plan.endpoint.clone(), headers, timeout: plan.timeout })
    }

    /// Delivers a request, an `ExportTraceServiceRequest`: how many of its spans were not accepted.
    ///
    /// # Errors
    ///
    /// When it was not taken, or nobody knows.
    pub(super) async fn post(&self, body: Bytes) -> Result<usize, Undelivered> {
        match timeout(self.timeout, self.ask(body)).await {
            Ok(answer) => answer,
            Err(_) => Err(Undelivered::later(format!("no answer within {:?}", self.timeout))),
        }
    }

    async fn ask(&self, body: Bytes) -> Result<usize, Undelivered> {
        let mut request = Request::post(&self.uri).body(Full::new(body)).expect("a checked URI makes a request");
        *request.headers_mut() = self.headers.clone();
        let answer = self.client.request(request).await.map_err(|error| Undelivered::later(causes(&error)))?;
        let (head, body) = answer.into_parts();
        if head.status != StatusCode::OK {
            let again = matches!(head.status.as_u16(), 429 | 502 | 503 | 504);
            let after = head.headers.get(RETRY_AFTER).and_then(|after| after.to_str().ok()?.parse().ok());
            let why = format!("the collector answers {}", head.status);
            return Err(Undelivered { why, again, after: after.map(Duration::from_secs) });
        }
        // Taken is taken, whatever is said beside that.
        let said = Limited::new(body, MAX_ANSWER).collect().await.ok();
        let said = said.and_then(|said| ExportTraceServiceResponse::decode(said.to_bytes()).ok());
        let rejected = said.and_then(|said| said.partial_success).map_or(0, |partly| partly.rejected_spans);
        Ok(usize::try_from(rejected).unwrap_or_default())
    }
}

// === impl Undelivered ===

impl Undelivered {
    fn later(why: String) -> Self {
        Self { why, again: true, after: None }
    }
}

/// An error with what is behind it.
fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
