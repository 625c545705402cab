//! Linked components that are in use, by digest: whoever loads the same bytes again shares their code.

use crate::{
    bindings::authenticator,
    error::LoadError,
    instance::{BehaviorIndices, Linked},
    load::AnyLinked,
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

/// The linked components of one engine.
#[derive(Default)]
pub(crate) struct Shelf(Mutex<HashMap<String, Arc<Place>>>);

/// Held while the component is compiled: who wants the same waits, and then has it.
type Place = Mutex<Option<WeakLinked>>;

enum WeakLinked {
    Authenticator(Weak<Linked<authenticator::GuestIndices>>),
    Behavior(Weak<Linked<BehaviorIndices>>),
}

/// With so many places those of components that are gone are cleared; and again when there are twice as many.
const MANY: usize = 64;

// === impl Shelf ===

impl Shelf {
    /// The component of a digest: the one that is in use, or the one that is made now. May wait for somebody who makes it.
    pub(crate) fn get(
        &self,
        digest: &str,
        make: impl FnOnce() -> Result<AnyLinked, LoadError>,
    ) -> Result<AnyLinked, LoadError> {
        let place = self.place(digest);
        // A compiler that panicked left nothing behind.
        let mut place = place.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(linked) = place.as_ref().and_then(WeakLinked::upgrade) {
            return Ok(linked);
        }
        let linked = make()?;
        *place = Some(WeakLinked::of(&linked));
        Ok(linked)
    }

    fn place(&self, digest: &str) -> Arc<Place> {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if places.len() >= MANY && places.len().is_power_of_two() {
            places.retain(|_, place| Arc::strong_count(place) > 1 || is_in_use(place));
        }
        places.entry(digest.to_owned()).or_default().clone()
    }
}

fn is_in_use(place: &Place) -> bool {
    place.lock().unwrap_or_else(PoisonError::into_inner).as_ref().is_some_and(|linked| linked.upgrade().is_some())
}

// === impl WeakLinked ===

impl WeakLinked {
    fn of(linked: &AnyLinked) -> Self {
        match linked {
            AnyLinked::Authenticator(linked) => Self::Authenticator(Arc::downgrade(linked)),
            AnyLinked::Behavior(linked) => Self::Behavior(Arc::downgrade(linked)),
        }
    }

    fn upgrade(&self) -> Option<AnyLinked> {
        match self {
            Self::Authenticator(linked) => linked.upgrade().map(AnyLinked::Authenticator),
            Self::Behavior(linked) => linked.upgrade().map(AnyLinked::Behavior),
        }
    }
}
