//! One request and its response. All of it happens on a thread of its own; a guest that waits for it occupies none.

use super::{
    HttpLimits,
    dial::{self, Secure},
    origin::Destination,
};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Frame, SizeHint};
use hyper_util::rt::TokioIo;
use socklet_core::{Permit, Room};
use std::{
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    runtime::{Builder, Handle, Runtime},
    time::{Instant, Sleep, sleep, sleep_until, timeout, timeout_at},
};
use tokio_util::task::AbortOnDropHandle;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody};

/// Threads that look names up: the system's way to do so waits.
const LOOKUPS: usize = 16;
/// The largest head of a response, in bytes and in fields.
const MAX_HEAD: usize = 64 << 10;
const MAX_FIELDS: usize = 128;
/// For each request that is made, so many may wait.
const WAITING: usize = 4;

/// Makes requests.
pub(crate) struct Client {
    // None only while it is dropped.
    thread: Option<Runtime>,
    limits: HttpLimits,
    secure: Secure,
}

/// The requests of a tenant: those that are made, and those that wait.
#[derive(Debug)]
pub(crate) struct Queue {
    made: Room,
    waiting: Room,
}

/// What goes on behind a response. Dropping it ends it.
pub(crate) type Behind = AbortOnDropHandle<()>;

/// The body of a response, with its limits.
struct Received {
    incoming: hyper::body::Incoming,
    max: usize,
    left: usize,
    end: Pin<Box<Sleep>>,
    /// The longest pause, and the end of this one.
    pause: Option<(Duration, Pin<Box<Sleep>>)>,
    failed: bool,
}

// === impl Client ===

impl Client {
    /// Starts its thread.
    pub(crate) fn start(limits: HttpLimits) -> io::Result<Self> {
        let thread = Builder::new_multi_thread()
            .worker_threads(1)
            .max_blocking_threads(LOOKUPS)
            .thread_name("socklet-http")
            .enable_all()
            .build()?;
        Ok(Self { thread: Some(thread), limits, secure: Secure::default() })
    }

    /// Where its work is done.
    pub(crate) fn thread(&self) -> &Handle {
        self.thread.as_ref().expect("there until it is dropped").handle()
    }

    /// Makes a request that may be made. To be called on the client's thread.
    pub(crate) async fn send(
        &self,
        to: &Destination,
        private: bool,
        queue: &Queue,
        request: Request<WasiBody>,
        options: RequestOptions,
    ) -> Result<(Response<WasiBody>, Behind), Error> {
        let limits = &self.limits;
        let shorter = |own: Option<Duration>, limit: Duration| own.unwrap_or(limit).min(limit);
        let connect_timeout = shorter(options.connect_timeout, limits.connect_timeout);
        let first_byte_timeout = shorter(options.first_byte_timeout, limits.first_byte_timeout);
        let request = self.checked(request)?;
        let permit = queue.enter(connect_timeout).await.ok_or(Error::ConnectionLimitReached)?;
        let end = Instant::now() + limits.timeout;
        let stream = timeout(connect_timeout, dial::connect(to, private, &self.secure)).await;
        let stream = TokioIo::new(stream.map_err(|_| Error::ConnectionTimeout)??);
        let mut http = hyper::client::conn::http1::Builder::new();
        http.max_buf_size(MAX_HEAD).max_headers(MAX_FIELDS);
        let (mut sender, connection) = http.handshake(stream).await?;
        let behind = AbortOnDropHandle::new(tokio::spawn(async move {
            // Whoever reads is told.
            let _ = connection.await;
            drop::<Permit>(permit);
        }));
        let first_byte = end.min(Instant::now() + first_byte_timeout);
        let response = timeout_at(first_byte, sender.send_request(request)).await;
        let response = response.map_err(|_| Error::HttpResponseTimeout)?.map_err(told)?;
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return Err(Error::HttpUpgradeFailed);
        }
        let max = limits.response_max;
        if response.body().size_hint().lower() > max as u64 {
            return Err(Error::HttpResponseBodySize(Some(response.body().size_hint().lower())));
        }
        let response = response.map(|incoming| {
            let pause = options.between_bytes_timeout.map(|pause| (pause, Box::pin(sleep(pause))));
            Received { incoming, max, left: max, end: Box::pin(sleep_until(end)), pause, failed: false }.boxed_unsync()
        });
        Ok((response, behind))
    }

    /// The request as it goes over the wire.
    fn checked(&self, request: Request<WasiBody>) -> Result<Request<WasiBody>, Error> {
        let max = self.limits.request_max;
        if *request.method() == Method::CONNECT {
            return Err(Error::HttpRequestMethodInvalid);
        }
        if request.body().size_hint().lower() > max as u64 {
            return Err(Error::HttpRequestBodySize(Some(request.body().size_hint().lower())));
        }
        let (mut parts, body) = request.into_parts();
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        parts.uri = Uri::builder().path_and_query(path).build().map_err(|_| Error::HttpRequestUriInvalid)?;
        let body = Limited::new(body, max).map_err(move |error| match error.downcast::<Error>() {
            Ok(error) => *error,
            Err(_) => Error::HttpRequestBodySize(Some(max as u64 + 1)),
        });
        Ok(Request::from_parts(parts, body.boxed_unsync()))
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            // The last one may be dropped inside another runtime, where waiting is not allowed.
            thread.shutdown_background();
        }
    }
}

