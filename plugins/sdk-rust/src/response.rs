//! Building a [`Response`].

use crate::{Field, Response, log};
use std::fmt::Display;

// === impl Response ===

impl Response {
    /// An empty response of this status.
    pub fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }

    /// The answer to a failure of the plugin's own: logs what happened, tells the client nothing.
    pub fn internal_error(error: impl Display) -> Self {
        log::error(&format!("refusing the request: {error}"));
        Self::new(500)
    }

    /// Adds a header field.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push(Field { name: name.into(), value: value.into() });
        self
    }

    /// Sets a body of plain text.
    #[must_use]
    pub fn with_text(self, text: impl Into<String>) -> Self {
        let mut response = self.with_header("content-type", "text/plain; charset=utf-8");
        response.body = text.into().into_bytes();
        response
    }
}
