//! Who a connection belongs to.

use std::time::{Duration, SystemTime};

/// Who a connection belongs to, as decided by an authenticator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    subject: String,
    attributes: Vec<(String, String)>,
    expires_at: Option<u64>,
}

/// A principal that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPrincipal {
    /// The subject is empty or too long.
    #[error("subject has {0} bytes, 1 to 255 are allowed")]
    Subject(usize),
    /// The attributes are too large.
    #[error("attributes have {0} bytes, at most 16384 are allowed")]
    Attributes(usize),
}

impl Principal {
    /// A principal. `expires_at` is in Unix seconds.
    ///
    /// # Errors
    ///
    /// When the subject does not have 1 to 255 bytes, or the attributes have more than 16 KiB together.
    pub fn new(
        subject: String,
        attributes: Vec<(String, String)>,
        expires_at: Option<u64>,
    ) -> Result<Self, InvalidPrincipal> {
        if !matches!(subject.len(), 1..=255) {
            return Err(InvalidPrincipal::Subject(subject.len()));
        }
        let size = attributes.iter().map(|(key, value)| key.len() + value.len()).sum();
        if size > 16 * 1024 {
            return Err(InvalidPrincipal::Attributes(size));
        }
        Ok(Self { subject, attributes, expires_at })
    }

    /// The user, account or device.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// What else the authenticator found out.
    pub fn attributes(&self) -> &[(String, String)] {
        &self.attributes
    }

    /// Unix seconds after which the connection is closed.
    pub fn expires_at(&self) -> Option<u64> {
        self.expires_at
    }

    /// The time left until it expires: zero when it has, none when it never does.
    pub fn expires_in(&self) -> Option<Duration> {
        let at = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(self.expires_at?))?;
        Some(at.duration_since(SystemTime::now()).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds() {
        assert!(Principal::new("ada".into(), vec![], None).is_ok());
        assert_eq!(Principal::new(String::new(), vec![], None), Err(InvalidPrincipal::Subject(0)));
        let big = vec![("k".into(), "v".repeat(16 * 1024))];
        assert_eq!(Principal::new("ada".into(), big, None), Err(InvalidPrincipal::Attributes(16 * 1024 + 1)));
    }

    #[test]
    fn what_has_expired_has_no_time_left() {
        let principal = Principal::new("ada".into(), vec![], Some(1)).unwrap();
        assert_eq!(principal.expires_in(), Some(Duration::ZERO));
    }
}
