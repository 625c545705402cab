//! The library as authors use it, on stock plugins and on guests that misbehave.

mod instances;
mod messages;
mod time;

use std::path::PathBuf;

/// A stock plugin.
fn stock(name: &str) -> PathBuf {
    built(&format!("plugins/target/wasm32-wasip2/release/{name}.wasm"), "make plugins")
}

/// A component for tests.
fn guest(name: &str) -> PathBuf {
    built(&format!("tests/guests/target/wasm32-wasip2/release/examples/{name}.wasm"), "make guests")
}

fn built(path: &str, how: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(path);
    assert!(path.exists(), "{} is missing: run `{how}` first", path.display());
    path
}

/// What a panic says.
fn panic_of(work: impl FnOnce()) -> String {
    let payload = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).expect_err("it panics");
    payload.downcast_ref::<String>().expect("with a text").clone()
}
