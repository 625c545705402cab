//! The sections `[plugin.NAME]` and `[engine]`.

use super::{
    mistake::{Mistake, Place, Problems},
    reader::Table,
    sections,
    value::Count,
    words::Load,
};
use crate::uploads::Upload;
use socklet_core::{PluginId, PluginName, TenantName};
use socklet_plugin::{CompileLimits, Grants, HttpGrant, HttpLimits, KeyvalueConfig, OnSwap};
use std::{
    collections::BTreeMap,
    ffi::OsString,
    fmt,
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    time::Duration,
};

/// The largest setting in a file, in bytes.
const MAX_SETTING: u64 = 1 << 20;

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
    /// What it may reach.
    pub(crate) grants: Grants,
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
    pub(crate) http: HttpLimits,
    pub(crate) keyvalue: KeyvalueConfig,
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
    let grants = grants(&table.one("grants"));
    let plugin = sections::Plugin::read(table, None)?;
    let source = folder.join(&plugin.source.0);
    if !source.is_file() {
        table.wrong("source", format!("there is no file {}", source.display()));
    }
    let settings = with_files(table, &plugin, folder);
    let usual = if tenant.is_some() { Load::Lazy } else { Load::Eager };
    Some(PluginPlan {
        tenant: tenant.cloned(),
        name: parsed.ok()?,
        source,
        digest: plugin.digest.map(|digest| digest.0),
        upload: None,
        settings,
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
        grants: grants?,
        place: table.place("source"),
    })
}

/// The settings, with those that are in files.
fn with_files(table: &Table<'_>, plugin: &sections::Plugin, folder: &Path) -> BTreeMap<String, String> {
    let mut settings = plugin.settings.0.clone();
    for (key, path) in &plugin.settings_files.0 {
        let path = folder.join(path);
        match text(&path) {
            Ok(_) if settings.contains_key(key) => {
                table.wrong("settings_files", format!("the setting {key} is written in settings, too: write it once"));
            }
            Ok(text) => drop(settings.insert(key.clone(), text)),
            Err(_) if !path.is_file() => table.wrong("settings_files", format!("there is no file {}", path.display())),
            Err(why) => table.wrong("settings_files", format!("{}: {why}", path.display())),
        }
    }
    settings
}

/// A setting as it is in a file.
fn text(path: &Path) -> Result<String, String> {
    let mut text = String::new();
    let file = File::open(path).map_err(|error| error.to_string())?;
    file.take(MAX_SETTING + 1).read_to_string(&mut text).map_err(|error| error.to_string())?;
    if text.len() as u64 > MAX_SETTING {
        return Err(format!("more than {MAX_SETTING} bytes are no setting"));
    }
    let end = text.strip_suffix('\n').map(|line| line.strip_suffix('\r').unwrap_or(line).len());
    text.truncate(end.unwrap_or(text.len()));
    Ok(text)
}

fn grants(table: &Table<'_>) -> Option<Grants> {
    let sections::Grants { credentials, http, http_private, keyvalue } = sections::Grants::read(table, None)?;
    if http_private && http.is_none() {
        table.wrong("http_private", "there is no http beside it: write the origins that it is about");
    }
    let http = http.map(|origins| HttpGrant { origins, private: http_private });
    Some(Grants { credentials, http, keyvalue })
}

/// The engine, and what plugins reach things by. None when there is no folder for its cache.
pub(super) fn engine(table: &Table<'_>, granted: &Table<'_>, folder: &Path) -> Option<EnginePlan> {
    let granted = sections::Granted::read(granted, None);
    let engine = sections::Engine::read(table, None)?;
    let granted = granted?;
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
        http: HttpLimits {
            connect_timeout: granted.http_connect_timeout,
            first_byte_timeout: granted.http_first_byte_timeout,
            timeout: granted.http_timeout,
            request_max: granted.http_max_request.0,
            response_max: granted.http_max_response.0,
        },
        keyvalue: KeyvalueConfig {
            folder: granted.keyvalue_dir.map(|path| folder.join(path)),
            key_max: granted.keyvalue_max_key.0,
            value_max: granted.keyvalue_max_value.0,
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
