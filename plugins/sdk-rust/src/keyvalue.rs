//! Key-value stores of the tenant (`wasi:keyvalue`), for plugins that are granted them: `keyvalue = ["NAME"]` in `[plugin.NAME.grants]`.
//!
//! What a call has stored is there to stay, also when the server is killed in the next moment. Plugins of one tenant that are granted
//! the same name share the store.

use crate::bindings::keyvalue_plugin::wasi::keyvalue::{atomics, batch, store};
use std::{error, fmt};

/// A store.
#[derive(Debug)]
pub struct Store(store::Bucket);

/// Why nothing was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// No store has such a name: it is not 1 to 63 of `a-z`, `0-9`, `-` and `_`.
    NoSuchStore,
    /// The plugin is not granted it.
    AccessDenied,
    /// The host says why: the tenant's stores are full, a value is too large, the disk fails.
    Other(String),
}

/// A store that the plugin is granted.
///
/// # Errors
///
/// When it is not.
pub fn open(name: &str) -> Result<Store, StoreError> {
    Ok(Store(store::open(name)?))
}

// === impl Store ===

impl Store {
    /// A value; none where there is no such key.
    ///
    /// # Errors
    ///
    /// [`StoreError::Other`], as all that follow.
    pub fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.0.get(key)?)
    }

    /// Stores a value.
    pub fn set(&self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        Ok(self.0.set(key, value)?)
    }

    /// Removes a key, if it is there.
    pub fn delete(&self, key: &str) -> Result<(), StoreError> {
        Ok(self.0.delete(key)?)
    }

    /// Whether a key is there.
    pub fn exists(&self, key: &str) -> Result<bool, StoreError> {
        Ok(self.0.exists(key)?)
    }

    /// Every key, in their order. There may be many.
    pub fn keys(&self) -> Result<Vec<String>, StoreError> {
        let mut page = self.0.list_keys(None)?;
        let mut keys = page.keys;
        while let Some(cursor) = page.cursor {
            page = self.0.list_keys(Some(cursor))?;
            keys.append(&mut page.keys);
        }
        Ok(keys)
    }

    /// Adds to a number, which is kept as text, at once; none is 0. Returns what it is now.
    pub fn increment(&self, key: &str, by: u64) -> Result<u64, StoreError> {
        Ok(atomics::increment(&self.0, key, by)?)
    }

    /// Several values at once, by key and in the order of the keys.
    pub fn get_many(&self, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        let found = batch::get_many(&self.0, keys)?;
        Ok(found.into_iter().map(|pair| pair.map(|(_, value)| value)).collect())
    }

    /// Stores several values, all of them or none.
    pub fn set_many(&self, pairs: &[(String, Vec<u8>)]) -> Result<(), StoreError> {
        Ok(batch::set_many(&self.0, pairs)?)
    }

    /// Removes several keys, all of them or none.
    pub fn delete_many(&self, keys: &[String]) -> Result<(), StoreError> {
        Ok(batch::delete_many(&self.0, keys)?)
    }
}

// === impl StoreError ===

impl From<store::Error> for StoreError {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::NoSuchStore => Self::NoSuchStore,
            store::Error::AccessDenied => Self::AccessDenied,
            store::Error::Other(why) => Self::Other(why),
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchStore => f.write_str("there is no such store"),
            Self::AccessDenied => f.write_str("the store is not granted: see [plugin.NAME.grants]"),
            Self::Other(why) => f.write_str(why),
        }
    }
}

impl error::Error for StoreError {}