/// An error of the guest's own body is more to the point than that of whoever sent it.
fn told(error: hyper::Error) -> Error {
    let source = std::error::Error::source(&error).and_then(|source| source.downcast_ref::<Error>());
    match source {
        Some(Error::HttpRequestBodySize(size)) => Error::HttpRequestBodySize(*size),
        _ => error.into(),
    }
}

// === impl Queue ===

impl Queue {
    pub(crate) fn new(quota: Option<usize>) -> Self {
        let (made, waiting) = rooms(quota);
        Self { made: Room::new(made), waiting: Room::new(waiting) }
    }

    /// The tenant has another quota from now on.
    pub(crate) fn resize(&self, quota: Option<usize>) {
        let (made, waiting) = rooms(quota);
        self.made.resize(made);
        self.waiting.resize(waiting);
    }

    async fn enter(&self, wait: Duration) -> Option<Permit> {
        if let Some(permit) = self.made.try_enter() {
            return Some(permit);
        }
        let _waiting = self.waiting.try_enter()?;
        timeout(wait, self.made.enter()).await.ok()
    }
}

fn rooms(quota: Option<usize>) -> (usize, usize) {
    let made = quota.unwrap_or(Room::UNLIMITED);
    (made, made.saturating_mul(WAITING))
}

// === impl Received ===

impl Body for Received {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if self.failed {
            return Poll::Ready(None);
        }
        let fail = |mut body: Pin<&mut Self>, error| {
            body.failed = true;
            Poll::Ready(Some(Err(error)))
        };
        if self.end.as_mut().poll(context).is_ready() {
            return fail(self, Error::HttpResponseTimeout);
        }
        let frame = match Pin::new(&mut self.incoming).poll_frame(context) {
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Ready(Some(Ok(frame))) => frame,
            Poll::Ready(Some(Err(error))) => return fail(self, error.into()),
            Poll::Pending => {
                if let Some((_, end)) = &mut self.pause {
                    ready!(end.as_mut().poll(context));
                    return fail(self, Error::ConnectionReadTimeout);
                }
                return Poll::Pending;
            }
        };
        if let Some((pause, end)) = &mut self.pause {
            end.as_mut().reset(Instant::now() + *pause);
        }
        let bytes = frame.data_ref().map_or(0, Bytes::len);
        match self.left.checked_sub(bytes) {
            Some(left) => self.left = left,
            None => {
                let more = self.max as u64 + 1;
                return fail(self, Error::HttpResponseBodySize(Some(more)));
            }
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.failed || self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
