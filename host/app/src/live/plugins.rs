//! Plugins on their way: new ones and new versions, loaded and not in use.

use super::{
    Live, Site,
    report::{Entry, Report},
};
use crate::config::{Config, Load, Mistake, Mistakes, Place, PluginPlan, RoutePlan};
use futures_util::future::join_all;
use socklet_core::{PluginId, TenantName};
use socklet_plugin::{CallLimits, InstancePolicy, Kind, LoadError, NextVersion, Plugin, PluginConfig, Plugins, When};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

/// The plugins of a configuration, those that are new included.
#[derive(Debug)]
pub(super) struct Upcoming<'a> {
    plugins: HashMap<PluginId, Plugin>,
    /// Where nothing but one tenant is looked at: what runs, and that tenant.
    around: Option<(&'a Live, &'a TenantName)>,
    /// What those that were there become.
    pub(super) next: Vec<(PluginId, NextVersion)>,
}

/// A plugin of a plan, and what it becomes if it was there before.
pub(super) type Loaded = (Plugin, Option<NextVersion>);

// === impl Site ===

impl Site {
    /// Loads what is new or other. With `only`, nothing but the plugins of that tenant is looked at. Also what is wrong.
    pub(super) async fn load<'a>(
        &self,
        live: &'a Live,
        config: &Config,
        only: Option<&'a TenantName>,
        report: &mut Report,
    ) -> (Upcoming<'a>, Vec<Mistake>) {
        let fleeting = fleeting(config);
        let concerned = |plan: &&PluginPlan| match only {
            None => true,
            Some(_) if plan.tenant.as_ref() == only => true,
            // One that all share may have to be prepared for routes of this tenant.
            Some(_) => plan.tenant.is_none() && fleeting.contains(&plan.id()),
        };
        let plans: Vec<_> = config.all_plugins().filter(concerned).collect();
        let loaded = self.load_plans(live, &plans, &fleeting).await;
        let around = only.map(|tenant| (live, tenant));
        let (mut upcoming, mut mistakes) = (Upcoming { plugins: HashMap::new(), around, next: Vec::new() }, Vec::new());
        for (plan, loaded) in plans.iter().zip(loaded) {
            match loaded {
                Ok((plugin, next)) => upcoming.add(plan, plugin, next, live, report),
                Err(mistake) => mistakes.push(mistake),
            }
        }
        for gone in gone(live, config, only) {
            report.plugins.push(Entry::removed(gone.id(), 0));
        }
        (upcoming, mistakes)
    }

    /// Loads each plugin of a plan, as a new one or as what the one that is there becomes.
    pub(super) async fn load_plans(
        &self,
        live: &Live,
        plans: &[&PluginPlan],
        fleeting: &HashSet<PluginId>,
    ) -> Vec<Result<Loaded, Mistake>> {
        // The engine itself bounds how many it compiles at a time.
        let loads = plans.iter().map(|plan| async {
            let id = plan.id();
            let config = plugin_config(plan, fleeting.contains(&id));
            let loaded = load(&self.engine, live.plugin(&id), config, when(plan)).await;
            loaded.map_err(|error| Mistake::new(plan.place.clone(), None, error.to_string()))
        });
        join_all(loads).await
    }
}

/// Loads every plugin of a configuration, and throws it away again: what is wrong, or else what is not as it should be.
pub(crate) async fn check(engine: &Plugins, config: &Config) -> Result<Vec<String>, Mistakes> {
    let fleeting = fleeting(config);
    let plans: Vec<_> = config.all_plugins().collect();
    let loads = plans.iter().map(|plan| engine.load(plugin_config(plan, fleeting.contains(&plan.id()))));
    let (mut mistakes, mut warnings) = (Vec::new(), Vec::new());
    let mut upcoming = Upcoming { plugins: HashMap::new(), around: None, next: Vec::new() };
    for (plan, loaded) in plans.iter().zip(join_all(loads).await) {
        match loaded {
            Ok(plugin) => {
                warnings.extend(plugin.unused_grants().into_iter().map(|grant| {
                    let (id, grant) = (plan.id(), grant.as_str());
                    format!("the plugin {id} is granted {grant} and does not import it: leave the grant out")
                }));
                upcoming.plugins.insert(plan.id(), plugin);
            }
            Err(error) => mistakes.push(Mistake::new(plan.place.clone(), None, error.to_string())),
        }
    }
    mistakes.extend(upcoming.wrong_kinds(config.all_routes()));
    Mistakes::of(mistakes).map_or(Ok(warnings), Err)
}

