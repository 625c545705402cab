//! Keys from a URL. An authenticator has a fresh instance for each request, so they are kept in a key-value store: one instance at a
//! time fetches them, and the others go on with what is there.

use crate::{
    judge::{Judge, Refusal},
    keys::Keys,
    settings::Settings,
};
use jsonwebtoken::jwk::JwkSet;
use serde::{Deserialize, Serialize};
use socklet_sdk::{
    Principal,
    http::Request,
    keyvalue::{self, Store, StoreError},
};
use std::time::{Duration, SystemTime};

/// The longest that a fetch may wait for each of its steps.
const TIMEOUT: Duration = Duration::from_secs(3);
/// The largest key set.
const MAX_SET: usize = 256 << 10;
/// How often keys are fetched at most, in seconds: tokens with keys that nobody knows are for free.
const PAUSE: u64 = 10;

/// A key set as it was fetched.
#[derive(Debug, Deserialize, Serialize)]
struct Kept {
    /// In Unix seconds.
    at: u64,
    set: String,
}

struct Cache {
    store: Store,
    url: String,
    now: u64,
}

/// Judges a token by the keys that are kept, and fetches them where that is due.
pub(crate) fn judge(settings: &Settings, judge: &Judge<'_>, token: &str) -> Result<Principal, Refusal> {
    let cache = Cache::open(settings)?;
    let kept = cache.kept()?;
    let age = kept.as_ref().map(|kept| cache.now.saturating_sub(kept.at));
    let keys = kept.as_ref().map(|kept| keys(&kept.set)).transpose()?;
    let known = keys.as_ref().is_some_and(|keys| judge.knows_key(token, keys));
    let due = match age {
        None => true,
        Some(age) if age > settings.keys_max_age => true,
        Some(age) => !known && age >= PAUSE,
    };
    // Without any keys everybody fetches them, and waits.
    if due && (keys.is_none() || cache.is_first()?) {
        match cache.fetch() {
            Ok(fresh) => return judge.judge(token, &fresh),
            Err(why) => socklet_sdk::warn!("failed to fetch {}: {why}", settings.keys_url),
        }
    }
    match (keys, age) {
        (Some(keys), Some(age)) if age <= settings.keys_max_age.saturating_add(settings.keys_max_stale) => {
            judge.judge(token, &keys)
        }
        _ => Err(Refusal::Unable(format!("{} was not fetched for too long", settings.keys_url))),
    }
}

fn keys(set: &str) -> Result<Keys, Refusal> {
    parse(set).map_err(|why| Refusal::Unable(format!("the keys that are kept: {why}")))
}

/// Shared secrets are not taken: whoever can read the URL would have them.
fn parse(set: &str) -> Result<Keys, String> {
    let set: JwkSet = serde_json::from_str(set).map_err(|error| format!("not a key set: {error}"))?;
    Keys::of_set(&set, false)
}

// === impl Cache ===

impl Cache {
    fn open(settings: &Settings) -> Result<Self, Refusal> {
        let store = keyvalue::open(&settings.store).map_err(unable)?;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        Ok(Self { store, url: settings.keys_url.clone(), now })
    }

    /// Another URL has other keys.
    fn key(&self, what: &str) -> String {
        let url: String = self.url.chars().take(400).collect();
        format!("{what} {url}")
    }

    fn kept(&self) -> Result<Option<Kept>, Refusal> {
        let kept = self.store.get(&self.key("keys")).map_err(unable)?;
        // What another version has written is fetched again.
        Ok(kept.and_then(|kept| serde_json::from_slice(&kept).ok()))
    }

    /// Whether nobody else fetches them now.
    fn is_first(&self) -> Result<bool, Refusal> {
        let turn = format!("{} {}", self.key("turn"), self.now / PAUSE);
        Ok(self.store.increment(&turn, 1).map_err(unable)? == 1)
    }

    fn fetch(&self) -> Result<Keys, String> {
        let request = Request::get(self.url.as_str()).header("accept", "application/jwk-set+json, application/json");
        let response = request.timeout(TIMEOUT).body_max(MAX_SET).send().map_err(|error| error.to_string())?;
        if response.status != 200 {
            return Err(format!("the status is {}", response.status));
        }
        let set = String::from_utf8(response.body).map_err(|_| "it is not text")?;
        let keys = parse(&set)?;
        let kept = serde_json::to_vec(&Kept { at: self.now, set }).map_err(|error| error.to_string())?;
        let kept = self.store.set(&self.key("keys"), &kept).and_then(|()| self.tidy());
        if let Err(error) = kept {
            socklet_sdk::warn!("failed to keep the keys of {}: {error}", self.url);
        }
        Ok(keys)
    }

    /// Turns that are over are nobody's.
    fn tidy(&self) -> Result<(), StoreError> {
        let (turns, now) = (self.key("turn"), format!(" {}", self.now / PAUSE));
        let all = self.store.keys()?.into_iter();
        let over: Vec<_> = all.filter(|key| key.starts_with(&turns) && !key.ends_with(&now)).take(500).collect();
        self.store.delete_many(&over)
    }
}

fn unable(error: StoreError) -> Refusal {
    Refusal::Unable(format!("the store: {error}"))
}
