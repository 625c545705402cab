//! Building an [`Acceptance`].

use crate::{Acceptance, Field};

// === impl Acceptance ===

impl Acceptance {
    /// Picks one of the subprotocols that the client offered.
    #[must_use]
    pub fn with_subprotocol(mut self, subprotocol: impl Into<String>) -> Self {
        self.subprotocol = Some(subprotocol.into());
        self
    }

    /// Adds a field to the 101 response. Those of the handshake itself are the host's.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push(Field { name: name.into(), value: value.into() });
        self
    }
}

/// Accepts with nothing special.
impl Default for Acceptance {
    fn default() -> Self {
        Self { subprotocol: None, headers: Vec::new() }
    }
}
