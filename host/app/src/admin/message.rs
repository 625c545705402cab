//! The message that an operator sends: the body of a request.

use super::{Problem, call::Call};
use bytes::Bytes;
use bytestring::ByteString;
use socklet_core::MessageRef;

/// What is sent: a text or bytes.
pub(super) struct Message(Kind);

enum Kind {
    Text(ByteString),
    Binary(Bytes),
}

/// The largest message in bytes. What one connection can take may be less.
pub(super) const MAX: u64 = 16 << 20;

/// The types of bodies that are messages.
pub(super) const TYPES: &[&str] = &["text/plain", "application/json", "application/octet-stream"];

// === impl Message ===

impl Message {
    /// Reads the body: a text where it says that it is one or JSON, bytes where it says that.
    pub(super) async fn read(call: &mut Call) -> Result<Self, Problem> {
        let is_text = match call.media_type().as_str() {
            "text/plain" | "application/json" => true,
            "application/octet-stream" => false,
            _ => {
                let send = "text/plain or application/json for a text, application/octet-stream for bytes";
                return Err(Problem::MediaType(send));
            }
        };
        let body = call.body.read(MAX).await?;
        call.detail(format!("{} bytes", body.len()));
        if !is_text {
            return Ok(Self(Kind::Binary(body)));
        }
        let text = ByteString::try_from(body).map_err(|_| Problem::Content("a text must be UTF-8".to_owned()))?;
        Ok(Self(Kind::Text(text)))
    }

    pub(super) fn as_ref(&self) -> MessageRef<'_> {
        match &self.0 {
            Kind::Text(text) => MessageRef::Text(text),
            Kind::Binary(bytes) => MessageRef::Binary(bytes),
        }
    }
}
