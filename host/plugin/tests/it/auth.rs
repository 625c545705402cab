//! Authenticators: a fresh instance for each request, and every failure is an error.

use crate::harness::{Host, config, field, guest, request, stock, tenant};
use socklet_core::{Authenticator, CallError, DeathKind, UpgradeRequest, Verdict};
use socklet_plugin::{Kind, PluginConfig};
use std::sync::Arc;

async fn authenticator(host: &Host, config: PluginConfig) -> Arc<dyn Authenticator> {
    let plugin = host.load(config).await.unwrap();
    assert_eq!(plugin.kind(), Some(Kind::Authenticator));
    Arc::new(plugin.authenticator(&tenant(), &"main".parse().unwrap()).unwrap())
}

async fn ask(authenticator: &Arc<dyn Authenticator>, request: UpgradeRequest) -> Result<Verdict, CallError> {
    authenticator.authenticate(Arc::new(request)).await
}

#[tokio::test]
async fn the_three_verdicts() {
    let host = Host::new();
    let auth = authenticator(&host, config(guest("auth_grant"))).await;
    match ask(&auth, request("as=ada&attribute=role:admin")).await.unwrap() {
        Verdict::Grant(principal) => {
            assert_eq!(principal.subject(), "ada");
            assert_eq!(principal.attributes(), [("role".to_owned(), "admin".to_owned())]);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(ask(&auth, request("")).await.unwrap(), Verdict::Abstain);
    match ask(&auth, request("deny=403")).await.unwrap() {
        Verdict::Deny(response) => {
            assert_eq!(response.status, 403);
            assert!(response.headers.contains(&field("www-authenticate", "Test")));
        }
        other => panic!("{other:?}"),
    }
    for (outcome, count) in [("grant", 1.0), ("abstain", 1.0), ("deny", 1.0), ("failed", 0.0)] {
        assert_eq!(host.metric(&format!("auth_total{{outcome=\"{outcome}\"}}")), count, "{outcome}");
    }
    assert_eq!(host.metric("plugin_instances{state=\"live\"}"), 0.0);
}

#[tokio::test]
async fn failures_are_errors() {
    let host = Host::new();
    let mut spin = config(guest("auth_spin"));
    spin.limits.timeout = Some(std::time::Duration::from_millis(50));
    for (config, query, expected) in [
        (config(guest("auth_trap")), "", DeathKind::Trap),
        (spin, "", DeathKind::Deadline),
        (config(guest("auth_bad")), "status=302", DeathKind::InvalidAnswer),
        (config(guest("auth_bad")), "subject=0", DeathKind::InvalidAnswer),
        (config(guest("auth_bad")), "subject=256", DeathKind::InvalidAnswer),
        (config(guest("auth_bad")), "attributes=16385", DeathKind::InvalidAnswer),
        (config(guest("auth_bad")), "body=65537", DeathKind::InvalidAnswer),
    ] {
        let auth = authenticator(&host, config).await;
        match ask(&auth, request(query)).await {
            Err(CallError::Died { kind, .. }) => assert_eq!(kind, expected, "{query}"),
            other => panic!("{query}: {other:?}"),
        }
    }
    assert_eq!(host.metric("auth_total{outcome=\"failed\"}"), 7.0);
}

#[tokio::test]
async fn credentials_reach_authenticators() {
    let host = Host::new();
    let mut config = config(stock("basic_auth"));
    let users = r#"{"ada":"$2b$04$uRVZDQzNPtWfPDUgoZ81yu2o3OTYJHP8BYTxy.8GDlVby6Oy0lA0e"}"#;
    config.settings.insert("users".into(), users.into());
    let auth = authenticator(&host, config).await;
    let mut asked = request("");
    asked.headers = vec![field("authorization", "Basic bm9ib2R5Om5vdGhpbmc=")];
    match ask(&auth, asked).await.unwrap() {
        Verdict::Deny(response) => assert_eq!(response.status, 401),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn kinds_are_not_mixed_up() {
    let host = Host::new();
    let echo = host.load(config(stock("echo"))).await.unwrap();
    assert_eq!(echo.kind(), Some(Kind::Behavior));
    let error = echo.authenticator(&tenant(), &"main".parse().unwrap()).unwrap_err();
    assert_eq!(error.to_string(), "the plugin is a behavior, not an authenticator");
}
