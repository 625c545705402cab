//! `/v1/plugins`, and those of a tenant: versions that come, go back, and are kept.

use super::{
    Problem, State,
    call::{Call, NoQuery, Reply, json},
    page::PluginRef,
    tenants,
};
use crate::control::{Change, ChangeError, PluginStatus};
use bytes::Bytes;
use schemars::JsonSchema;
use serde::Serialize;
use socklet_core::{PluginId, PluginName, TenantName};
use socklet_plugin::{Kind, VersionRole, VersionStatus};
use std::collections::{BTreeMap, BTreeSet};

/// Plugins, by name.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Plugins {
    plugins: Vec<Plugin>,
}

/// A plugin with its versions.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Plugin {
    /// One of a tenant's own is `TENANT/NAME`.
    #[schemars(with = "PluginRef")]
    name: String,
    /// Null before it is loaded.
    #[schemars(with = "Option<KindName>")]
    kind: Option<&'static str>,
    /// Deferred: it is loaded when the first request needs it. Failed: it did not load then, and is tried again.
    #[schemars(extend("enum" = ["deferred", "loading", "failed", "loaded"]))]
    state: &'static str,
    /// Why it did not load.
    problem: Option<String>,
    /// The newest first; none before it is loaded.
    versions: Vec<Version>,
    /// The component that was sent and is kept; null where the plugin is what the configuration says.
    upload: Option<Upload>,
}

/// What a plugin is for.
#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
#[expect(dead_code, reason = "for the schema alone")]
enum KindName {
    Authenticator,
    Behavior,
}

/// A version of a plugin.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Version {
    /// Counts the versions of the plugin since the server was started, from 1.
    version: u32,
    /// `sha256:` and 64 hexadecimal digits of the component.
    digest: String,
    #[schemars(extend("enum" = ["current", "trial", "before", "old"]))]
    role: &'static str,
    /// Its instances that are awake.
    live: usize,
    /// Its instances that sleep.
    hibernated: usize,
}

/// A component that was sent and is kept.
#[derive(Debug, Serialize, JsonSchema)]
struct Upload {
    digest: String,
    #[schemars(extend("format" = "date-time"))]
    at: String,
    /// Whose token it was sent with.
    by: String,
}

/// What came of a change of one plugin.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Changed {
    #[schemars(with = "PluginRef")]
    plugin: String,
    /// False: it was what it should be already.
    changed: bool,
    /// The version that new connections get; null before the plugin is loaded.
    version: Option<Version>,
}

/// Which tenants have each plugin.
#[derive(Debug)]
pub(super) struct Owners(BTreeMap<PluginId, BTreeSet<TenantName>>);

/// `GET /v1/plugins`
pub(super) async fn list(call: &mut Call) -> Result<Reply, Problem> {
    let NoQuery {} = call.query()?;
    json(&Plugins { plugins: call.state.control.plugins().into_iter().map(Plugin::from).collect() })
}

/// `GET /v1/plugins/{plugin}`, `GET /v1/tenants/{tenant}/plugins/{plugin}`
pub(super) async fn show(call: &mut Call) -> Result<Reply, Problem> {
    let plugin = named(call)?;
    let NoQuery {} = call.query()?;
    json(&Plugin::from(call.state.control.plugin(&plugin)?))
}

/// `POST /v1/plugins/{plugin}/swap`
pub(super) async fn swap(call: &mut Call) -> Result<Reply, Problem> {
    let plugin = named(call)?;
    swap_one(call, &plugin).await
}

/// `PUT /v1/tenants/{tenant}/plugins/{plugin}`
pub(super) async fn put(call: &mut Call) -> Result<Reply, Problem> {
    let plugin = named(call)?;
    if !call.state.control.keeps_uploads() {
        return Err(ChangeError::NowhereToKeep.into());
    }
    swap_one(call, &plugin).await
}

/// `POST /v1/plugins/{plugin}/rollback`, `POST /v1/tenants/{tenant}/plugins/{plugin}/rollback`
pub(super) async fn roll_back(call: &mut Call) -> Result<Reply, Problem> {
    let plugin = named(call)?;
    let NoQuery {} = call.query()?;
    let change = call.state.control.roll_back(&plugin, &call.who.name).await?;
    changed(call, change)
}

/// `DELETE /v1/plugins/{plugin}/upload`, `DELETE /v1/tenants/{tenant}/plugins/{plugin}`
pub(super) async fn reset(call: &mut Call) -> Result<Reply, Problem> {
    let plugin = named(call)?;
    let NoQuery {} = call.query()?;
    let change = call.state.control.reset(&plugin, &call.who.name).await?;
    changed(call, change)
}

