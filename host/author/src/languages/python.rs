//! Python: CPython, with the plugin's modules in it, by componentize-py.

use crate::{AuthorError, Kind, Project, embedded, project::OptionalExport, tool::Tool, world, world::World};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

const NAME: &str = "Python";
/// What to install where Python is missing.
const INSTALL: &str =
    "install Python 3.10 or later with venv: `apt-get install python3 python3-venv` on Debian and Ubuntu";
/// What makes components. Another version may name things otherwise.
const COMPONENTIZE: &str = "componentize-py";
const VERSION: &str = "0.25.1";
/// The module that the component is made of.
const ENTRY: &str = "socklet_entry";
/// What a project needs, as pip has it.
const REQUIREMENTS: &str = "requirements.txt";

pub(super) fn prepare(project: &Project, _world: &World) -> Result<(), AuthorError> {
    let sdk = project.generated().join("sdk");
    embedded::write::<embedded::SdkPython>("", &sdk, |name, text| (name.to_owned(), text))?;
    embedded::put(&sdk.join(ENTRY).with_extension("py"), entry(project).as_bytes())
}

pub(super) fn compile(project: &Project, world: &World) -> Result<Vec<u8>, AuthorError> {
    let output = project.generated().join("plugin.wasm");
    let environment = project.folder.join(".venv");
    let tool = componentize(project, &environment)?;
    // Without `--stub-wasi`, which would have every instance draw the same random numbers.
    tool.arg("--quiet")
        .arg("--wit-path")
        .arg(&world.folder)
        .args(["--world", world::WORLD, "componentize", ENTRY])
        .arg("--python-path")
        .arg(project.folder.join("src"))
        .arg("--python-path")
        .arg(project.generated().join("sdk"))
        .arg("--output")
        .arg(&output)
        // Where it finds what else the project requires, so that it does not look at what this machine has.
        .env("VIRTUAL_ENV", if environment.exists() { environment } else { nothing(project)? })
        .run()?;
    fs::read(&output).map_err(|error| AuthorError::File { path: output, error })
}

/// The command in the project's own environment. A project that requires nothing of its own takes the one of the `PATH`; else the
/// environment is made.
fn componentize(project: &Project, environment: &Path) -> Result<Tool, AuthorError> {
    let own = environment.join("bin").join(COMPONENTIZE);
    if own.is_file() {
        return Ok(Tool::at(&own));
    }
    let requirements = project.folder.join(REQUIREMENTS);
    if !requirements.exists()
        && let Some(path) = which::which(COMPONENTIZE).ok().filter(|path| is_right(path))
    {
        return Ok(Tool::at(&path));
    }
    let python = Tool::find(NAME, &["python3", "python"], INSTALL)?;
    python.args(["-m", "venv"]).arg(environment).run()?;
    let pip = Tool::at(&environment.join("bin/python")).args(["-m", "pip", "install", "--quiet"]);
    if requirements.exists() {
        pip.arg("--requirement").arg(&requirements).run()?;
    } else {
        pip.arg(format!("{COMPONENTIZE}=={VERSION}")).run()?;
    }
    if own.is_file() {
        return Ok(Tool::at(&own));
    }
    let install = format!("add {COMPONENTIZE}=={VERSION} to {}", requirements.display());
    Err(AuthorError::Missing { tool: COMPONENTIZE.to_owned(), language: NAME, install })
}

/// An environment with nothing in it.
fn nothing(project: &Project) -> Result<PathBuf, AuthorError> {
    let environment = project.generated().join("environment");
    let packages = environment.join("lib/python3/site-packages");
    fs::create_dir_all(&packages).map_err(|error| AuthorError::File { path: packages, error })?;
    Ok(environment)
}

fn is_right(path: &Path) -> bool {
    let answer = Command::new(path).arg("--version").output();
    answer.is_ok_and(|answer| String::from_utf8_lossy(&answer.stdout).split_whitespace().any(|word| word == VERSION))
}

/// The module that brings together what the host offers, the SDK and the plugin.
fn entry(project: &Project) -> String {
    let (base, exported, imported) = match project.kind {
        Kind::Behavior => ("Behavior", "behavior", "connections, frames, heartbeat, logging, store, timers, topics"),
        Kind::Authenticator => ("Authenticator", "authenticator", "logging, store"),
    };
    let given: String = imported.split(", ").map(|name| format!("        {name}={name},\n")).collect();
    let exports: Vec<&str> = project.exports.iter().map(|export| export.as_str()).collect();
    let list = if project.kind == Kind::Behavior { format!(", {exports:?}") } else { String::new() };
    let mut text = format!(
        "\"\"\"Made by `socklet build`.\"\"\"\n\nfrom types import SimpleNamespace\n\n\
        from componentize_py_types import Err\nfrom socklet import _host, _serve\n\
        from wit_world.exports import {exported}\nfrom wit_world.imports import {imported}, types\n\n\
        # Before the plugin, which may log while it is imported.\n_host.bind(\n    SimpleNamespace(\n{given}        \
        Err=Err,\n        {exported}={exported},\n        types=types,\n    )\n)\n_serve.install_logging()\n\n\
        import plugin  # noqa: E402\n\n_exports = _serve.{base}Exports(_serve.find(plugin, _serve.{base}){list})\n"
    );
    match project.kind {
        Kind::Authenticator => text.push_str(&class("Authenticator", &["authenticate"])),
        Kind::Behavior => {
            text.push_str(&class("Behavior", &["on_upgrade", "on_open", "on_message", "on_close"]));
            for export in &project.exports {
                text.push_str(&match export {
                    OptionalExport::Frames => class("Frames", &["on_frame"]),
                    OptionalExport::State => class("State", &["save", "load"]),
                    OptionalExport::TimerEvents => class("TimerEvents", &["on_timer"]),
                });
            }
        }
    }
    text
}

/// An exported interface: a class whose methods are those of the SDK.
fn class(name: &str, hooks: &[&str]) -> String {
    let hooks: String = hooks.iter().map(|hook| format!("    {hook} = staticmethod(_exports.{hook})\n")).collect();
    format!("\n\nclass {name}:\n{hooks}")
}
