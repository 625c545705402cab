//! The import `wasi:http/outgoing-handler`: requests to the origins that the plugin is granted.

use crate::{
    grants::{Granted, Http},
    host::log::Level,
    meter::Account,
    outgoing::{Behind, Destination},
    state::Scope,
};
use http::{Request, Response};
use std::{future::Future, sync::Arc};
use tokio_util::task::AbortOnDropHandle;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

/// Bytes of a request's body that are copied out of the guest at a time.
const CHUNK: usize = 64 << 10;

/// Requests of one instance.
pub(crate) struct Outgoing {
    scope: Arc<Scope>,
    account: Arc<Account>,
}

type Behaved = Box<dyn Future<Output = Result<(), Error>> + Send>;
type Sent = AbortOnDropHandle<Result<(Response<WasiBody>, Behind), Error>>;

// === impl Outgoing ===

impl Outgoing {
    pub(crate) fn new(scope: Arc<Scope>, account: Arc<Account>) -> Self {
        Self { scope, account }
    }

    fn begin(&self, request: Request<WasiBody>, options: Option<RequestOptions>) -> Result<Sent, Error> {
        let Granted { http: Some(http), .. } = &self.scope.granted else {
            return Err(self.refused(None, Error::HttpRequestDenied));
        };
        let to = Destination::of(request.uri()).ok_or(Error::HttpRequestUriInvalid);
        let to = to.map_err(|error| self.refused(None, error))?;
        if !http.grant.origins.iter().any(|origin| origin.admits(&to)) {
            return Err(self.refused(Some(&to), Error::HttpRequestDenied));
        }
        self.account.acts();
        let (Http { client, grant, queue }, scope) = (http.clone(), self.scope.clone());
        let thread = client.thread().clone();
        let task = thread.spawn(async move {
            let sent = client.send(&to, grant.private, &queue, request, options.unwrap_or_default()).await;
            match &sent {
                Ok(_) => scope.metrics.requested("ok"),
                Err(error) => failed(&scope, Some(&to), error),
            }
            sent
        });
        Ok(AbortOnDropHandle::new(task))
    }

    fn refused(&self, to: Option<&Destination>, error: Error) -> Error {
        failed(&self.scope, to, &error);
        error
    }
}

impl WasiHttpHooks for Outgoing {
    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _sent: Behaved,
    ) -> Box<dyn Future<Output = Result<(Response<WasiBody>, Behaved), Error>> + Send> {
        let sent = self.begin(request, options);
        Box::new(async move {
            let lost = |_| Error::InternalError(Some("the host is going down".into()));
            let (response, behind) = sent?.await.map_err(lost)??;
            let behaved: Behaved = Box::new(async move {
                // It ends with the response, or when the guest drops that.
                let _ = behind.await;
                Ok(())
            });
            Ok((response, behaved))
        })
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        CHUNK
    }
}

/// Counts and logs a request without a response. The origin is the operator's; the rest of the URL may be a secret.
fn failed(scope: &Scope, to: Option<&Destination>, error: &Error) {
    let (outcome, why) = match error {
        Error::HttpRequestDenied => ("denied", "the origin is not granted"),
        Error::DestinationIpProhibited => ("denied", "it has no public address, and http_private is not granted"),
        Error::ConnectionLimitReached => ("busy", "the tenant makes too many requests"),
        Error::ConnectionTimeout => ("timeout", "no connection in time"),
        Error::HttpResponseTimeout => ("timeout", "no response in time"),
        Error::DnsError { .. } => ("failed", "the name is not known"),
        Error::ConnectionRefused | Error::DestinationUnavailable => ("failed", "nobody answers there"),
        Error::Tls(_) => ("failed", "TLS was not agreed on; does the system trust its certificate?"),
        Error::HttpRequestBodySize(_) => ("failed", "the request is too large"),
        Error::HttpResponseBodySize(_) => ("failed", "the response is too large"),
        _ => ("failed", "the request or the response is not right"),
    };
    scope.metrics.requested(outcome);
    if outcome == "busy" {
        scope.metrics.over_quota("http-requests");
    }
    let to = to.map_or_else(|| "somewhere".to_owned(), Destination::to_string);
    scope.log.line(Level::Warn, "host", &format!("HTTP request to {to} failed: {why}"));
}
