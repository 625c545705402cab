//! Deadlines: no test waits for ever, and none sleeps and hopes.

use std::{future::Future, time::Duration};
use tokio::time::{Instant, sleep, timeout};

/// The longest that anything is waited for. Generous: a busy machine is no mistake of the server.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The pause between two looks at a condition.
const PAUSE: Duration = Duration::from_millis(10);

/// Waits for `future`.
///
/// # Panics
///
/// With `what`, when it is not done within [`PATIENCE`].
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("{what}: not within {PATIENCE:?}"),
    }
}

/// Asks again and again until the answer is yes.
///
/// # Panics
///
/// With `what`, when it is not yes within [`PATIENCE`].
pub async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition().await {
        assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        sleep(PAUSE).await;
    }
}
