//! Tenants and their routes as another configuration has them: what stays is taken over, what is new is made.

use super::{
    Live, LiveRoute, LiveTenant, Site,
    plugins::Upcoming,
    report::{Entry, Report},
};
use crate::config::{Config, Effect, RoutePlan, TenantFile, changed_quotas};
use socklet_core::{Authenticator, Behavior, CloseReason, Connections, PluginName, Quotas, Tenant, TenantName};
use socklet_plugin::{Plugin, RouteBehavior, RouteInstances, WrongKind};
use socklet_server::{Route, RouteConfig, RouteConnections};
use std::{collections::BTreeMap, sync::Arc};

/// What is to be done with what stays and with what goes, once nothing can fail any more.
#[derive(Debug, Default)]
pub(super) struct Deeds {
    /// Tenants with other quotas.
    pub(super) quotas: Vec<(Arc<Tenant>, Quotas)>,
    /// Routes with other settings.
    pub(super) settings: Vec<(Arc<RouteConnections>, Arc<RouteConfig>)>,
    pub(super) instances: Vec<(RouteBehavior, RouteInstances)>,
    /// Routes that are gone, or served in another way.
    pub(super) retired: Vec<(Arc<RouteConnections>, CloseReason)>,
}

/// A tenant as a configuration has it, in whichever file.
#[derive(Debug)]
struct Planned<'a> {
    name: &'a TenantName,
    file: Option<&'a Arc<TenantFile>>,
    quotas: &'a Quotas,
    routes: Vec<&'a Arc<RoutePlan>>,
}

/// What the tenants of a configuration are made with.
#[derive(Debug)]
pub(super) struct Making<'a> {
    pub(super) site: &'a Site,
    pub(super) live: &'a Live,
    pub(super) upcoming: &'a Upcoming<'a>,
    pub(super) report: &'a mut Report,
    pub(super) deeds: &'a mut Deeds,
}

/// The tenants of a configuration, by name.
fn planned(config: &Config) -> BTreeMap<&TenantName, Planned<'_>> {
    let mut tenants = BTreeMap::new();
    for route in &config.routes {
        let name = &route.tenant;
        let new = || Planned { name, file: None, quotas: config.tenants.quotas(name), routes: Vec::new() };
        tenants.entry(name).or_insert_with(new).routes.push(route);
    }
    tenants.extend(config.files.values().map(|file| (&file.name, of_file(file))));
    tenants
}

fn of_file(file: &Arc<TenantFile>) -> Planned<'_> {
    Planned { name: &file.name, file: Some(file), quotas: &file.quotas, routes: file.routes.iter().collect() }
}

// === impl Making ===

