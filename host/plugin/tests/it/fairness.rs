//! Tenants that compute share the guest threads evenly, however many calls each of them makes.

use crate::harness::{Host, Net, Route, config, guest};
use socklet_core::{Quotas, Tenant};
use socklet_plugin::{InstancePolicy, Plugin};
use std::{sync::Arc, time::Duration};
use tokio::task::JoinSet;

async fn route(plugin: &Plugin, tenant: &str) -> Route {
    let net = Arc::new(Net::default());
    let tenant = Arc::new(Tenant::new(tenant.parse().unwrap(), Quotas::default()));
    let route = "main".parse().unwrap();
    let behavior = plugin.behavior(&tenant, &route, InstancePolicy::Connection.into(), net.clone()).unwrap();
    Route { net, behavior }
}

#[tokio::test]
async fn a_tenant_with_many_calls_gets_no_more_than_one_with_few() {
    let host = Host::new();
    let mut spin = config(guest("spin_message"));
    spin.limits.timeout = Some(Duration::from_secs(60));
    let plugin = host.load(spin).await.unwrap();
    let tenants = [("greedy", 40), ("modest", 4)];
    let mut calls = JoinSet::new();
    for (tenant, spinning) in tenants {
        let route = route(&plugin, tenant).await;
        for _ in 0..spinning {
            let mut client = route.connect("").await;
            calls.spawn(async move { client.say("spin").await.map(drop) });
        }
    }
    // Until they have used some seconds between them: on a busy machine that takes longer.

    tokio::time::sleep(Duration::from_secs(2)).await;
    calls.shutdown().await;
    // What they have used is counted when they have ended.
    while host.plugins.usage().iter().map(|row| row.traps).sum::<u64>() < 44 {
        tokio::task::yield_now().await;
    }
    let cpu = |tenant: &str| {
        let rows = host.plugins.usage();
        rows.iter().find(|row| row.tenant.as_str() == tenant).unwrap().cpu_seconds
    };
    let (greedy, modest) = (cpu("greedy"), cpu("modest"));
    assert!(modest > greedy / 2.0 && greedy > modest / 2.0, "{greedy} s and {modest} s");
}
