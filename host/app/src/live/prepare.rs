//! Everything of a change that can fail.

use super::{
    Live, LiveTenant, Site,
    listeners::Listening,
    plugins::Upcoming,
    report::Report,
    tenants::{Deeds, Making},
};
use crate::config::{Config, Draft, Keys, Mistake, Mistakes, PluginPlan, RoutePlan};
use socklet_core::{ListenerName, PluginId, TenantName};
use socklet_plugin::{NextVersion, Plugin};
use socklet_server::{Bind, BindError, Routes};
use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

/// A change that cannot fail any more. Nothing of it is in use; dropping it gives it up.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(super) next: Live,
    pub(super) routes: Routes,
    pub(super) plugins: Vec<(PluginId, NextVersion)>,
    pub(super) listening: Listening,
    pub(super) deeds: Deeds,
    pub(super) report: Report,
}

/// Why a change is not made.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) mistakes: Mistakes,
    /// Those of the mistakes that are listeners.
    pub(crate) binds: Vec<BindError>,
}

// === impl Prepared ===

impl Prepared {
    /// The listeners that will begin to serve, with the ports that the system chose for port 0.
    pub(crate) fn listeners(&self) -> Vec<(ListenerName, Bind)> {
        self.listening.bound.iter().map(|listener| (listener.name().clone(), listener.local())).collect()
    }

    /// Whether one of them has TLS.
    pub(crate) fn is_secure(&self, listener: &ListenerName) -> bool {
        self.listening.bound.iter().any(|bound| bound.name() == listener && bound.tls().is_some())
    }

    /// The routes that there will be.
    pub(crate) fn routes(&self) -> impl Iterator<Item = &RoutePlan> {
        self.next.config.all_routes().map(|plan| &**plan)
    }

    /// What it comes to.
    pub(crate) fn report(&self) -> &Report {
        &self.report
    }
}

// === impl Site ===

impl Site {
    /// Prepares what runs to become what a configuration says. With `only`, nothing but that tenant is looked at: in everything else
    /// the configuration is to be the one that runs.
    ///
    /// # Errors
    ///
    /// Everything that is wrong.
    pub(crate) async fn prepare(
        &self,
        live: &Live,
        config: Config,
        only: Option<&TenantName>,
    ) -> Result<Prepared, Refused> {
        let mut report = Report { generation: live.generation, ..Report::default() };
        let (upcoming, mut mistakes) = self.load(live, &config, only, &mut report).await;
        mistakes.extend(upcoming.wrong_kinds(routes_of(&config, only)));
        let listening = match only {
            None => self.bind(live, config.listeners.iter().zip(&config.listener_places), &mut report).await,
            Some(_) => Listening::default(),
        };
        mistakes.extend(listening.mistakes());
        // Routes are made of plugins that are there, and of the kind that they are taken for.
        let made =
            if mistakes.is_empty() { self.make(live, &config, &upcoming, only, &mut report).await } else { Ok(None) };
        let made = made.unwrap_or_else(|mistake| {
            mistakes.push(mistake);
            None
        });
        if let Some(mistakes) = Mistakes::of(mistakes) {
            return Err(Refused { mistakes, binds: listening.failed.into_iter().map(|(_, error)| error).collect() });
        }
        let made = made.expect("without a mistake everything was made");
        report.settings = live.config.changed_settings(&config);
        report.settings.extend(only.is_none().then(|| order(&live.config, &config, &report)).into_iter().flatten());
        let shared = match only {
            None => shared(&config, &upcoming),
            Some(_) => live.shared.clone(),
        };
        let listeners = config.listeners.iter().map(|listener| (listener.name.clone(), listener.clone())).collect();
        let mut stopped = live.stopped.clone();
        stopped.retain(|name| !listening.gone.contains(name));
        let next = Live {
            config: Arc::new(config),
            shared,
            tenants: made.tenants,
            listeners,
            stopped,
            generation: live.generation + 1,
        };
        let plugins = upcoming.next;
        Ok(Prepared { next, routes: made.routes, plugins, listening, deeds: made.deeds, report })
    }

    /// Looks for what else is wrong with a configuration that has mistakes: loads its plugins, binds its listeners, and lets go of them.
    pub(crate) async fn try_out(&self, live: &Live, draft: &Draft) -> Option<Mistakes> {
        let plans: Vec<_> = draft.plugins.iter().collect();
        let loaded = self.load_plans(live, &plans, &HashSet::new()).await;
        let mut mistakes: Vec<_> = loaded.into_iter().filter_map(Result::err).collect();
        let listeners = draft.listeners.iter().map(|(listener, place)| (listener, place));
        mistakes.extend(self.bind(live, listeners, &mut Report::default()).await.mistakes());
        Mistakes::of(mistakes)
    }

    async fn make(
        &self,
        live: &Live,
        config: &Config,
        upcoming: &Upcoming<'_>,
        only: Option<&TenantName>,
        report: &mut Report,
    ) -> Result<Option<Made>, Mistake> {
        let mut deeds = Deeds::default();
        let making = Making { site: self, live, upcoming, report, deeds: &mut deeds };
        let tenants = { making }.tenants(config, only);
        // The kinds were checked: what is known of one does not change.
        let Ok(tenants) = tenants else { return Ok(None) };
        let routes = config.all_routes().filter_map(|plan| {
            let routes = &tenants.get(&plan.tenant)?.routes;
            Some(routes.get(&plan.config.name)?.route.clone())
        });
        let routes: Vec<_> = routes.collect();
        // Thousands of routes take their time, which is not that of everybody else on this thread.
        let table = tokio::task::spawn_blocking(move || Routes::new(routes)).await;
        match table {
            Ok(Ok(routes)) => Ok(Some(Made { tenants, routes, deeds })),
            Ok(Err(conflict)) => {
                let conflicts = Routes::conflicts(config.all_routes().map(|plan| (&plan.tenant, &*plan.config)));
                let second = conflicts.first().and_then(|(number, _)| config.all_routes().nth(*number));
                let place = second.map(|plan| plan.place.clone()).unwrap_or_else(|| config.beginning());
                Err(Mistake::new(place, None, conflict.to_string()))
            }
            Err(_) => Err(Mistake::new(config.beginning(), None, "the routes could not be put together")),
        }
    }
}

/// What was made of plugins and routes.
#[derive(Debug)]
struct Made {
    tenants: BTreeMap<TenantName, Arc<LiveTenant>>,
    routes: Routes,
    deeds: Deeds,
}

fn routes_of<'a>(config: &'a Config, only: Option<&TenantName>) -> Box<dyn Iterator<Item = &'a Arc<RoutePlan>> + 'a> {
    match only {
        None => Box::new(config.all_routes()),
        Some(tenant) => Box::new(config.files.get(tenant).into_iter().flat_map(|file| &file.routes)),
    }
}

fn shared(config: &Config, upcoming: &Upcoming<'_>) -> BTreeMap<socklet_core::PluginName, Plugin> {
    let plugin = |plan: &PluginPlan| Some((plan.name.clone(), upcoming.get(&plan.id())?.clone()));
    config.plugins.iter().filter_map(plugin).collect()
}

/// Where routes have regular expressions, the first one wins: their order is a setting.
fn order(from: &Config, to: &Config, report: &Report) -> Keys {
    let come_and_go = report.routes.iter().any(|entry| !entry.is_changed());
    let names = |config: &Config| config.all_routes().map(|plan| plan.full_name()).collect::<Vec<_>>();
    if come_and_go || names(from) == names(to) { Keys::new() } else { vec!["order of [[route]]"] }
}
