//! What an operator sets: for the engine, and for each plugin.

use crate::{
    compiler::Compiler, grants::Grants, keyvalue::KeyvalueConfig, mappings::Budget, outgoing::HttpLimits,
    policy::InstancePolicy, surroundings::Surroundings,
};
use bytes::Bytes;
use socklet_core::{Herald, PluginId};
use std::{collections::BTreeMap, fmt, path::PathBuf, sync::Arc, time::Duration};
use tokio::runtime::Handle;

/// The engine's settings.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// A private folder for compiled plugins. Made when it is not there; refused when others can reach it.
    pub cache_dir: PathBuf,
    /// Who compiles plugins that are not in there.
    pub compiler: Compiler,
    /// How many instances of lean components may serve connections at once, and how many of medium ones. Fewer where the process
    /// has too few memory mappings for them; a kernel that nobody tuned has enough for 40,000 lean ones.
    pub max_instances: u32,
    /// The same for large components, such as those in Python.
    pub max_large_instances: u32,
    /// Memory mappings that the process may have. None: as many as the kernel says, `vm.max_map_count`.
    pub max_mappings: Option<u32>,
    /// Threads for calls that are not done at once. They run at a lower priority than the caller's.
    pub guest_threads: usize,
    /// The runtime that everything runs on, instead of guest threads, and whose time is that of timers, of idle instances and of what a
    /// call waits for. For tests that want one thing after the other: a call that computes holds up all the others.
    pub alone_on: Option<Handle>,
    /// The runtime whose time is that of timers and of idle instances. None: the guest threads'. For tests that stop the time.
    pub time: Option<Handle>,
    /// What HTTP requests of plugins may take.
    pub http: HttpLimits,
    /// Where key-value stores are.
    pub keyvalue: KeyvalueConfig,
    /// Who tells operators of new versions and of instances that die.
    pub herald: Option<Arc<dyn Herald>>,
    /// The clocks and the randomness of guests, and who hears them. None: the machine's, and the log.
    pub surroundings: Option<Arc<dyn Surroundings>>,
}

/// One plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginConfig {
    /// What it is called.
    pub name: PluginId,
    /// The component.
    pub source: Source,
    /// `sha256:` and 64 hex digits; a component with another digest is refused.
    pub digest: Option<String>,
    /// What the plugin reads through `wasi:config/store`.
    pub settings: BTreeMap<String, String>,
    /// What one call may use.
    pub limits: CallLimits,
    /// What the plugin may reach beside the contract's own imports.
    pub grants: Grants,
    /// Its instances keep nothing that must survive, whatever they export: they are put to sleep without being asked.
    pub stateless: bool,
    /// A route gives every event an instance of this plugin: it is compiled for that, too. Without, such a route works, and slower.
    pub fleeting: bool,
    /// An instance that was called so often is replaced, at a moment when nobody calls it, where it can be saved or is stateless.
    /// None: never.
    pub recycle_calls: Option<u64>,
    /// The same for one with more bytes of memory, once a minute at most. None: three quarters of the most that it may have.
    pub recycle_memory: Option<usize>,
    /// Bytes that an instance may save when it goes to sleep. One that has more stays awake.
    pub saved_state_max: usize,
    /// What becomes of connections that cannot move to a new version.
    pub on_swap: OnSwap,
}

/// Where a component comes from.
#[derive(Clone, PartialEq, Eq)]
pub enum Source {
    /// A file, read when the plugin is loaded.
    File(PathBuf),
    /// The component itself. It is not kept once it is loaded.
    Bytes(Bytes),
}

/// What becomes of the connections of an old version whose instances can neither be saved nor are stateless.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnSwap {
    /// The old version serves them to their end.
    #[default]
    Keep,
    /// They are closed with 1012, a hundred at a time.
    Close,
}

/// How a behavior's instances serve a route.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteInstances {
    /// Which connections share one.
    pub policy: InstancePolicy,
    /// How long an instance is idle before it is saved and dropped, to come back with the next event; its connections stay open.
    /// Only for plugins that export `state` or are stateless. None: never.
    pub hibernate_after: Option<Duration>,
    /// When as many instances die, new connections are refused for a while: a second at first, a minute at most. None: never.
    pub max_deaths: Option<DeathRate>,
}

/// So many deaths in that time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeathRate {
    /// How many.
    pub deaths: u32,
    /// In which time.
    pub per: Duration,
}

/// What one call, and one instance, may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallLimits {
    /// CPU time per call. None: 100 ms for a behavior, 2 s for an authenticator.
    pub timeout: Option<Duration>,
    /// Wall-clock time per call; waiting for other callers of the instance, before that, may take as long again. None: 30 s for
    /// a behavior, 5 s for an authenticator.
    pub wait: Option<Duration>,
    /// Bytes of memory of one instance.
    pub memory_max: usize,
    /// Host calls that one call may make.
    pub host_calls_max: u32,
    /// Bytes that one host call may take from the guest, or one answer may have.
    pub host_call_bytes_max: usize,
    /// Bytes that one call may queue for connections.
    pub queued_bytes_max: u64,
}

// === impl EngineConfig ===

impl EngineConfig {
    /// The defaults: 10,000 instances, 500 large ones, a guest thread per core; plugins are compiled in this process.
    pub fn new(cache_dir: PathBuf) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            cache_dir,
            compiler: Compiler::InProcess,
            max_instances: 10_000,
            max_large_instances: 500,
            max_mappings: None,
            guest_threads: cores,
            alone_on: None,
            time: None,
            http: HttpLimits::default(),
            keyvalue: KeyvalueConfig::default(),
            herald: None,
            surroundings: None,
        }
    }

    /// How many instances the process has memory mappings for, of `max_instances`.
    pub fn possible_instances(&self) -> u32 {
        Budget::of(self).lean
    }
}

// === impl PluginConfig ===

impl PluginConfig {
    /// Whether a component has the same to live with under both. What it is compiled for besides makes no difference.
    pub(crate) fn is_same_but_for_source(&self, other: &Self) -> bool {
        let (source, digest, fleeting) = (self.source.clone(), self.digest.clone(), self.fleeting);
        *self == Self { source, digest, fleeting, ..other.clone() }
    }

    /// What is worth to be kept once the component is loaded.
    pub(crate) fn without_bytes(self) -> Self {
        match self.source {
            Source::File(_) => self,
            Source::Bytes(_) => Self { source: Source::Bytes(Bytes::new()), ..self },
        }
    }
}

// === impl Source ===

impl<P: Into<PathBuf>> From<P> for Source {
    fn from(path: P) -> Self {
        Self::File(path.into())
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Bytes(bytes) => write!(f, "Bytes({})", bytes.len()),
        }
    }
}

// === impl RouteInstances ===

impl From<InstancePolicy> for RouteInstances {
    /// Instances that stay awake, and may die as they like.
    fn from(policy: InstancePolicy) -> Self {
        Self { policy, hibernate_after: None, max_deaths: None }
    }
}

// === impl CallLimits ===

impl Default for CallLimits {
    fn default() -> Self {
        Self {
            timeout: None,
            wait: None,
            memory_max: 64 << 20,
            host_calls_max: 200_000,
            host_call_bytes_max: 4 << 20,
            queued_bytes_max: 64 << 20,
        }
    }
}
