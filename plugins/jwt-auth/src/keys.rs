//! Keys, and the algorithms that each of them may be used with: the token never decides that.

use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm, PublicKeyUse},
};

/// The most keys of a set.
const MAX_KEYS: usize = 64;
/// The fewest bytes of a shared secret (RFC 7518, section 3.2).
const MIN_SECRET: usize = 32;
/// What RSA keys and shared secrets may be used with.
const RSA: [Algorithm; 6] =
    [Algorithm::RS256, Algorithm::RS384, Algorithm::RS512, Algorithm::PS256, Algorithm::PS384, Algorithm::PS512];
const HMAC: [Algorithm; 3] = [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512];

/// Keys that tokens are checked with.
#[derive(Debug, Default)]
pub(crate) struct Keys(Vec<Key>);

/// One of them.
pub(crate) struct Key {
    id: Option<String>,
    algorithms: Vec<Algorithm>,
    pub(crate) key: DecodingKey,
}

// === impl Keys ===

impl Keys {
    /// Those of the settings.
    #[cfg(not(feature = "remote"))]
    pub(crate) fn of_settings(set: Option<&JwkSet>, secret: Option<&str>) -> Result<Self, String> {
        match (set, secret) {
            (Some(set), None) => {
                let keys = Self::of_set(set, true).map_err(|why| format!("setting `keys`: {why}"))?;
                if keys.0.is_empty() { Err("setting `keys`: none of them can be used".into()) } else { Ok(keys) }
            }
            (None, Some(secret)) if secret.len() < MIN_SECRET => {
                Err(format!("setting `secret`: it has {} bytes, at least {MIN_SECRET} are needed", secret.len()))
            }
            (None, Some(secret)) => {
                let key = DecodingKey::from_secret(secret.as_bytes());
                Ok(Self(vec![Key { id: None, algorithms: HMAC.to_vec(), key }]))
            }
            (None, None) => Err("setting `keys`: missing, and so is `secret`".into()),
            (Some(_), Some(_)) => Err("setting `secret`: there are `keys`, too; write one of them".into()),
        }
    }

    /// The keys of a set that can be used; `shared`: shared secrets, too, which nobody may fetch.
    pub(crate) fn of_set(set: &JwkSet, shared: bool) -> Result<Self, String> {
        if set.keys.len() > MAX_KEYS {
            return Err(format!("{} keys, at most {MAX_KEYS} are looked at", set.keys.len()));
        }
        // What somebody else's set has beside is no mistake.
        Ok(Self(set.keys.iter().filter_map(|jwk| Key::new(jwk, shared)).collect()))
    }

    /// Those that may have signed a token with this header.
    pub(crate) fn fitting(&self, id: Option<&str>, algorithm: Algorithm) -> impl Iterator<Item = &Key> {
        // A key without an id may have any, and so may a token.
        let fits = move |key: &&Key| match (&key.id, id) {
            (Some(own), Some(id)) => own == id,
            _ => true,
        };
        self.0.iter().filter(move |key| key.algorithms.contains(&algorithm)).filter(fits)
    }
}

// === impl Key ===

impl Key {
    fn new(jwk: &Jwk, shared: bool) -> Option<Self> {
        if matches!(jwk.common.public_key_use, Some(PublicKeyUse::Encryption)) {
            return None;
        }
        let all = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => &RSA[..],
            AlgorithmParameters::EllipticCurve(key) => match key.curve {
                EllipticCurve::P256 => &[Algorithm::ES256],
                EllipticCurve::P384 => &[Algorithm::ES384],
                _ => return None,
            },
            AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => &[Algorithm::EdDSA],
            AlgorithmParameters::OctetKey(_) if shared => &HMAC,
            _ => return None,
        };
        let algorithms = match jwk.common.key_algorithm {
            None => all.to_vec(),
            Some(only) => all.iter().copied().filter(|algorithm| named(only) == Some(*algorithm)).collect(),
        };
        let key = DecodingKey::from_jwk(jwk).ok()?;
        let too_short = matches!(jwk.algorithm, AlgorithmParameters::OctetKey(_))
            && key.try_get_as_bytes().map_or(true, |secret| secret.len() < MIN_SECRET);
        (!algorithms.is_empty() && !too_short).then(|| Self { id: jwk.common.key_id.clone(), algorithms, key })
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // It may be a secret.
        f.debug_struct("Key").field("id", &self.id).field("algorithms", &self.algorithms).finish_non_exhaustive()
    }
}

fn named(name: KeyAlgorithm) -> Option<Algorithm> {
    name.to_string().parse().ok()
}
