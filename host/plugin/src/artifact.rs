//! Compiled components. The only unsafe code of the host is in here: handing compiled code to the virtual machine.

use crate::{compiler::Code, precheck::MAX_SIZE};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use wasmtime::{Engine, component::Component};

/// What every sealed artifact begins with.
const MAGIC: &[u8; 16] = b"socklet-compiled";
const TAG: usize = 32;
/// Bytes of the largest artifact: 16 times the largest component.
pub(crate) const MAX_ARTIFACT: u64 = 16 * MAX_SIZE;

/// The secret of this host's cache: what is sealed with it was written by this host.
#[derive(Clone)]
pub(crate) struct SealKey([u8; 32]);

/// Compiled code that this process, a child of it, or an earlier process with the same key got from the compiler. There is no other
/// way to make one.
pub(crate) struct Artifact(Vec<u8>);

/// What an artifact was made of and for; part of what is sealed.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    /// The digest of the component.
    pub(crate) digest: String,
    /// The engine's settings and version.
    pub(crate) engine: u64,
}

// === impl Artifact ===

impl Artifact {
    /// Compiles a component. Takes seconds for large ones.
    pub(crate) fn compile(engine: &Engine, component: &[u8]) -> wasmtime::Result<Self> {
        engine.precompile_component(component).map(Self)
    }

    /// Takes what a process of this host compiled.
    pub(crate) fn from_child(code: Code) -> Self {
        Self(code.into_bytes())
    }

    /// The code, for the pipe to the host.
    pub(crate) fn code(&self) -> &[u8] {
        &self.0
    }

    /// The artifact with a keyed hash before it.
    pub(crate) fn seal(&self, key: &SealKey, origin: &Origin) -> Vec<u8> {
        let tag = key.mac(origin, &self.0).finalize().into_bytes();
        [&MAGIC[..], &tag, &self.0].concat()
    }

    /// Opens what [`Artifact::seal`] made; none when anything differs: a byte, the origin, the key.
    pub(crate) fn unseal(key: &SealKey, origin: &Origin, mut sealed: Vec<u8>) -> Option<Self> {
        let (magic, rest) = sealed.split_at_checked(MAGIC.len())?;
        let (tag, code) = rest.split_at_checked(TAG)?;
        if magic != MAGIC {
            return None;
        }
        key.mac(origin, code).verify_slice(tag).ok()?;
        sealed.drain(..MAGIC.len() + TAG);
        Some(Self(sealed))
    }

    /// Makes the code executable.
    #[expect(unsafe_code, reason = "wasmtime cannot tell its own output from forged code; the type can")]
    pub(crate) fn load(&self, engine: &Engine) -> wasmtime::Result<Component> {
        // SAFETY: the bytes must come from `precompile_component` and be unchanged. An `Artifact` is made in three ways. `compile`
        // calls just that. `from_child` takes a `Code`, which is made of the whole answer of a process that this one started to
        // call `compile`, read from a pipe that only the two have, after the process said that it is of the same version and
        // ended well; whoever can have another program started can as well change this one. `unseal` checks a keyed hash over
        // bytes that `seal` took from an `Artifact`; the key is readable by this user alone, who can change the program, too. The
        // bytes are private to these types and never change.
        unsafe { Component::deserialize(engine, &self.0) }
    }
}

// === impl Origin ===

impl Origin {
    pub(crate) fn new(engine: &Engine, digest: &str) -> Self {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        Self { digest: digest.to_owned(), engine: hasher.finish() }
    }

    /// The name of its file.
    pub(crate) fn file_name(&self) -> String {
        format!("{}-{:016x}", self.digest.trim_start_matches("sha256:"), self.engine)
    }
}

// === impl SealKey ===

impl SealKey {
    pub(crate) fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    fn mac(&self, origin: &Origin, code: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("a key of any length is valid");
        mac.update(MAGIC);
        mac.update(origin.digest.as_bytes());
        mac.update(&origin.engine.to_le_bytes());
        mac.update(code);
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::digest;

    const EMPTY: &[u8] = b"\0asm\x0d\0\x01\0";

    #[test]
    fn only_what_was_sealed_is_opened() {
        let engine = Engine::default();
        let origin = Origin::new(&engine, &digest(EMPTY));
        let key = SealKey::from_bytes([7; 32]);
        let sealed = Artifact::compile(&engine, EMPTY).unwrap().seal(&key, &origin);
        let opened = Artifact::unseal(&key, &origin, sealed.clone()).unwrap();
        opened.load(&engine).unwrap();
        for at in (0..sealed.len()).step_by(97).chain([0, MAGIC.len(), sealed.len() - 1]) {
            let mut damaged = sealed.clone();
            damaged[at] ^= 1;
            assert!(Artifact::unseal(&key, &origin, damaged).is_none(), "a flipped bit at {at}");
        }
        for length in [0, MAGIC.len(), MAGIC.len() + TAG, sealed.len() - 1] {
            assert!(Artifact::unseal(&key, &origin, sealed[..length].to_vec()).is_none(), "cut at {length}");
        }
        let other = Origin { engine: origin.engine ^ 1, ..origin.clone() };
        assert!(Artifact::unseal(&key, &other, sealed.clone()).is_none());
        assert!(Artifact::unseal(&SealKey::from_bytes([8; 32]), &origin, sealed).is_none());
    }
}
