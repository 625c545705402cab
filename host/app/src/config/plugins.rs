//! The sections `[plugin.NAME]` and `[engine]`.

use super::{
    mistake::{Mistake, Place, Problems},
    reader::Table,
    sections::{self, Grants},
    value::Count,
    words::Load,
};
use crate::uploads::Upload;
use socklet_core::{PluginId, PluginName, TenantName};
use socklet_plugin::{CompileLimits, OnSwap};
use std::{
    collections::BTreeMap,
    ffi::OsString,
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

/// The compiler, its threads, and a small plugin.
const MIN_COMPILE_MEMORY: usize = 64 << 20;

/// A plugin to load.
#[derive(Clone)]
pub(crate) struct PluginPlan {
    /// Whose it is; none where all tenants share it.
    pub(crate) tenant: Option<TenantName>,
    pub(crate) name: PluginName,
    /// A file that existed when the configuration was read.
    pub(crate) source: PathBuf,
    pub(crate) digest: Option<String>,
    /// A component that was sent and takes the place of the source.
    pub(crate) upload: Option<Upload>,
    pub(crate) settings: BTreeMap<String, String>,
    /// None: what its kind has by default.
    pub(crate) timeout: Option<Duration>,
    /// None: what its kind has by default.
    pub(crate) wait_timeout: Option<Duration>,
    pub(crate) memory_max: usize,
    pub(crate) host_call_bytes_max: usize,
    pub(crate) stateless: bool,
    pub(crate) recycle_calls: Option<u64>,
    pub(crate) recycle_memory: Option<usize>,
    pub(crate) saved_state_max: usize,
    pub(crate) on_swap: OnSwap,
    pub(crate) load: Load,
    /// Whether a behavior sees the header fields that carry credentials.
    pub(crate) credentials: bool,
    /// Where it is written.
    pub(crate) place: Place,
}

/// The engine to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EnginePlan {
    pub(crate) cache_dir: PathBuf,
    pub(crate) max_instances: u32,
    pub(crate) max_large_instances: u32,
    pub(crate) guest_threads: Option<usize>,
    pub(crate) compile_limits: CompileLimits,
    /// A program that compiles, and its first arguments. None: this process does.
    pub(crate) compile_by: Option<(PathBuf, Vec<OsString>)>,
}

impl fmt::Debug for PluginPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Settings carry secrets.
        f.debug_struct("PluginPlan").field("name", &self.name).field("source", &self.source).finish_non_exhaustive()
    }
}

// === impl PluginPlan ===

impl PluginPlan {
    /// What it is called among those of all tenants.
    pub(crate) fn id(&self) -> PluginId {
        PluginId { tenant: self.tenant.clone(), name: self.name.clone() }
    }

    /// Has it be the component that was sent for it, if there is one.
    pub(super) fn use_upload(&mut self, upload: Option<Upload>, problems: &Problems) {
        self.upload = upload;
        let (Some(upload), Some(pinned)) = (&self.upload, &self.digest) else { return };
        if upload.digest != *pinned {
            let message = format!(
                "it is pinned to {pinned}, and {} was sent for it: send the one that it is pinned to, or remove the record in \
                 admin.uploads_dir",
                upload.digest
            );
            problems.add(Mistake::new(self.place.clone(), None, message));
        }
    }
}

/// The plugins of a file, each where nothing that it needs is missing; whose they are, if not all tenants'.
pub(super) fn plugins(top: &Table<'_>, folder: &Path, tenant: Option<&TenantName>) -> Vec<Option<PluginPlan>> {
    // All of them, then the answer: the first that is wrong must not hide the others.
    top.named("plugin").into_iter().map(|(name, table)| plugin(name, &table, folder, tenant)).collect()
}

fn plugin(name: &str, table: &Table<'_>, folder: &Path, tenant: Option<&TenantName>) -> Option<PluginPlan> {
    let parsed = name.parse::<PluginName>();
    if let Err(error) = &parsed {
        table.wrong_here(error.to_string());
    }
    let grants = Grants::read(&table.one("grants"), None);
    let plugin = sections::Plugin::read(table, None)?;
    let source = folder.join(&plugin.source.0);
    if !source.is_file() {
        table.wrong("source", format!("there is no file {}", source.display()));
    }
    let usual = if tenant.is_some() { Load::Lazy } else { Load::Eager };
    Some(PluginPlan {
        tenant: tenant.cloned(),
        name: parsed.ok()?,
        source,
        digest: plugin.digest.map(|digest| digest.0),
        upload: None,
        settings: plugin.settings.0,
        timeout: plugin.timeout,
        wait_timeout: plugin.wait_timeout,
        memory_max: plugin.memory_max.0,
        host_call_bytes_max: plugin.host_call_bytes_max.0,
        stateless: plugin.stateless,
        recycle_calls: plugin.recycle_calls.0.map(|Count(calls)| calls as u64),
        recycle_memory: plugin.recycle_memory.map(|size| size.0),
        saved_state_max: plugin.saved_state_max.0,
        on_swap: plugin.on_swap,
        load: plugin.load.unwrap_or(usual),
        credentials: grants?.credentials,
        place: table.place("source"),
    })
}

/// The engine. None when there is no folder for its cache.
pub(super) fn engine(table: &Table<'_>, folder: &Path) -> Option<EnginePlan> {
    let engine = sections::Engine::read(table, None)?;
    let cache_dir = engine.cache_dir.map(|path| folder.join(path)).or_else(user_cache);
    if cache_dir.is_none() {
        table.wrong("cache_dir", "this user has no cache folder (neither XDG_CACHE_HOME nor HOME is set); name one");
    }
    if engine.compile_memory.0 < MIN_COMPILE_MEMORY {
        table.wrong("compile_memory", "too small for any plugin; expected at least \"64MiB\"");
    }
    let number = |Count(count)| u32::try_from(count).unwrap_or(u32::MAX);
    Some(EnginePlan {
        cache_dir: cache_dir?,
        max_instances: number(engine.max_instances),
        max_large_instances: number(engine.max_large_instances),
        guest_threads: engine.guest_threads.map(|Count(threads)| threads),
        compile_limits: CompileLimits {
            memory: engine.compile_memory.0 as u64,
            cpu: engine.compile_timeout,
            wall: engine.compile_timeout,
        },
        compile_by: None,
    })
}

/// `socklet` in the user's cache folder, as the XDG base directory specification has it.
pub(crate) fn user_cache() -> Option<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let caches = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
    Some(caches.join("socklet"))
}
