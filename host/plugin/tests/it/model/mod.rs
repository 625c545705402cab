//! Random lives: events, sleeps, swaps, roll-backs, traps and ends, against a model of what must come of them.
//!
//! `SOCKLET_MODEL_CASES` asks for more cases than usual, `SOCKLET_MODEL_SEED` for others.

mod steps;
mod world;

use crate::harness::Host;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use std::{fmt::Debug, str::FromStr};
use tokio::runtime::Handle;
use world::World;

const CASES: u32 = 160;

#[test]
fn nothing_is_lost_or_doubled_whatever_happens() {
    let cases = setting("SOCKLET_MODEL_CASES").unwrap_or(CASES);
    let seed = setting::<u64>("SOCKLET_MODEL_SEED").unwrap_or_default();
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 200, ..Config::default() };
    // Compiled once, for all.
    let cache = tempfile::tempdir().unwrap();
    let lived = TestRunner::new_with_rng(config, rng).run(&steps::life(), |life| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let host = Host::with(|config| {
                config.cache_dir = cache.path().join("cache");
                config.time = Some(Handle::current());
            });
            let mut world = World::new(host, life.policy).await;
            for step in life.steps {
                world.take(step).await.map_err(TestCaseError::fail)?;
            }
            world.end().await.map_err(TestCaseError::fail)
        })
    });
    if let Err(failure) = lived {
        panic!("{failure}");
    }
}

fn setting<T: FromStr<Err: Debug>>(name: &str) -> Option<T> {
    std::env::var(name).ok().map(|value| value.parse().unwrap())
}
