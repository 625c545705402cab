//! The cells of a route whose instances are shared.

use super::Cell;
use crate::{policy::Key, serving::Serving, version::Version};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, Weak},
};

/// The cells of a route whose instances are shared.
#[derive(Default)]
pub(crate) struct Cells(Mutex<HashMap<Key, Weak<Cell>>>);

// === impl Cells ===

impl Cells {
    /// The live cell of a key, or a new one if there is room. A cell that stays with an old version is left to those in it.
    pub(crate) fn get(&self, serving: &Arc<Serving>, version: &Arc<Version>, key: Key) -> Option<Arc<Cell>> {
        let mut cells = self.0.lock().expect("a look-up does not panic");
        let found = cells.get(&key).and_then(Weak::upgrade);
        if let Some(cell) = &found
            && cell.death().is_none()
            && cell.is_open_to(version)
        {
            return Some(cell.clone());
        }
        let cell = version.scope().rooms.lasting().map(|slot| {
            let cell = Cell::new(serving.clone(), version.clone(), slot, Some(key.clone()));
            cells.insert(key, Arc::downgrade(&cell));
            cell
        });
        drop(cells);
        // Here, where the lock is free again: dropping the last handle takes it.
        drop(found);
        cell
    }

    /// Drops the entry of a cell that is going, unless another has taken its place.
    pub(super) fn forget(&self, key: &Key) {
        let mut cells = self.0.lock().expect("a look-up does not panic");
        if cells.get(key).is_some_and(|cell| cell.strong_count() == 0) {
            cells.remove(key);
        }
    }
}
