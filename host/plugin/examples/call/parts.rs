//! What a measurement in process needs of a host: a plugin, a tenant, a request.

use socklet_core::{ConnectionId, Quotas, Tenant, UpgradeRequest};
use socklet_plugin::{CallLimits, Grants, OnSwap, Plugin, PluginConfig, Plugins};
use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

/// A stock plugin.
pub(crate) async fn load(plugins: &Plugins, name: &str) -> Plugin {
    let file = format!("../../plugins/target/wasm32-wasip2/release/{name}.wasm");
    let settings = match name {
        "ip_auth" => BTreeMap::from([("networks".to_owned(), r#"{"127.0.0.0/8": "local"}"#.to_owned())]),
        _ => BTreeMap::new(),
    };
    let config = PluginConfig {
        name: "measured".parse().unwrap(),
        source: PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(file).into(),
        digest: None,
        settings,
        limits: CallLimits::default(),
        grants: Grants::default(),
        stateless: false,
        recycle_calls: None,
        recycle_memory: None,
        fleeting: true,
        saved_state_max: 1 << 20,
        on_swap: OnSwap::Keep,
    };
    plugins.load(config).await.unwrap()
}

pub(crate) fn tenant() -> Arc<Tenant> {
    Arc::new(Tenant::new("acme".parse().unwrap(), Quotas::default()))
}

pub(crate) fn request() -> UpgradeRequest {
    UpgradeRequest {
        connection: ConnectionId::next(),
        listener: "main".into(),
        method: "GET".into(),
        secure: false,
        authority: "localhost".into(),
        path: "/".into(),
        query: None,
        headers: vec![],
        captures: vec![],
        client_ip: Some([127, 0, 0, 1].into()),
        client_port: 4711,
        attributes: vec![],
        trace: None,
    }
}
