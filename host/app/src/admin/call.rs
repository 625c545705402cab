//! One request of somebody who was let in, as the operations see it.

use super::{Audit, Problem, State, body::Body};
use crate::{
    access::Identity,
    endpoint::{self, full},
};
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header, request::Parts};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned};
use socklet_core::TenantName;
use std::{str::FromStr, sync::Arc};

/// What an operation answers.
pub(super) type Reply = Response<endpoint::Body>;

/// One request.
pub(super) struct Call {
    pub(super) state: Arc<State>,
    pub(super) who: Arc<Identity>,
    pub(super) head: Parts,
    pub(super) body: Body,
    /// What the path has captured, decoded.
    pub(super) captured: Vec<(&'static str, String)>,
    /// Where it changes something.
    pub(super) audit: Option<Audit>,
}

/// Nothing may be asked for.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NoQuery {}

// === impl Call ===

impl Call {
    /// What the path has in place of `{name}`.
    pub(super) fn captured(&self, name: &str) -> &str {
        let found = self.captured.iter().find(|(captured, _)| *captured == name);
        found.map(|(_, value)| value.as_str()).unwrap_or_default()
    }

    /// The query; what is unknown in it is a mistake.
    pub(super) fn query<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        let query = self.head.uri.query().unwrap_or_default();
        serde_html_form::from_str(query).map_err(|error| Problem::Query(error.to_string()))
    }

    /// A body of JSON, of so many bytes at most; what is unknown in it is a mistake.
    pub(super) async fn json<T: DeserializeOwned>(&mut self, max: u64) -> Result<T, Problem> {
        if self.media_type() != "application/json" {
            return Err(Problem::MediaType("application/json"));
        }
        let bytes = self.body.read(max).await?;
        serde_json::from_slice(&bytes).map_err(|error| Problem::Content(error.to_string()))
    }

    /// What the body is said to be, without parameters, in lower case.
    pub(super) fn media_type(&self) -> String {
        let field = self.head.headers.get(header::CONTENT_TYPE).and_then(|field| field.to_str().ok());
        let essence = field.unwrap_or_default().split(';').next().unwrap_or_default();
        essence.trim().to_ascii_lowercase()
    }

    /// Whether somebody may know of a tenant.
    pub(super) fn sees(&self, tenant: &TenantName) -> bool {
        self.who.tenant.as_ref().is_none_or(|own| own == tenant)
    }

    /// The tenant that somebody is confined to, or else the one that is asked for. None when both are named and differ: there is nothing
    /// to see then.
    pub(super) fn scope(&self, asked: Option<TenantName>) -> Result<Option<TenantName>, NothingToSee> {
        match (&self.who.tenant, asked) {
            (Some(own), Some(asked)) if *own != asked => Err(NothingToSee),
            (Some(own), _) => Ok(Some(own.clone())),
            (None, asked) => Ok(asked),
        }
    }

    /// Says more of a change in the audit log.
    pub(super) fn detail(&mut self, details: String) {
        if let Some(audit) = &mut self.audit {
            audit.detail(details);
        }
    }
}

/// What is asked for belongs to somebody else.
#[derive(Debug)]
pub(super) struct NothingToSee;

/// Answers with data.
pub(super) fn json(data: &impl Serialize) -> Result<Reply, Problem> {
    let mut text = serde_json::to_vec(data).map_err(|_| Problem::Internal)?;
    text.push(b'\n');
    Ok(answer("application/json", text))
}

/// Answers with bytes of a type.
pub(super) fn answer(media_type: &'static str, bytes: impl Into<Bytes>) -> Reply {
    let mut answer = Response::new(full(bytes));
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    *answer.status_mut() = StatusCode::OK;
    answer
}

/// Reads something that has a text of its own, for fields of queries and bodies.
pub(super) fn parsed<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: std::fmt::Display>,
{
    let text = Option::<String>::deserialize(deserializer)?;
    text.map(|text| text.parse()).transpose().map_err(serde::de::Error::custom)
}
