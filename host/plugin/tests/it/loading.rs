//! Which components load, what the refusals say, and what the cache is good for.

use crate::harness::{Host, config, guest, stock};
use socklet_plugin::{Allocation, EngineConfig, ImportStatus, Kind, LoadError, Plugins, inspect};
use std::{fs, os::unix::fs::MetadataExt, path::Path};

async fn refusal(host: &Host, name: &str) -> String {
    host.load(config(guest(name))).await.unwrap_err().to_string()
}

#[tokio::test]
async fn stock_plugins_load_and_are_lean() {
    let host = Host::new();
    for name in ["echo", "chat", "basic_auth", "ip_auth", "jwt_auth"] {
        let bytes = fs::read(stock(name)).unwrap();
        let inspection = inspect(&bytes).unwrap();
        assert!(inspection.would_load, "{name}: {:?}", inspection.problems);
        assert_eq!((inspection.allocation, inspection.memory_bytes), (Allocation::Lean, 256 << 10), "{name}");
        assert!(inspection.imports.iter().all(|import| import.status == ImportStatus::Provided), "{name}");
        let plugin = host.load(config(stock(name))).await.unwrap();
        assert_eq!(plugin.digest(), Some(inspection.digest));
        assert_eq!(plugin.kind(), inspection.kind);
    }
}

#[tokio::test]
async fn refusals_name_what_is_wrong_and_what_to_do() {
    let host = Host::new();
    for (name, words) in [
        ("no_exports", &["exports nothing", "behavior-plugin"][..]),
        ("wrong_version", &["behavior@0.2.0", "0.1"]),
        (
            "wants_http",
            &[
                "wasi:http/outgoing-handler",
                "not granted",
                "write http = [\"https://HOST\"]",
                "in [plugin.guest.grants]",
            ],
        ),
        ("initial_memory", &["memory", "memory_max"]),
        ("start_trap", &["started", "unreachable"]),
    ] {
        let refusal = refusal(&host, name).await;
        for word in words {
            assert!(refusal.contains(word), "{name}: {word:?} in {refusal}");
        }
    }
}

#[tokio::test]
async fn a_start_that_spins_is_cut() {
    let refusal = refusal(&Host::new(), "start_spin").await;
    assert!(refusal.contains("CPU time"), "{refusal}");
}

#[tokio::test]
async fn damaged_and_foreign_files_are_refused() {
    let host = Host::new();
    let folder = tempfile::tempdir().unwrap();
    let whole = fs::read(stock("echo")).unwrap();
    let mut changed = whole.clone();
    changed[whole.len() / 2] ^= 0xff;
    for (name, bytes) in [
        ("empty", Vec::new()),
        ("text", b"(component)".to_vec()),
        ("module", b"\0asm\x01\0\0\0".to_vec()),
        ("cut", whole[..whole.len() / 2].to_vec()),
        ("longer", [&whole[..], b"more"].concat()),
    ] {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        let error = host.load(config(path)).await.unwrap_err();
        assert!(matches!(error, LoadError::NotAComponent(_) | LoadError::Invalid(_)), "{name}: {error}");
    }
    let error = host.load(config(folder.path().join("missing"))).await.unwrap_err();
    assert!(matches!(error, LoadError::Read { .. }), "{error}");
    let path = folder.path().join("large");
    fs::File::create(&path).unwrap().set_len((32 << 20) + 1).unwrap();
    assert!(matches!(host.load(config(path)).await.unwrap_err(), LoadError::TooLarge { .. }));
}

#[tokio::test]
async fn another_component_than_the_configured_one_is_refused() {
    let host = Host::new();
    let mut right = config(stock("echo"));
    right.digest = Some(inspect(&fs::read(stock("echo")).unwrap()).unwrap().digest);
    host.load(right.clone()).await.unwrap();
    right.source = stock("chat").into();
    assert!(matches!(host.load(right).await.unwrap_err(), LoadError::Digest { .. }));
}

#[tokio::test]
async fn a_large_memory_limit_takes_a_component_out_of_the_pool() {
    let host = Host::with_instances(1);
    let mut config = config(guest("reporter"));
    config.limits.memory_max = 128 << 20;
    let route = host.route_with(config, socklet_plugin::InstancePolicy::Connection).await;
    let (mut a, mut b) = (route.connect("").await, route.connect("").await);
    assert!(a.ask("me").await.contains("ok") && b.ask("me").await.contains("ok"));
}

#[tokio::test]
async fn what_was_compiled_is_used_again_unless_it_was_touched() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("cache");
    let plugins = || {
        let mut config = EngineConfig::new(cache.clone());
        config.max_instances = 4;
        Plugins::new(config, &mut Default::default()).unwrap()
    };
    let artifacts = |cache: &Path| {
        let entries = fs::read_dir(cache).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.file_name().is_some_and(|name| name != "key")).collect::<Vec<_>>()
    };
    plugins().load(config(stock("echo"))).await.unwrap();
    let [artifact] = &artifacts(&cache)[..] else { panic!("one artifact") };
    let inode = |path: &Path| fs::metadata(path).unwrap().ino();
    let (written, bytes) = (inode(artifact), fs::read(artifact).unwrap());

    plugins().load(config(stock("echo"))).await.unwrap();
    assert_eq!(inode(artifact), written, "used as it is");

    let mut damaged = bytes.clone();
    *damaged.last_mut().unwrap() ^= 1;
    fs::write(artifact, &damaged).unwrap();
    plugins().load(config(stock("echo"))).await.unwrap();
    assert_ne!(fs::read(artifact).unwrap(), damaged, "written anew");
    assert_eq!(artifacts(&cache).len(), 1);
}

#[test]
fn inspection_is_data() {
    let inspection = inspect(&fs::read(stock("chat")).unwrap()).unwrap();
    assert_eq!(inspection.kind, Some(Kind::Behavior));
    let json = serde_json::to_value(&inspection).unwrap();
    assert_eq!(json["kind"], "behavior");
    assert_eq!(json["would_load"], true);
    assert_eq!(json["allocation"], "lean");
}
