//! File descriptors for tests with many clients.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the limit of this process, which is lower for everybody on many machines, to what the system allows.
///
/// # Panics
///
/// When that is less than `needed`.
pub fn provide_descriptors(needed: u64) {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    assert!(maximum.is_none_or(|maximum| maximum >= needed), "{needed} open files are needed: raise `ulimit -Hn`");
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).expect("a limit up to the hard one can be set");
}
