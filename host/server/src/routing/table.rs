//! All routes of a node: built once, looked up for every request.

use super::{
    HeaderCondition, HostPattern, InvalidHeader, InvalidHost, PathPattern,
    host::{MAX_HOST, normalize},
    leaf::Leaf,
    path::Shape,
    trie::{Pass, Trie},
};
use http::HeaderMap;
use regex::Regex;
use socklet_core::ListenerName;
use std::collections::{HashMap, HashSet};

/// A route, and what belongs to it.
#[derive(Debug)]
pub(crate) struct RouteEntry<T> {
    /// What it is called in an error.
    pub(crate) name: String,
    /// The listeners that serve it; empty for all.
    pub(crate) listeners: Vec<ListenerName>,
    /// The hosts that it serves; empty for all.
    pub(crate) hosts: Vec<HostPattern>,
    /// The paths that it serves.
    pub(crate) path: PathPattern,
    /// The header fields that a request must carry, all of them.
    pub(crate) headers: Vec<HeaderCondition>,
    /// What a lookup yields.
    pub(crate) value: T,
}

/// Finds routes. See the [module](super) for the order among routes that fit.
#[derive(Debug)]
pub(crate) struct RouteTable<T> {
    routes: Vec<(PathPattern, T)>,
    hosts: HashMap<String, Paths>,
    /// By domain.
    below: HashMap<String, Paths>,
    every: Paths,
}

/// Routes that cannot be served together, or at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RouteConflict {
    /// The same requests fit both.
    #[error(
        "routes {first} and {second} cannot be told apart: both serve {path} of {host}, with the same header fields and listeners"
    )]
    Same {
        /// The one that comes first in the configuration.
        first: String,
        /// The other.
        second: String,
        /// The host that both serve.
        host: String,
        /// The path that both serve.
        path: String,
    },
    /// A host is not one.
    #[error("route {route}: {problem}")]
    Host {
        /// The route's name.
        route: String,
        /// What is wrong.
        #[source]
        problem: InvalidHost,
    },
    /// A header field is not one.
    #[error("route {route}: {problem}")]
    Header {
        /// The route's name.
        route: String,
        /// What is wrong.
        #[source]
        problem: InvalidHeader,
    },
}

/// What a path captured, in order: names and decoded values.
pub(crate) type Captures = Vec<(String, String)>;

/// The routes of one host.
#[derive(Debug, Default)]
struct Paths {
    patterns: Trie<Leaf>,
    regexes: Vec<(Regex, Leaf)>,
    /// By source: where in `regexes` it is.
    sources: HashMap<String, usize>,
    everything: Leaf,
}

// === impl RouteEntry ===

impl<T> RouteEntry<T> {
    /// A route with hosts and header fields as they are configured.
    ///
    /// # Errors
    ///
    /// When one of them is not one.
    pub(crate) fn parse(
        name: String,
        listeners: Vec<ListenerName>,
        hosts: &[String],
        path: PathPattern,
        headers: &[(String, String)],
        value: T,
    ) -> Result<Self, RouteConflict> {
        let hosts = hosts.iter().map(|host| host.parse()).collect::<Result<_, _>>();
        let headers = headers.iter().map(|(name, value)| HeaderCondition::new(name, value)).collect::<Result<_, _>>();
        match (hosts, headers) {
            (Ok(hosts), Ok(headers)) => Ok(Self { name, listeners, hosts, path, headers, value }),
            (Err(problem), _) => Err(RouteConflict::Host { route: name, problem }),
            (_, Err(problem)) => Err(RouteConflict::Header { route: name, problem }),
        }
    }
}

impl<T> RouteEntry<T> {
    fn header_twice(&self) -> Option<RouteConflict> {
        let mut names = HashSet::new();
        let twice = self.headers.iter().find(|header| !names.insert(header.name()))?;
        let problem = InvalidHeader::Twice(twice.name().to_owned());
        Some(RouteConflict::Header { route: self.name.clone(), problem })
    }

    /// It cannot be told apart from another that serves the same host.
    fn conflict(&self, other: &Self, host: Option<&HostPattern>) -> RouteConflict {
        RouteConflict::Same {
            first: other.name.clone(),
            second: self.name.clone(),
            host: host.map_or_else(|| "every host".to_owned(), HostPattern::to_string),
            path: self.path.to_string(),
        }
    }
}

// === impl RouteTable ===

impl<T> Default for RouteTable<T> {
    fn default() -> Self {
        Self { routes: Vec::new(), hosts: HashMap::new(), below: HashMap::new(), every: Paths::default() }
    }
}

