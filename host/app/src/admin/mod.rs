//! The admin API: operators look at what runs, and change it. JSON over plain HTTP, on a listener of its own.

mod audit;
mod body;
mod problem;

use crate::{
    control::Control,
    endpoint::{Answers, Endpoint, Peer, Socket, Terms},
    token::Token,
};
use audit::Audit;
use body::Body;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header, request::Parts};
use http_body_util::Full;
use hyper::body::Incoming;
use problem::Problem;
use serde::Serialize;
use serde_json::json;
use std::{future::Future, sync::Arc, time::Duration};
use tracing::info_span;

/// A large component takes its time to be compiled.
const TERMS: Terms = Terms { connections: 16, request: Duration::from_secs(300) };

/// The admin API. Clones share what it changes.
#[derive(Clone, Debug)]
pub(crate) struct Admin {
    control: Control,
    /// What every request must show; nothing where the socket itself is private.
    token: Option<Arc<Token>>,
}

// === impl Admin ===

impl Admin {
    pub(crate) fn new(control: Control, token: Option<Token>) -> Self {
        Self { control, token: token.map(Arc::new) }
    }

    /// Serves it on a socket.
    pub(crate) fn serve(self, socket: Socket) -> Endpoint {
        socket.serve(TERMS, self, info_span!("admin"))
    }

    async fn handle(&self, peer: Peer, head: &Parts, body: &mut Body) -> Result<Response<Full<Bytes>>, Problem> {
        self.admit(head)?;
        let path: Vec<_> = head.uri.path().split('/').skip(1).collect();
        match path[..] {
            ["v1", "plugins"] => {
                read(head)?;
                json_answer(&json!({ "plugins": self.control.plugins() }))
            }
            ["v1", "plugins", name, ref rest @ ..] => self.plugin(peer, head, body, name, rest).await,
            ["v1", "tenants", tenant, "plugins", name, ref rest @ ..] => {
                self.plugin(peer, head, body, &format!("{tenant}/{name}"), rest).await
            }
            ["v1", "tenants"] => {
                read(head)?;
                json_answer(&json!({ "tenants": self.control.tenants() }))
            }
            ["v1", "tenants", name] => {
                read(head)?;
                json_answer(&self.control.tenant(name).ok_or_else(|| Problem::NoSuchTenant(name.to_owned()))?)
            }
            ["v1", "tenants", name, "reload"] => {
                write(head)?;
                let dry_run = dry_run(head)?;
                let audit = Audit::new(peer, if dry_run { "dry run of a reload" } else { "reload" }, Some(name));
                let reloaded = async {
                    let tenant = name.parse().map_err(|_| Problem::NoSuchTenant(name.to_owned()))?;
                    Ok(self.control.reload_tenant(&tenant, dry_run).await?)
                };
                json_answer(&audit.note(reloaded.await)?)
            }
            ["v1", "listeners"] => {
                read(head)?;
                json_answer(&json!({ "listeners": self.control.listeners() }))
            }
            ["v1", "listeners", name] => {
                read(head)?;
                json_answer(&self.control.listener(name)?)
            }
            ["v1", "listeners", name, "stop"] => {
                write(head)?;
                let audit = Audit::new(peer, "stop", Some(name));
                json_answer(&audit.note(self.control.stop_listener(name).await.map_err(Problem::from))?)
            }
            ["v1", "listeners", name, "start"] => {
                write(head)?;
                let audit = Audit::new(peer, "start", Some(name));
                json_answer(&audit.note(self.control.start_listener(name).await.map_err(Problem::from))?)
            }
            ["v1", "connections", id] => {
                read(head)?;
                let found = id.parse().ok().and_then(|id: u64| self.control.connection(id));
                json_answer(&found.ok_or_else(|| Problem::NoSuchConnection(id.to_owned()))?)
            }
            ["v1", "reload"] => {
                write(head)?;
                let dry_run = dry_run(head)?;
                let audit = Audit::new(peer, if dry_run { "dry run of a reload" } else { "reload" }, None);
                json_answer(&audit.note(self.control.reload(dry_run).await.map_err(Problem::from))?)
            }
            _ => Err(Problem::NoSuchPath),
        }
    }

    /// One plugin, by its id.
    async fn plugin(
        &self,
        peer: Peer,
        head: &Parts,
        body: &mut Body,
        id: &str,
        rest: &[&str],
    ) -> Result<Response<Full<Bytes>>, Problem> {
        match rest {
            [] => {
                read(head)?;
                json_answer(&self.control.plugin(id)?)
            }
            ["swap"] => {
                write(head)?;
                let audit = Audit::new(peer, "swap", Some(id));
                let swapped = async {
                    self.control.plugin(id)?;
                    let component = body.read(socklet_plugin::MAX_SIZE).await?;
                    Ok(self.control.swap(id, component).await?)
                };
                json_answer(&audit.note(swapped.await)?)
            }
            ["rollback"] => {
                write(head)?;
                let audit = Audit::new(peer, "rollback", Some(id));
                json_answer(&audit.note(self.control.roll_back(id).map_err(Problem::from))?)
            }
            _ => Err(Problem::NoSuchPath),
        }
    }

    /// Whether a request shows the token, where one is needed.
    fn admit(&self, head: &Parts) -> Result<(), Problem> {
        let Some(token) = &self.token else { return Ok(()) };
        let shown = head.headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes);
        match shown.and_then(|shown| shown.split_at_checked(b"Bearer ".len())) {
            Some((scheme, shown)) if scheme.eq_ignore_ascii_case(b"Bearer ") && token.is(shown) => Ok(()),
            Some(_) => Err(Problem::WrongToken),
            None => Err(Problem::NoToken),
        }
    }
}

impl Answers for Admin {
    fn answer(&self, peer: Peer, request: Request<Incoming>) -> impl Future<Output = Response<Full<Bytes>>> + Send {
        let admin = self.clone();
        async move {
            let (head, body) = request.into_parts();
            let mut body = Body::new(&head, body);
            let answer = admin.handle(peer, &head, &mut body).await.unwrap_or_else(|problem| {
                problem.log(peer);
                problem.into_answer()
            });
            body.discard().await;
            answer
        }
    }
}

/// Whether nothing is to be changed.
fn dry_run(head: &Parts) -> Result<bool, Problem> {
    match head.uri.query() {
        None | Some("" | "dry_run=false") => Ok(false),
        Some("dry_run=true") => Ok(true),
        Some(_) => Err(Problem::Query("dry_run=true")),
    }
}

fn read(head: &Parts) -> Result<(), Problem> {
    match head.method {
        Method::GET | Method::HEAD => Ok(()),
        _ => Err(Problem::Method("GET, HEAD")),
    }
}

fn write(head: &Parts) -> Result<(), Problem> {
    if head.method == Method::POST { Ok(()) } else { Err(Problem::Method("POST")) }
}

fn json_answer(data: &impl Serialize) -> Result<Response<Full<Bytes>>, Problem> {
    let mut text = serde_json::to_vec(data).map_err(|_| Problem::Internal)?;
    text.push(b'\n');
    let mut answer = Response::new(Full::from(text));
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    *answer.status_mut() = StatusCode::OK;
    Ok(answer)
}
