//! File descriptors: as many as the process may have, and a word when they do not suffice.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::warn;

/// Descriptors beside those of sockets: listeners, logs, plugins being read, and sockets that wait for their refusal.
const OTHERS: u64 = 512;

/// Raises the soft limit to the hard one, and warns when connections would run out of descriptors.
pub(crate) fn provide_for(max_connections: usize) {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
    {
        warn!(%error, "failed to raise the limit of open files");
    }
    let needed = needed(max_connections);
    if let Some(limit) = getrlimit(Resource::Nofile).current.filter(|limit| *limit < needed) {
        warn!(
            limit,
            needed, "max_connections needs more open files: raise the limit (ulimit -Hn, LimitNOFILE) or lower it"
        );
    }
}

/// Descriptors for so many connections.
pub(crate) fn needed(max_connections: usize) -> u64 {
    max_connections as u64 + OTHERS
}
