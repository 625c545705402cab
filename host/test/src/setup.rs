//! What is tested, and what it lives with: the same that a route and a plugin of a configuration say.

use crate::{
    Route,
    limits::Limits,
    stage::{Stage, StartError},
};
use bytes::Bytes;
use socklet_core::Heartbeat;
use socklet_plugin::{CallLimits, Compiler, Grants, InstancePolicy, OnSwap, PluginConfig, RouteInstances, Source};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

/// The wall clock of a test begins at 2030-01-01T00:00:00Z where nobody says otherwise, in Unix seconds.
const BEGINNING: Duration = Duration::from_secs(1_893_456_000);

/// A component with its settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Component {
    pub(crate) source: Source,
    pub(crate) settings: BTreeMap<String, String>,
    pub(crate) limits: CallLimits,
    pub(crate) grants: Grants,
    pub(crate) stateless: bool,
    pub(crate) on_swap: OnSwap,
    pub(crate) saved_state_max: usize,
    pub(crate) recycle_calls: Option<u64>,
}

/// A route with a component, before it is started.
#[derive(Clone, Debug)]
pub struct Setup {
    pub(crate) behavior: Component,
    pub(crate) authenticators: Vec<Component>,
    pub(crate) instances: RouteInstances,
    pub(crate) limits: Limits,
    pub(crate) heartbeat: Heartbeat,
    pub(crate) subprotocols: Vec<String>,
    pub(crate) epoch: Duration,
    pub(crate) seed: u64,
    pub(crate) cache: Option<PathBuf>,
    pub(crate) compiler: Compiler,
}

// === impl Component ===

impl Component {
    /// Of a file.
    pub fn file(path: impl AsRef<Path>) -> Self {
        Self::of(Source::File(path.as_ref().to_owned()))
    }

    /// Of its bytes.
    pub fn bytes(bytes: impl Into<Bytes>) -> Self {
        Self::of(Source::Bytes(bytes.into()))
    }

    fn of(source: Source) -> Self {
        Self {
            source,
            settings: BTreeMap::new(),
            limits: CallLimits::default(),
            grants: Grants::default(),
            stateless: false,
            on_swap: OnSwap::Keep,
            saved_state_max: 1 << 20,
            recycle_calls: None,
        }
    }

    /// With a setting, as the plugin reads it: strings as they are, everything else as JSON.
    pub fn setting(mut self, key: &str, value: &str) -> Self {
        self.settings.insert(key.to_owned(), value.to_owned());
        self
    }

    /// With limits of each call and of each instance.
    pub fn limits(mut self, limits: CallLimits) -> Self {
        self.limits = limits;
        self
    }

    /// With grants.
    pub fn grants(mut self, grants: Grants) -> Self {
        self.grants = grants;
        self
    }

    /// Its instances keep nothing that must survive.
    pub fn stateless(mut self) -> Self {
        self.stateless = true;
        self
    }

    /// What becomes of connections that cannot move to a new version.
    pub fn on_swap(mut self, on_swap: OnSwap) -> Self {
        self.on_swap = on_swap;
        self
    }

    /// Bytes that an instance may save: 1 MiB.
    pub fn saved_state_max(mut self, bytes: usize) -> Self {
        self.saved_state_max = bytes;
        self
    }

    /// An instance that was called so often is replaced.
    pub fn recycle_calls(mut self, calls: u64) -> Self {
        self.recycle_calls = Some(calls);
        self
    }

    pub(crate) fn config(&self, name: &str, fleeting: bool) -> PluginConfig {
        PluginConfig {
            name: name.parse().expect("the names of a test are names"),
            source: self.source.clone(),
            digest: None,
            settings: self.settings.clone(),
            limits: self.limits.clone(),
            grants: self.grants.clone(),
            stateless: self.stateless,
            fleeting,
            recycle_calls: self.recycle_calls,
            recycle_memory: None,
            saved_state_max: self.saved_state_max,
            on_swap: self.on_swap,
        }
    }
}

impl<P: AsRef<Path>> From<P> for Component {
    fn from(path: P) -> Self {
        Self::file(path)
    }
}

// === impl Setup ===

impl Setup {
    /// A route that a behavior serves, as a configuration has it by default: an instance for each connection, no authenticators.
    pub fn new(behavior: impl Into<Component>) -> Self {
        Self {
            behavior: behavior.into(),
            authenticators: vec![],
            instances: RouteInstances::default(),
            limits: Limits::default(),
            heartbeat: Heartbeat::default(),
            subprotocols: vec![],
            epoch: BEGINNING,
            seed: 0,
            cache: None,
            compiler: Compiler::InProcess,
        }
    }

    /// Asks one more authenticator, after those before it.
    pub fn authenticator(mut self, authenticator: impl Into<Component>) -> Self {
        self.authenticators.push(authenticator.into());
        self
    }

    /// Which connections share an instance.
    pub fn instance(mut self, policy: InstancePolicy) -> Self {
        self.instances.policy = policy;
        self
    }

    /// An instance that is idle for so long is put to sleep. Without, only [`Route::hibernate`] does that.
    pub fn hibernate_after(mut self, time: Duration) -> Self {
        self.instances.hibernate_after = Some(time);
        self
    }

    /// What connections may do.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The heartbeat.
    pub fn heartbeat(mut self, heartbeat: Heartbeat) -> Self {
        self.heartbeat = heartbeat;
        self
    }

    /// The subprotocols of the route: where the plugin chooses none, the first of them that a peer offers is agreed on.
    pub fn subprotocols(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.subprotocols = names.into_iter().map(Into::into).collect();
        self
    }

    /// What the wall clock says at the beginning, since 1970. 2030-01-01T00:00:00Z otherwise.
    pub fn wall_clock(mut self, since_1970: Duration) -> Self {
        self.epoch = since_1970;
        self
    }

    /// What randomness follows from. 0 otherwise: it is the same in each run.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// A private folder for what was compiled, so that it is compiled once and not in every test: worth it for large components.
    pub fn cache(mut self, folder: impl Into<PathBuf>) -> Self {
        self.cache = Some(folder.into());
        self
    }

    /// Who compiles. This process, otherwise.
    pub fn compiler(mut self, compiler: Compiler) -> Self {
        self.compiler = compiler;
        self
    }

    /// Loads everything, and begins.
    ///
    /// # Errors
    ///
    /// When a component cannot be loaded, or is not for this.
    pub fn start(self) -> Result<Route, StartError> {
        Stage::start(self).map(Route::new)
    }
}
