//! `/v1/plugins`, and those of a tenant: versions that come, go back, and are kept.

use super::{
    Problem, State,
    call::{Call, NoQuery, Reply, json},
    page::Name,
    tenants,
};
use crate::control::{Change, ChangeError, PluginStatus};
use bytes::Bytes;
use schemars::JsonSchema;
use serde::Serialize;
use socklet_core::{PluginName, TenantName};
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
    #[schemars(with = "Name")]
    name: String,
    #[schemars(extend("enum" = ["authenticator", "behavior"]))]
    kind: &'static str,
    /// The newest first.
    versions: Vec<Version>,
    /// The component that was sent and is kept; null where the plugin is what the configuration says.
    upload: Option<Upload>,
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
    #[schemars(with = "Name")]
    plugin: String,
    /// False: it was what it should be already.
    changed: bool,
    /// The version that new connections get.
    version: Version,
}

/// What came of a reload.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Reloaded {
    plugins: Vec<Changed>,
}

/// Which tenants have each plugin.
#[derive(Debug)]
pub(super) struct Owners(BTreeMap<PluginName, BTreeSet<TenantName>>);

/// `GET /v1/plugins`
pub(super) async fn list(call: &mut Call) -> Result<Reply, Problem> {
    let NoQuery {} = call.query()?;
    json(&Plugins { plugins: call.state.control.plugins().into_iter().map(Plugin::from).collect() })
}

/// `GET /v1/plugins/{plugin}`
pub(super) async fn show(call: &mut Call) -> Result<Reply, Problem> {
    let NoQuery {} = call.query()?;
    json(&Plugin::from(call.state.control.plugin(call.captured("plugin"))?))
}

/// `POST /v1/plugins/{plugin}/swap`
pub(super) async fn swap(call: &mut Call) -> Result<Reply, Problem> {
    let NoQuery {} = call.query()?;
    let plugin = call.captured("plugin").to_owned();
    call.state.control.plugin(&plugin)?;
    let component = component(call).await?;
    let change = call.state.control.swap(&plugin, component, &call.who.name).await?;
    changed(call, change)
}

/// `POST /v1/plugins/{plugin}/rollback`
pub(super) async fn roll_back(call: &mut Call) -> Result<Reply, Problem> {
    let NoQuery {} = call.query()?;
    let change = call.state.control.roll_back(call.captured("plugin"), &call.who.name).await?;
    changed(call, change)
}

/// `DELETE /v1/plugins/{plugin}/upload`
pub(super) async fn reset(call: &mut Call) -> Result<Reply, Problem> {
    let NoQuery {} = call.query()?;
    let change = call.state.control.reset(call.captured("plugin"), &call.who.name).await?;
    changed(call, change)
}

/// `GET /v1/tenants/{tenant}/plugins`
pub(super) async fn list_of_tenant(call: &mut Call) -> Result<Reply, Problem> {
    let NoQuery {} = call.query()?;
    let tenant = tenants::find(call)?;
    let own = call.state.owners().of(tenant.name());
    let plugins = own.iter().filter_map(|name| call.state.control.plugin(name.as_str()).ok());
    json(&Plugins { plugins: plugins.map(Plugin::from).collect() })
}

/// `GET /v1/tenants/{tenant}/plugins/{plugin}`
pub(super) async fn show_of_tenant(call: &mut Call) -> Result<Reply, Problem> {
    check_owner(call)?;
    show(call).await
}

/// `PUT /v1/tenants/{tenant}/plugins/{plugin}`
pub(super) async fn put(call: &mut Call) -> Result<Reply, Problem> {
    check_owner(call)?;
    if !call.state.control.keeps_uploads() {
        return Err(ChangeError::NowhereToKeep.into());
    }
    swap(call).await
}

/// `POST /v1/tenants/{tenant}/plugins/{plugin}/rollback`
pub(super) async fn roll_back_of_tenant(call: &mut Call) -> Result<Reply, Problem> {
    check_owner(call)?;
    roll_back(call).await
}

/// `DELETE /v1/tenants/{tenant}/plugins/{plugin}`
pub(super) async fn reset_of_tenant(call: &mut Call) -> Result<Reply, Problem> {
    check_owner(call)?;
    reset(call).await
}

/// `POST /v1/reload`
pub(super) async fn reload(call: &mut Call) -> Result<Reply, Problem> {
    let NoQuery {} = call.query()?;
    let plugins = call.state.control.reload().await?;
    json(&Reloaded { plugins: plugins.into_iter().map(Changed::from).collect() })
}

/// The component in the body.
async fn component(call: &mut Call) -> Result<Bytes, Problem> {
    let component = call.body.read(socklet_plugin::MAX_SIZE).await?;
    call.detail(format!("{} bytes", component.len()));
    Ok(component)
}

fn changed(call: &mut Call, change: Change) -> Result<Reply, Problem> {
    call.detail(format!("version {}, {}", change.version.version, change.version.digest));
    json(&Changed::from(change))
}

/// Whether a plugin belongs to the tenant that the path names, and to nobody else.
fn check_owner(call: &Call) -> Result<(), Problem> {
    let tenant = tenants::find(call)?;
    let plugin = call.captured("plugin");
    let owners = call.state.owners();
    match owners.0.get(plugin) {
        Some(owners) if owners.len() == 1 && owners.contains(tenant.name()) => Ok(()),
        // Whoever is confined to a tenant must not learn who else has it.
        Some(owners) if owners.contains(tenant.name()) && call.who.tenant.is_none() => {
            Err(Problem::Conflict(format!("other tenants have the plugin {plugin}, too: use /v1/plugins/{plugin}")))
        }
        _ => Err(Problem::NoSuch("plugin", plugin.to_owned())),
    }
}

// === impl Owners ===

impl Owners {
    /// Who has which plugin now.
    pub(super) fn now(state: &State) -> Self {
        let mut owners = BTreeMap::<PluginName, BTreeSet<TenantName>>::new();
        for route in state.server.routes() {
            for plugin in route.authenticators().chain(route.behavior()) {
                owners.entry(plugin.clone()).or_default().insert(route.tenant().name().clone());
            }
        }
        Self(owners)
    }

    /// The plugins that nobody but a tenant has.
    pub(super) fn of(&self, tenant: &TenantName) -> Vec<PluginName> {
        let own = self.0.iter().filter(|(_, owners)| owners.len() == 1 && owners.contains(tenant));
        own.map(|(plugin, _)| plugin.clone()).collect()
    }
}

// === impl Plugin ===

impl From<PluginStatus> for Plugin {
    fn from(status: PluginStatus) -> Self {
        let PluginStatus { name, kind, versions, upload } = status;
        let upload = upload.and_then(|record| Some(Upload { digest: record.current?, at: record.at, by: record.by }));
        Self { name, kind: kind_name(kind), versions: versions.into_iter().map(Version::from).collect(), upload }
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
        Self { plugin, changed, version: version.into() }
    }
}

fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Authenticator => "authenticator",
        Kind::Behavior => "behavior",
    }
}
