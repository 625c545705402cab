//! A map by connection id, looked into for every message that is sent.

use socklet_core::ConnectionId;
use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
};

/// The ids in it were all given by the host, so nobody can choose them to collide: one multiplication spreads them.
pub(super) type ById<T> = HashMap<ConnectionId, T, BuildHasherDefault<IdHasher>>;

/// See [`ById`].
#[derive(Debug, Default)]
pub(super) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, id: u64) {
        // Fibonacci hashing: the table looks at the high bits and at the low ones.
        self.0 = (self.0 ^ id).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