impl Making<'_> {
    /// The tenants as they will be. With `only`, the others are what they are.
    ///
    /// # Errors
    ///
    /// When a plugin is not of the kind that a route takes it for, which was to be checked before.
    pub(super) fn tenants(
        &mut self,
        config: &Config,
        only: Option<&TenantName>,
    ) -> Result<BTreeMap<TenantName, Arc<LiveTenant>>, WrongKind> {
        let mut tenants = self.live.tenants.clone();
        match only {
            Some(name) => match config.files.get(name) {
                Some(file) => self.tenant(&of_file(file), &mut tenants)?,
                None => self.remove(name, &mut tenants),
            },
            None => {
                let planned = planned(config);
                let gone: Vec<_> = tenants.keys().filter(|name| !planned.contains_key(name)).cloned().collect();
                gone.iter().for_each(|name| self.remove(name, &mut tenants));
                for planned in planned.values() {
                    self.tenant(planned, &mut tenants)?;
                }
            }
        }
        Ok(tenants)
    }

    fn remove(&mut self, name: &TenantName, tenants: &mut BTreeMap<TenantName, Arc<LiveTenant>>) {
        let Some(gone) = tenants.remove(name) else { return };
        self.report.tenants.push(Entry::removed(name, 0));
        gone.routes.values().for_each(|route| self.remove_route(route));
    }

    fn tenant(
        &mut self,
        planned: &Planned<'_>,
        tenants: &mut BTreeMap<TenantName, Arc<LiveTenant>>,
    ) -> Result<(), WrongKind> {
        let name = planned.name;
        let before = tenants.get(name).cloned();
        let tenant = self.site.tenant(name, || Tenant::new(name.clone(), planned.quotas.clone()));
        let keys = changed_quotas(&tenant.quotas(), planned.quotas);
        match &before {
            None => self.report.tenants.push(Entry::added(name)),
            Some(_) if !keys.is_empty() => self.report.tenants.push(Entry::changed(name, keys.clone(), 0)),
            Some(_) => {}
        }
        if !keys.is_empty() {
            self.deeds.quotas.push((tenant.clone(), planned.quotas.clone()));
        }
        let plugins: BTreeMap<PluginName, Plugin> = planned
            .file
            .iter()
            .flat_map(|file| &file.plugins)
            .filter_map(|plan| Some((plan.name.clone(), self.upcoming.get(&plan.id())?.clone())))
            .collect();
        let old = before.as_ref().map(|before| &before.routes);
        let mut routes = BTreeMap::new();
        for plan in &planned.routes {
            let before = old.and_then(|old| old.get(&plan.config.name));
            routes.insert(plan.config.name.clone(), self.route(plan, &tenant, before)?);
        }
        let gone = old.into_iter().flatten().filter(|(name, _)| !routes.contains_key(*name));
        gone.for_each(|(_, route)| self.remove_route(route));
        let file = planned.file.cloned();
        tenants.insert(name.clone(), Arc::new(LiveTenant { tenant, file, plugins, routes }));
        Ok(())
    }

    fn remove_route(&mut self, route: &LiveRoute) {
        self.retire(route, CloseReason::RouteRemoved);
        self.report.routes.push(Entry::removed(route.plan.full_name(), route.connections.count()));
    }

    fn retire(&mut self, route: &LiveRoute, why: CloseReason) {
        self.report.closes(why.frame().code().get(), route.connections.count());
        self.deeds.retired.push((route.connections.clone(), why));
    }

    fn route(
        &mut self,
        plan: &Arc<RoutePlan>,
        tenant: &Arc<Tenant>,
        before: Option<&LiveRoute>,
    ) -> Result<LiveRoute, WrongKind> {
        let Some(before) = before else {
            self.report.routes.push(Entry::added(plan.full_name()));
            return self.new_route(plan, tenant);
        };
        let (keys, effect) = before.plan.compare(plan);
        if keys.is_empty() {
            // It may be written elsewhere now.
            return Ok(LiveRoute { plan: plan.clone(), ..before.clone() });
        }
        let full_name = plan.full_name();
        match effect {
            Effect::Anew => {
                self.report.routes.push(Entry::changed(full_name, keys, before.connections.count()));
                self.retire(before, CloseReason::RouteChanged);
                self.new_route(plan, tenant)
            }
            Effect::Settings => {
                self.deeds.settings.push((before.connections.clone(), plan.config.clone()));
                if let Some(behavior) = &before.behavior {
                    self.deeds.instances.push((behavior.clone(), plan.instances.clone()));
                }
                let authenticators = if keys.contains(&"authenticators") {
                    self.authenticators(plan, tenant)?
                } else {
                    before.authenticators.clone()
                };
                self.report.routes.push(Entry::changed(full_name, keys, 0));
                Ok(LiveRoute::new(plan, before.connections.clone(), authenticators, before.behavior.clone()))
            }
        }
    }

    fn new_route(&self, plan: &Arc<RoutePlan>, tenant: &Arc<Tenant>) -> Result<LiveRoute, WrongKind> {
        let connections = Arc::new(RouteConnections::new(&plan.config, tenant.clone(), &self.site.metrics));
        let authenticators = self.authenticators(plan, tenant)?;
        let plugin = plan.behavior.as_ref().and_then(|id| self.upcoming.get(id));
        let behavior = plugin.map(|plugin| {
            let connections: Arc<dyn Connections> = connections.clone();
            plugin.behavior(tenant, &plan.config.name, plan.instances.clone(), connections)
        });
        Ok(LiveRoute::new(plan, connections, authenticators, behavior.transpose()?))
    }

    fn authenticators(&self, plan: &RoutePlan, tenant: &Arc<Tenant>) -> Result<Vec<Arc<dyn Authenticator>>, WrongKind> {
        let plugins = plan.authenticators.iter().filter_map(|id| self.upcoming.get(id));
        plugins
            .map(|plugin| {
                let authenticator: Arc<dyn Authenticator> = Arc::new(plugin.authenticator(tenant, &plan.config.name)?);
                Ok(authenticator)
            })
            .collect()
    }
}

// === impl LiveRoute ===

impl LiveRoute {
    fn new(
        plan: &Arc<RoutePlan>,
        connections: Arc<RouteConnections>,
        authenticators: Vec<Arc<dyn Authenticator>>,
        behavior: Option<RouteBehavior>,
    ) -> Self {
        let answering = behavior.clone().map(|behavior| Arc::new(behavior) as Arc<dyn Behavior>);
        let route = Route::new(plan.config.clone(), connections.clone(), authenticators.clone(), answering);
        Self { plan: plan.clone(), route: Arc::new(route), connections, authenticators, behavior }
    }
}
