//! Building and reading a [`Principal`].

use crate::Principal;

// === impl Principal ===

impl Principal {
    /// A principal without attributes that does not expire. The subject has 1 to 255 bytes.
    pub fn new(subject: impl Into<String>) -> Self {
        Self { subject: subject.into(), attributes: Vec::new(), expires_at: None }
    }

    /// Adds an attribute.
    #[must_use]
    pub fn with_attribute(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.attributes.push((name.into(), value.into()));
        self
    }

    /// Unix seconds after which the host closes the connection.
    #[must_use]
    pub fn with_expiry(mut self, unix_seconds: u64) -> Self {
        self.expires_at = Some(unix_seconds);
        self
    }

    /// The first attribute of this name.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }
}
