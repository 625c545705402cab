//! Rust: cargo makes the component by itself; the SDK is a crate in `.socklet`.

use crate::{AuthorError, Project, embedded, tool::Tool, world::World};
use std::{fs, path::Path};
use wit_component::DecodedWasm;

const LANGUAGE: &str = "Rust";
const TARGET: &str = "wasm32-wasip2";
const INSTALL_CARGO: &str = "install Rust 1.95 or later, best by rustup";
const INSTALL_TARGET: &str = "run `rustup target add wasm32-wasip2`";

/// Where the SDK's bindings find the contract, in the repository and in a project.
const CONTRACT: (&str, &str) = ("../../wit/v0.1", "../wit");

/// The SDK's own manifest belongs to a workspace; this is the same without one. A test compares them.
const SDK_MANIFEST: &str = r#"[package]
name = "socklet-sdk"
description = "Writes Socklet plugins in Rust"
version = "0.1.0"
edition = "2024"
license = "Apache-2.0"
publish = false

[dependencies]
serde = { version = "1", features = ["derive"] }
serde_json = "1"
wit-bindgen = { version = "0.63", default-features = false, features = ["macros", "realloc"] }
"#;

pub(super) fn prepare(project: &Project, _world: &World) -> Result<(), AuthorError> {
    let sdk = project.generated().join("sdk");
    embedded::write::<embedded::SdkRust>("src/", &sdk.join("src"), |name, text| {
        (name.to_owned(), text.replace(CONTRACT.0, CONTRACT.1))
    })?;
    embedded::put(&sdk.join("Cargo.toml"), SDK_MANIFEST.as_bytes())
}

pub(super) fn compile(project: &Project, _world: &World) -> Result<Vec<u8>, AuthorError> {
    let cargo = Tool::find(LANGUAGE, &["cargo"], INSTALL_CARGO)?;
    let libraries = Tool::find(LANGUAGE, &["rustc"], INSTALL_CARGO)?
        .args(["--print", "target-libdir", "--target", TARGET])
        .current_dir(&project.folder)
        .output()?;
    if !Path::new(libraries.trim()).is_dir() {
        let (tool, install) = (format!("the target {TARGET}"), INSTALL_TARGET.to_owned());
        return Err(AuthorError::Missing { tool, language: LANGUAGE, install });
    }
    let target = project.folder.join("target");
    cargo
        .args(["build", "--release", "--target", TARGET, "--target-dir"])
        .arg(&target)
        .current_dir(&project.folder)
        .run()?;
    let file = target.join(TARGET).join("release").join(format!("{}.wasm", project.name.replace('-', "_")));
    let component = fs::read(&file).map_err(|error| AuthorError::File { path: file.clone(), error })?;
    check(project, &component)?;
    Ok(component)
}

/// What a plugin in Rust exports is said by its macro: it has to be what `plugin.toml` says.
fn check(project: &Project, component: &[u8]) -> Result<(), AuthorError> {
    let failed = |error| AuthorError::Component { doing: "failed to read what was compiled", error };
    let DecodedWasm::Component(resolve, world) = wit_component::decode(component).map_err(failed)? else {
        return Err(failed(anyhow::anyhow!("it is no component")));
    };
    let exports: Vec<String> = resolve.worlds[world].exports.keys().map(|key| resolve.name_world_key(key)).collect();
    let has = |name: &str| exports.iter().any(|export| export.starts_with(&format!("socklet:plugin/{name}@")));
    for name in ["frames", "state", "timer-events"] {
        let said = project.exports.iter().any(|export| export.as_str() == name);
        if said != has(name) {
            let (there, lacking) =
                if said { ("plugin.toml", "the export macro") } else { ("the export macro", "plugin.toml") };
            return Err(failed(anyhow::anyhow!("{there} has the export `{name}`, and {lacking} has not")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manifest_asks_for_what_the_workspace_asks_for() {
        let workspace = include_str!("../../../../plugins/Cargo.toml");
        for line in SDK_MANIFEST.lines().skip_while(|line| *line != "[dependencies]").filter(|line| line.contains('='))
        {
            assert!(workspace.contains(line), "{line}");
        }
        let own = include_str!("../../../../plugins/sdk-rust/Cargo.toml");
        assert_eq!(own.matches(".workspace = true").count(), 5 + 3, "a dependency came or went: {own}");
    }
}
