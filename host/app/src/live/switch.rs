//! A change that was prepared is made: nothing here waits or fails.

use super::{Live, Site, listeners::Listening, prepare::Prepared, report::Report, tenants::Deeds};
use crate::{certificates::Shows, descriptors, logs};
use socklet_plugin::Swapped;
use socklet_server::Leaving;
use std::collections::HashMap;

// === impl Site ===

impl Site {
    /// Makes a change. Requests from now on see all of it; one that is being answered ends with the route that it began with. Who has to
    /// go is closed by and by.
    pub(crate) fn switch(&self, live: &Live, prepared: Prepared) -> (Live, Report) {
        let Prepared { next, routes, plugins, listening, deeds, mut report } = prepared;
        let Deeds { quotas, settings, instances, retired } = deeds;
        let Listening { bound, certified, gone, failed: _ } = listening;
        for (tenant, quotas) in quotas {
            tenant.set_quotas(quotas);
            self.engine.quotas_changed(&tenant);
        }
        let mut versions = HashMap::new();
        for (id, version) in plugins {
            if let Swapped::To(status) = version.install() {
                versions.insert(id.to_string(), status);
            }
        }
        for entry in &mut report.plugins {
            entry.version = versions.remove(&entry.name);
        }
        for (connections, config) in settings {
            connections.configure(&config);
        }
        for (behavior, to) in instances {
            behavior.set_instances(&to);
        }
        if live.config.server != next.config.server {
            self.server.configure(next.config.server.clone());
            descriptors::provide_for(next.config.server.max_connections);
        }
        if live.config.log.level != next.config.log.level {
            logs::set_level(&next.config.log.level);
        }
        // First the routes, then whoever accepts for them.
        self.server.install(routes);
        for (name, tls) in certified {
            self.certificates.install(&Shows::Listener(name), tls);
        }
        if let Some(tls) = next.config.admin.as_ref().and_then(|plan| plan.tls.clone()) {
            self.certificates.install(&Shows::Admin, tls);
        }
        for listener in bound {
            self.certificates.set(&Shows::Listener(listener.name().clone()), listener.tls());
            self.server.serve(listener);
        }
        let mut leaving = Leaving::default();
        for (connections, why) in retired {
            leaving.append(self.server.retire(&connections, &why));
        }
        for name in gone {
            self.certificates.set(&Shows::Listener(name.clone()), None);
            leaving.append(self.server.stop(&name).map(|stopped| stopped.leaving).unwrap_or_default());
        }
        report.closes = leaving.by_code();
        report.generation = next.generation;
        self.server.send_away(leaving, next.config.drain.clone());
        (next, report)
    }
}
