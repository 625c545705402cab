//! Room for so many things at a time, to be waited for; how many there may be can change.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering::SeqCst},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Room for so many. Clones share it.
#[derive(Clone, Debug)]
pub struct Room(Arc<Inner>);

/// A place in a [`Room`], given back when it is dropped.
#[derive(Debug)]
pub struct Permit {
    // None only while it is dropped.
    permit: Option<OwnedSemaphorePermit>,
    room: Room,
}

#[derive(Debug)]
struct Inner {
    free: Arc<Semaphore>,
    /// Places that were taken away while somebody had them: they are not given back.
    owed: AtomicUsize,
    // Held while the size changes.
    size: Mutex<usize>,
}

// === impl Room ===

impl Room {
    /// Stands for no limit.
    pub const UNLIMITED: usize = Semaphore::MAX_PERMITS / 2;

    /// Room for `size`, or [`Room::UNLIMITED`] where that is less.
    pub fn new(size: usize) -> Self {
        let size = size.min(Self::UNLIMITED);
        let free = Arc::new(Semaphore::new(size));
        Self(Arc::new(Inner { free, owed: AtomicUsize::new(0), size: Mutex::new(size) }))
    }

    /// From now on there is room for `size`. Whoever has a place keeps it.
    pub fn resize(&self, size: usize) {
        let Inner { free, owed, size: current } = &*self.0;
        let size = size.min(Self::UNLIMITED);
        let mut current = current.lock().unwrap_or_else(PoisonError::into_inner);
        if size < *current {
            let fewer = *current - size;
            owed.fetch_add(fewer, SeqCst);
            let forgotten = free.forget_permits(fewer);
            // Some may have come back meanwhile: those were forgotten, too.
            let mut paid = 0;
            let _ = owed.fetch_update(SeqCst, SeqCst, |owed| {
                paid = forgotten.min(owed);
                Some(owed - paid)
            });
            free.add_permits(forgotten - paid);
        } else {
            let more = size - *current;
            let mut paid = 0;
            let _ = owed.fetch_update(SeqCst, SeqCst, |owed| {
                paid = more.min(owed);
                Some(owed - paid)
            });
            free.add_permits(more - paid);
        }
        *current = size;
    }

    /// A place, if there is one and nobody waits for it.
    pub fn try_enter(&self) -> Option<Permit> {
        let permit = self.0.free.clone().try_acquire_owned().ok()?;
        Some(Permit { permit: Some(permit), room: self.clone() })
    }

    /// Waits for a place, one after the other. Cancel-safe.
    pub async fn enter(&self) -> Permit {
        let permit = self.0.free.clone().acquire_owned().await.expect("never closed");
        Permit { permit: Some(permit), room: self.clone() }
    }

    /// How many it has places for.
    pub fn size(&self) -> usize {
        *self.0.size.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many places are free.
    pub fn free(&self) -> usize {
        self.0.free.available_permits()
    }

    /// How many places are taken; more than the size after that became less.
    pub fn used(&self) -> usize {
        (self.size() + self.0.owed.load(SeqCst)).saturating_sub(self.free())
    }
}

// === impl Permit ===

impl Drop for Permit {
    fn drop(&mut self) {
        let owed = &self.room.0.owed;
        let pays = owed.load(SeqCst) > 0 && owed.fetch_update(SeqCst, SeqCst, |owed| owed.checked_sub(1)).is_ok();
        if let Some(permit) = self.permit.take().filter(|_| pays) {
            permit.forget();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_has_a_place_keeps_it_when_there_are_fewer() {
        let room = Room::new(3);
        let mut permits: Vec<_> = (0..3).map(|_| room.try_enter().unwrap()).collect();
        assert!(room.try_enter().is_none());
        room.resize(1);
        assert_eq!((room.used(), room.free(), room.size()), (3, 0, 1));
        permits.truncate(1);
        assert!(room.try_enter().is_none(), "two of three were owed");
        permits.clear();
        let one = room.try_enter().unwrap();
        assert_eq!((room.used(), room.try_enter().is_some()), (1, false));
        room.resize(2);
        assert!(room.try_enter().is_some());
        drop(one);
        assert_eq!((room.used(), room.free()), (0, 2));
    }

    #[test]
    fn what_is_owed_is_paid_by_more_room() {
        let room = Room::new(Room::UNLIMITED);
        let permits: Vec<_> = (0..5).map(|_| room.try_enter().unwrap()).collect();
        room.resize(2);
        room.resize(4);
        assert_eq!((room.used(), room.free()), (5, 0));
        room.resize(usize::MAX);
        assert_eq!((room.used(), room.size()), (5, Room::UNLIMITED));
        drop(permits);
        assert_eq!((room.used(), room.free()), (0, Room::UNLIMITED));
    }

    #[test]
    fn many_threads_leave_the_room_as_large_as_it_is() {
        let room = Room::new(4);
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    for _ in 0..20_000 {
                        drop(room.try_enter());
                    }
                });
            }
            for size in (0..20_000).map(|turn| turn % 7) {
                room.resize(size);
            }
            room.resize(4);
        });
        assert_eq!((room.used(), room.free()), (0, 4));
    }
}