impl<T> RouteTable<T> {
    /// A table of these routes, in the order of configuration.
    ///
    /// # Errors
    ///
    /// When two of them cannot be told apart, or one asks for the same header field twice.
    pub(crate) fn new(entries: Vec<RouteEntry<T>>) -> Result<Self, RouteConflict> {
        let (table, conflicts) = Self::without_conflicts(entries);
        match conflicts.into_iter().next() {
            Some((_, conflict)) => Err(conflict),
            None => Ok(table),
        }
    }

    /// A table of these routes without those that cannot be told apart from one before them, and what is wrong with each of these, by
    /// number.
    pub(crate) fn without_conflicts(entries: Vec<RouteEntry<T>>) -> (Self, Vec<(usize, RouteConflict)>) {
        let (mut hosts, mut below, mut every) = (HashMap::new(), HashMap::new(), Paths::default());
        let mut conflicts = Vec::new();
        for (route, entry) in entries.iter().enumerate() {
            let mut paths = |host: Option<&HostPattern>, visit: &mut dyn FnMut(&mut Leaf)| match host {
                None => visit(every.leaf(entry)),
                Some(host) => {
                    let hosts: &mut HashMap<String, Paths> = if host.below { &mut below } else { &mut hosts };
                    visit(hosts.entry(host.host.clone()).or_default().leaf(entry));
                }
            };
            let all = || entry.hosts.iter().map(Some).chain(entry.hosts.is_empty().then_some(None));
            let mut conflict = entry.header_twice();
            for host in all() {
                paths(host, &mut |leaf| {
                    if let Some(other) = leaf.clash(&entry.headers, &entry.listeners).filter(|_| conflict.is_none()) {
                        conflict = Some(entry.conflict(&entries[other], host));
                    }
                });
            }
            match conflict {
                Some(conflict) => conflicts.push((route, conflict)),
                None => all().for_each(|host| {
                    paths(host, &mut |leaf| leaf.insert(route, &entry.headers, &entry.listeners));
                }),
            }
        }
        let routes = entries.into_iter().map(|entry| (entry.path, entry.value)).collect();
        (Self { routes, hosts, below, every }, conflicts)
    }

    /// The route of a request: the listener that accepted it, its host without the port, its path decoded, its header
    /// fields.
    pub(crate) fn lookup(
        &self,
        listener: &ListenerName,
        host: &str,
        path: &str,
        headers: &HeaderMap,
    ) -> Option<(&T, Captures)> {
        let find = |paths: &Paths| paths.find(listener, path, headers, &self.routes);
        let host = normalize(host);
        // Nothing that long is a host, and looking for all its suffixes would take long.
        let named = if host.len() > MAX_HOST {
            None
        } else {
            let domains = host.match_indices('.').map(|(dot, _)| &host[dot + 1..]).filter(|_| !host.starts_with('.'));
            let exact = self.hosts.get(&*host).and_then(find);
            exact.or_else(|| domains.filter_map(|domain| self.below.get(domain)).find_map(find))
        };
        let (route, captures) = named.or_else(|| find(&self.every))?;
        Some((&self.routes[route].1, captures))
    }
}

// === impl Paths ===

impl Paths {
    /// Where the routes with this path are.
    fn leaf<T>(&mut self, entry: &RouteEntry<T>) -> &mut Leaf {
        match entry.path.shape() {
            Shape::Everything => &mut self.everything,
            Shape::Segments(segments, rest) => self.patterns.entry(segments, rest.is_some()),
            Shape::Regex(regex) => {
                let next = self.regexes.len();
                let at = *self.sources.entry(regex.as_str().to_owned()).or_insert(next);
                if at == next {
                    self.regexes.push((Regex::clone(regex), Leaf::default()));
                }
                &mut self.regexes[at].1
            }
        }
    }

    fn find<T>(
        &self,
        listener: &ListenerName,
        path: &str,
        headers: &HeaderMap,
        routes: &[(PathPattern, T)],
    ) -> Option<(usize, Captures)> {
        let accept = |leaf: &Leaf, values: &[&str]| {
            let route = leaf.find(listener, headers)?;
            let names = routes[route].0.captures();
            let captured = names.into_iter().zip(values).map(|(name, value)| (name.to_owned(), (*value).to_owned()));
            Some((route, captured.collect()))
        };
        self.patterns
            .find(path, Pass::Whole, accept)
            .or_else(|| self.patterns.find(path, Pass::Prefix, accept))
            .or_else(|| {
                self.regexes.iter().find_map(|(regex, leaf)| {
                    let groups = regex.captures(path)?;
                    let route = leaf.find(listener, headers)?;
                    let named = regex.capture_names().flatten();
                    let matched =
                        named.filter_map(|name| Some((name.to_owned(), groups.name(name)?.as_str().to_owned())));
                    Some((route, matched.collect()))
                })
            })
            .or_else(|| Some((self.everything.find(listener, headers)?, Captures::new())))
    }
}