/// What a plugin is loaded with. `fleeting`: some route gives every event an instance of it.
pub(crate) fn plugin_config(plan: &PluginPlan, fleeting: bool) -> PluginConfig {
    PluginConfig {
        name: plan.id(),
        source: plan.upload.as_ref().map_or(&plan.source, |upload| &upload.path).clone().into(),
        digest: plan.upload.as_ref().map(|upload| upload.digest.clone()).or_else(|| plan.digest.clone()),
        settings: plan.settings.clone(),
        limits: CallLimits {
            timeout: plan.timeout,
            wait: plan.wait_timeout,
            memory_max: plan.memory_max,
            host_call_bytes_max: plan.host_call_bytes_max,
            ..CallLimits::default()
        },
        grants: plan.grants.clone(),
        stateless: plan.stateless,
        recycle_calls: plan.recycle_calls,
        recycle_memory: plan.recycle_memory,
        fleeting,
        saved_state_max: plan.saved_state_max,
        on_swap: plan.on_swap,
    }
}

/// The plugins of which some route gives every event an instance.
pub(super) fn fleeting(config: &Config) -> HashSet<PluginId> {
    let for_events = config.all_routes().filter(|route| route.instances.policy == InstancePolicy::Event);
    for_events.filter_map(|route| route.behavior.clone()).collect()
}

/// Whether some route gives every event an instance of a plugin.
pub(crate) fn is_fleeting(config: &Config, id: &PluginId) -> bool {
    fleeting(config).contains(id)
}

/// The plugins that there are, and will not be.
fn gone<'a>(live: &'a Live, config: &Config, only: Option<&TenantName>) -> Vec<&'a Plugin> {
    let Some(tenant) = only else {
        let planned: HashSet<_> = config.all_plugins().map(PluginPlan::id).collect();
        return live.plugins().filter(|plugin| !planned.contains(plugin.id())).collect();
    };
    let plans = config.files.get(tenant).map(|file| &file.plugins[..]).unwrap_or_default();
    let plugins = live.tenants.get(tenant).into_iter().flat_map(|tenant| &tenant.plugins);
    let gone = plugins.filter(|(name, _)| !plans.iter().any(|plan| plan.name == **name));
    gone.map(|(_, plugin)| plugin).collect()
}

fn when(plan: &PluginPlan) -> When {
    match plan.load {
        Load::Eager => When::Now,
        Load::Lazy => When::Needed,
    }
}

async fn load(
    engine: &Plugins,
    before: Option<&Plugin>,
    config: PluginConfig,
    when: When,
) -> Result<Loaded, LoadError> {
    match (before, when) {
        (Some(plugin), when) => Ok((plugin.clone(), Some(plugin.load_next(config, when).await?))),
        (None, When::Needed) => Ok((engine.defer(config), None)),
        (None, When::Now) => Ok((engine.load(config).await?, None)),
    }
}

// === impl Upcoming ===

impl Upcoming<'_> {
    fn add(&mut self, plan: &PluginPlan, plugin: Plugin, next: Option<NextVersion>, live: &Live, report: &mut Report) {
        let id = plan.id();
        match next {
            None => report.plugins.push(Entry::added(&id)),
            Some(next) => {
                if next.is_change() {
                    let mut keys = before(live, plan).map(|before| before.compare(plan)).unwrap_or_default();
                    // Where nothing that is written is different, what it is written of is.
                    if keys.is_empty() {
                        keys.push("component");
                    }
                    report.plugins.push(Entry::changed(&id, keys, 0));
                }
                self.next.push((id.clone(), next));
            }
        }
        self.plugins.insert(id, plugin);
    }

    pub(super) fn get(&self, id: &PluginId) -> Option<&Plugin> {
        self.plugins.get(id).or_else(|| {
            let (live, tenant) = self.around?;
            live.plugin(id).filter(|_| id.tenant.as_ref() != Some(tenant))
        })
    }

    /// A mistake for each plugin that a route takes for something else than it is, as far as that is known.
    pub(super) fn wrong_kinds<'a>(&self, routes: impl Iterator<Item = &'a Arc<RoutePlan>>) -> Vec<Mistake> {
        let next: HashMap<_, _> = self.next.iter().filter_map(|(id, next)| Some((id, next.kind()?))).collect();
        let check = |id: &PluginId, place: &Place, wanted, use_it| {
            let kind = next.get(id).copied().or_else(|| self.get(id)?.kind()).filter(|kind| *kind != wanted)?;
            let message = format!("the plugin {id} is of the kind {}; {use_it}", kind.as_str());
            Some(Mistake::new(place.clone(), None, message))
        };
        let mut mistakes = Vec::new();
        for route in routes {
            let judges = route.authenticators.iter();
            mistakes.extend(judges.filter_map(|id| {
                let place = &route.authenticators_place;
                check(id, place, Kind::Authenticator, "write it as the route's behavior")
            }));
            mistakes.extend(route.behavior.iter().filter_map(|id| {
                check(id, &route.behavior_place, Kind::Behavior, "write it in the route's authenticators")
            }));
        }
        mistakes
    }
}

/// The plan that a plugin was made of.
fn before<'a>(live: &'a Live, plan: &PluginPlan) -> Option<&'a PluginPlan> {
    let plans = match &plan.tenant {
        None => &live.config.plugins,
        Some(tenant) => &live.config.files.get(tenant)?.plugins,
    };
    plans.iter().find(|before| before.name == plan.name)
}
