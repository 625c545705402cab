//! Routes that only header fields and listeners tell apart.

use super::header::{HeaderCondition, key, wanted};
use http::HeaderMap;
use socklet_core::ListenerName;
use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
};

/// The routes of one host and path, by number. More header fields come first; values are found by hash.
#[derive(Debug, Default)]
pub(super) struct Leaf {
    sets: BTreeMap<Names, HashMap<Vec<u8>, Listeners>>,
}

/// The header fields that a route asks for, in alphabetical order.
type Names = (Reverse<usize>, Vec<String>);

#[derive(Debug, Default)]
struct Listeners {
    named: HashMap<ListenerName, usize>,
    all: Option<usize>,
}

// === impl Leaf ===

impl Leaf {
    /// The number of a route that this one could not be told apart from. Names in `headers` are unique.
    pub(super) fn clash(&self, headers: &[HeaderCondition], listeners: &[ListenerName]) -> Option<usize> {
        let (names, values) = sorted(headers);
        let routes = self.sets.get(&names)?.get(&values)?;
        if listeners.is_empty() {
            return routes.all;
        }
        listeners.iter().find_map(|listener| routes.named.get(listener).copied())
    }

    /// Adds a route that does not clash with any other.
    pub(super) fn insert(&mut self, route: usize, headers: &[HeaderCondition], listeners: &[ListenerName]) {
        let (names, values) = sorted(headers);
        let routes = self.sets.entry(names).or_default().entry(values).or_default();
        if listeners.is_empty() {
            routes.all = Some(route);
        }
        routes.named.extend(listeners.iter().map(|listener| (listener.clone(), route)));
    }

    /// The first route that fits.
    pub(super) fn find(&self, listener: &ListenerName, headers: &HeaderMap) -> Option<usize> {
        let mut best: Option<(usize, bool, usize)> = None;
        for ((Reverse(count), names), routes) in &self.sets {
            if best.is_some_and(|(most, ..)| most > *count) {
                break;
            }
            let routes = key(headers, names.iter().map(String::as_str)).and_then(|key| routes.get(&key));
            if let Some((all, route)) = routes.and_then(|routes| routes.find(listener))
                && best.is_none_or(|(_, worse, other)| (all, route) < (worse, other))
            {
                best = Some((*count, all, route));
            }
        }
        best.map(|(_, _, route)| route)
    }
}

/// The names of header fields, in alphabetical order, and their values.
fn sorted(headers: &[HeaderCondition]) -> (Names, Vec<u8>) {
    let mut headers: Vec<_> = headers.iter().collect();
    headers.sort_unstable_by_key(|condition| condition.name());
    let names = headers.iter().map(|condition| condition.name().to_owned()).collect();
    ((Reverse(headers.len()), names), wanted(headers.into_iter()))
}

// === impl Listeners ===

impl Listeners {
    /// The route, and whether it is one for all listeners.
    fn find(&self, listener: &ListenerName) -> Option<(bool, usize)> {
        let named = self.named.get(listener).map(|route| (false, *route));
        named.or(self.all.map(|route| (true, route)))
    }
}