/// `GET /v1/tenants/{tenant}/plugins`
pub(super) async fn list_of_tenant(call: &mut Call) -> Result<Reply, Problem> {
    let NoQuery {} = call.query()?;
    let tenant = tenants::find(call)?;
    let own = call.state.owners().of(tenant.name());
    let plugins = own.iter().filter_map(|id| call.state.control.plugin(&id.to_string()).ok());
    json(&Plugins { plugins: plugins.map(Plugin::from).collect() })
}

async fn swap_one(call: &mut Call, plugin: &str) -> Result<Reply, Problem> {
    let NoQuery {} = call.query()?;
    call.state.control.plugin(plugin)?;
    let component = component(call).await?;
    let change = call.state.control.swap(plugin, component, &call.who.name).await?;
    changed(call, change)
}

/// The component in the body.
async fn component(call: &mut Call) -> Result<Bytes, Problem> {
    let component = call.body.read(socklet_plugin::MAX_SIZE).await?;
    call.detail(format!("{} bytes", component.len()));
    Ok(component)
}

fn changed(call: &mut Call, change: Change) -> Result<Reply, Problem> {
    if let Some(version) = &change.version {
        call.detail(format!("version {}, {}", version.version, version.digest));
    }
    json(&Changed::from(change))
}

/// The plugin that the path names; where it names a tenant, too, one that belongs to that tenant and to nobody else.
fn named(call: &Call) -> Result<String, Problem> {
    let plugin = call.captured("plugin");
    if call.captured("tenant").is_empty() {
        return Ok(plugin.to_owned());
    }
    let tenant = tenants::find(call)?;
    let none = || Problem::NoSuch("plugin", plugin.to_owned());
    let name: PluginName = plugin.parse().map_err(|_| none())?;
    let own = PluginId { tenant: Some(tenant.name().clone()), name: name.clone() };
    let owners = call.state.owners();
    if owners.0.contains_key(&own) {
        return Ok(own.to_string());
    }
    match owners.0.get(&PluginId::from(name)) {
        Some(owners) if owners.len() == 1 && owners.contains(tenant.name()) => Ok(plugin.to_owned()),
        // Whoever is confined to a tenant must not learn who else has it.
        Some(owners) if owners.contains(tenant.name()) && call.who.tenant.is_none() => {
            Err(Problem::Conflict(format!("other tenants have the plugin {plugin}, too: use /v1/plugins/{plugin}")))
        }
        _ => Err(none()),
    }
}

// === impl Owners ===

impl Owners {
    /// Who has which plugin now.
    pub(super) fn now(state: &State) -> Self {
        let mut owners = BTreeMap::<PluginId, BTreeSet<TenantName>>::new();
        // A tenant's own are its own, also those that no route has.
        for (tenant, of_tenant) in &state.control.live().tenants {
            for plugin in of_tenant.plugins.values() {
                owners.entry(plugin.id().clone()).or_default().insert(tenant.clone());
            }
        }
        for route in state.server.routes() {
            for plugin in route.authenticators().chain(route.behavior()) {
                owners.entry(plugin.clone()).or_default().insert(route.tenant().name().clone());
            }
        }
        Self(owners)
    }

    /// The plugins that nobody but a tenant has.
    pub(super) fn of(&self, tenant: &TenantName) -> Vec<PluginId> {
        let own = self.0.iter().filter(|(_, owners)| owners.len() == 1 && owners.contains(tenant));
        own.map(|(plugin, _)| plugin.clone()).collect()
    }
}

// === impl Plugin ===

impl From<PluginStatus> for Plugin {
    fn from(status: PluginStatus) -> Self {
        let PluginStatus { name, kind, state, problem, versions, upload } = status;
        let upload = upload.and_then(|record| Some(Upload { digest: record.current?, at: record.at, by: record.by }));
        let versions = versions.into_iter().map(Version::from).collect();
        Self { name, kind: kind.map(Kind::as_str), state, problem, versions, upload }
    }
}

impl From<VersionStatus> for Version {
    fn from(status: VersionStatus) -> Self {
        let VersionStatus { version, digest, role, live, hibernated } = status;
        let role = match role {
            VersionRole::Current => "current",
            VersionRole::Trial => "trial",
            VersionRole::Before => "before",
            VersionRole::Old => "old",
        };
        Self { version, digest, role, live, hibernated }
    }
}

impl From<Change> for Changed {
    fn from(change: Change) -> Self {
        let Change { plugin, changed, version } = change;
        Self { plugin, changed, version: version.map(Version::from) }
    }
}
