//! Which certificate a client is shown: that of the host that it asks for.

use rustls::{
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use std::{cell::Cell, collections::HashMap, sync::Arc};

thread_local! {
    /// The host that the client asks for whose hello this thread looks at. A session does not tell it.
    static ASKED: Cell<Option<Box<str>>> = const { Cell::new(None) };
}

/// The certificates of a listener, by the names in them.
#[derive(Debug)]
pub(super) struct Certificates {
    keys: Vec<Arc<CertifiedKey>>,
    /// By a name in lower case; `*.example.com` is for one more label.
    by_name: HashMap<String, Vec<usize>>,
    /// For whoever names no host, or another one.
    default: Vec<usize>,
}

// === impl Certificates ===

impl Certificates {
    /// Certificates with the names in them, at least one.
    pub(super) fn new(certificates: impl IntoIterator<Item = (CertifiedKey, Vec<String>)>) -> Self {
        let (mut keys, mut by_name) = (Vec::new(), HashMap::<_, Vec<_>>::new());
        let mut default = vec![0];
        let mut names_of_first = Vec::new();
        for (index, (key, names)) in certificates.into_iter().enumerate() {
            if index > 0 && names == names_of_first {
                // The same hosts by a key of another kind.
                default.push(index);
            }
            for name in &names {
                by_name.entry(name.clone()).or_default().push(index);
            }
            if index == 0 {
                names_of_first = names;
            }
            keys.push(Arc::new(key));
        }
        Self { keys, by_name, default }
    }

    /// Those for a host, the one that was written first at the front.
    fn of(&self, host: Option<&str>) -> &[usize] {
        let exact = |host: &str| self.by_name.get(host);
        let wildcard = |host: &str| exact(&format!("*.{}", host.split_once('.')?.1));
        let found = host.map(str::to_ascii_lowercase).and_then(|host| exact(&host).or_else(|| wildcard(&host)));
        found.unwrap_or(&self.default)
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        ASKED.set(hello.server_name().map(Into::into));
        let candidates = self.of(hello.server_name());
        let fits = |index: &&usize| self.keys[**index].key.choose_scheme(hello.signature_schemes()).is_some();
        // Where none fits, the client is told what is wrong when the first one does not.
        let chosen = candidates.iter().find(fits).or(candidates.first())?;
        Some(self.keys[*chosen].clone())
    }
}

/// The host that was asked for in the hello that this thread has just looked at.
pub(super) fn asked() -> Option<Box<str>> {
    ASKED.take()
}
