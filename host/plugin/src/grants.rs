//! What a plugin may reach beside the contract's own imports, and how it gets there.

use crate::{
    contract::{Import, ImportStatus},
    error::LoadError,
    keyvalue::{Folder, Keeper, KeyvalueConfig, Shelf},
    outgoing::{AllowedOrigin, Client, HttpLimits, Queue},
};
use socklet_core::{PluginId, StoreName, Tenant};
use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

/// What a plugin may reach beside the contract's own imports. Nothing by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    /// A behavior sees the `authorization`, `proxy-authorization` and `cookie` header fields. Authenticators always do.
    pub credentials: bool,
    /// It may send HTTP requests. None: it may not import that.
    pub http: Option<HttpGrant>,
    /// It may use these key-value stores of its tenant. None: it may not import that.
    pub keyvalue: Option<Vec<StoreName>>,
}

/// Where a plugin may send HTTP requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpGrant {
    /// To these origins and no others.
    pub origins: Vec<AllowedOrigin>,
    /// Also where a name stands for an address that is not public. An address in `origins` may be any.
    pub private: bool,
}

/// Something that operators grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grant {
    /// `wasi:http/outgoing-handler`.
    Http,
    /// `wasi:keyvalue`.
    Keyvalue,
}

/// What all plugins of a host reach things by. Nothing is started before it is needed.
pub(crate) struct Ways {
    limits: HttpLimits,
    keyvalue: KeyvalueConfig,
    // A std mutex: held while one of them is started.
    started: Mutex<Started>,
}

#[derive(Default)]
struct Started {
    client: Option<Arc<Client>>,
    keeper: Option<Arc<dyn Keeper>>,
}

/// What one plugin reaches things by: as much as it is granted.
#[derive(Clone, Default)]
pub(crate) struct Reach {
    http: Option<(Arc<Client>, Arc<HttpGrant>)>,
    keyvalue: Option<Stock>,
}

#[derive(Clone)]
struct Stock {
    keeper: Arc<dyn Keeper>,
    names: Arc<[StoreName]>,
    key_max: usize,
    value_max: usize,
}

/// What one plugin on one route may reach beside its connections.
#[derive(Clone, Default)]
pub(crate) struct Granted {
    pub(crate) http: Option<Http>,
    pub(crate) keyvalue: Option<Shelf>,
}

/// How it sends HTTP requests.
#[derive(Clone)]
pub(crate) struct Http {
    pub(crate) client: Arc<Client>,
    pub(crate) grant: Arc<HttpGrant>,
    /// Its tenant's.
    pub(crate) queue: Arc<Queue>,
}

// === impl Grants ===

impl Grants {
    /// What is wrong with a plugin's component that needs more than this, and what to write about it.
    pub(crate) fn missing(&self, plugin: &PluginId, imports: &[Import]) -> Vec<String> {
        let missing = |grant: &Grant| {
            let names = imports.iter().filter(|import| import.status == ImportStatus::NeedsGrant(*grant));
            let names: Vec<_> = names.map(|import| import.name.as_str()).collect();
            let (names, line, plugin) = (names.join(", "), grant.example(), &plugin.name);
            format!("it imports {names}, which is not granted: write {line} in [plugin.{plugin}.grants]")
        };
        Grant::needed(imports).iter().filter(|grant| !self.has(**grant)).map(missing).collect()
    }

    /// What is granted and not needed.
    pub(crate) fn unused(&self, imports: &[Import]) -> Vec<Grant> {
        let needed = Grant::needed(imports);
        Grant::ALL.into_iter().filter(|grant| self.has(*grant) && !needed.contains(grant)).collect()
    }

    fn has(&self, grant: Grant) -> bool {
        match grant {
            Grant::Http => self.http.is_some(),
            Grant::Keyvalue => self.keyvalue.is_some(),
        }
    }
}

// === impl Grant ===

impl Grant {
    const ALL: [Self; 2] = [Self::Http, Self::Keyvalue];

    /// What a component needs.
    pub(crate) fn needed(imports: &[Import]) -> Vec<Self> {
        let mut needed: Vec<_> = imports
            .iter()
            .filter_map(|import| match import.status {
                ImportStatus::NeedsGrant(grant) => Some(grant),
                _ => None,
            })
            .collect();
        needed.sort_unstable();
        needed.dedup();
        needed
    }

    /// The key in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Keyvalue => "keyvalue",
        }
    }

    /// A line of a configuration.
    pub fn example(self) -> &'static str {
        match self {
            Self::Http => "http = [\"https://HOST\"] (or http = [], which lets it start and reach nothing)",
            Self::Keyvalue => "keyvalue = [\"NAME\"]",
        }
    }
}

// === impl Ways ===

impl Ways {
    pub(crate) fn new(limits: HttpLimits, keyvalue: KeyvalueConfig) -> Self {
        Self { limits, keyvalue, started: Mutex::default() }
    }

    /// As much as a plugin is granted.
    ///
    /// # Errors
    ///
    /// When a thread cannot be started, or there is no folder for stores.
    pub(crate) fn reach(&self, grants: &Grants) -> Result<Reach, LoadError> {
        let failed = |error: std::io::Error| LoadError::Host(format!("failed to start a thread: {error}"));
        let mut started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
        let mut reach = Reach::default();
        if let Some(grant) = &grants.http {
            let client = match &started.client {
                Some(client) => client.clone(),
                None => started.client.insert(Arc::new(Client::start(self.limits.clone()).map_err(failed)?)).clone(),
            };
            reach.http = Some((client, Arc::new(grant.clone())));
        }
        if let Some(names) = &grants.keyvalue {
            let keeper = match (&started.keeper, &self.keyvalue.folder) {
                (Some(keeper), _) => keeper.clone(),
                (None, Some(folder)) => {
                    started.keeper.insert(Arc::new(Folder::new(folder.clone()).map_err(failed)?)).clone()
                }
                (None, None) => {
                    let problem = "it is granted key-value stores, and there is no folder for them: write keyvalue_dir \
                                   in [grants]";
                    return Err(LoadError::Misfit(vec![problem.to_owned()]));
                }
            };
            let (key_max, value_max) = (self.keyvalue.key_max, self.keyvalue.value_max);
            reach.keyvalue = Some(Stock { keeper, names: names.as_slice().into(), key_max, value_max });
        }
        Ok(reach)
    }
}

// === impl Reach ===

impl Reach {
    /// For a route of a tenant.
    pub(crate) fn of(&self, tenant: &Arc<Tenant>, queue: &Arc<Queue>) -> Granted {
        let http = self.http.as_ref().map(|(client, grant)| Http {
            client: client.clone(),
            grant: grant.clone(),
            queue: queue.clone(),
        });
        let keyvalue = self.keyvalue.as_ref().map(|stock| Shelf {
            stores: stock.keeper.of(tenant.name()),
            tenant: tenant.clone(),
            names: stock.names.clone(),
            key_max: stock.key_max,
            value_max: stock.value_max,
        });
        Granted { http, keyvalue }
    }
}

impl fmt::Debug for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reach").finish_non_exhaustive()
    }
}
