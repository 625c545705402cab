//! JavaScript and TypeScript: QuickJS, with the plugin's modules in it, by componentize-qjs.

use crate::{AuthorError, Kind, Language, Project, embedded, project::OptionalExport, tool::Tool, world::World};
use std::{
    fs,
    path::{Path, PathBuf},
};

const NAME: &str = "JavaScript";
/// What to install where Node.js or npm is missing.
const INSTALL: &str = "install Node.js 18 or later with npm: `apt-get install nodejs npm` on Debian and Ubuntu";

/// The project's world, and random numbers: the engine's own would be the same in every instance.
const WORLD: &str = "js";
const WORLD_TEXT: &str = "/// What the engine needs beside.\nworld js {\n    include this;\n    \
    import wasi:random/random@0.2.0;\n}\n";
const RANDOM: &str = "package wasi:random@0.2.0;\n\n/// Random numbers for secrets.\ninterface random {\n    \
    /// Returns `len` bytes.\n    get-random-bytes: func(len: u64) -> list<u8>;\n}\n";

pub(super) fn prepare(project: &Project, world: &World) -> Result<(), AuthorError> {
    let generated = project.generated();
    embedded::write::<embedded::SdkJs>("", &generated.join("sdk"), |name, text| (name.to_owned(), text))?;
    embedded::put(&world.folder.join("deps/wasi-random/random.wit"), RANDOM.as_bytes())?;
    embedded::put(&world.folder.join("js.wit"), WORLD_TEXT.as_bytes())?;
    embedded::put(&generated.join("entry.js"), entry(project).as_bytes())
}

pub(super) fn compile(project: &Project, world: &World) -> Result<Vec<u8>, AuthorError> {
    if project.language == Language::Ts {
        // Types, and JavaScript into `.socklet/js`, where the entry looks for it.
        node(project, "typescript/bin/tsc")?
            .arg("--project")
            .arg("tsconfig.json")
            .current_dir(&project.folder)
            .run()?;
    }
    let output = project.generated().join("plugin.wasm");
    node(project, "componentize-qjs/cli.mjs")?
        .arg("--wit")
        .arg(&world.folder)
        .args(["--world", WORLD, "--js"])
        .arg(project.generated().join("entry.js"))
        .arg("--module-root")
        .arg(&project.folder)
        // Without it the component would need a host with asynchronous functions.
        .arg("--sync")
        .arg("--output")
        .arg(&output)
        .run()?;
    fs::read(&output).map_err(|error| AuthorError::File { path: output, error })
}

/// A script of a package of the project, to be run by Node.js. Packages are looked for as Node.js does; where they are not there, those
/// of the project's lock file are installed.
fn node(project: &Project, script: &str) -> Result<Tool, AuthorError> {
    let node = Tool::find(NAME, &["node"], INSTALL)?;
    if let Some(path) = find(&project.folder, script)? {
        return Ok(node.arg(path));
    }
    let locked = project.folder.join("package-lock.json").exists();
    Tool::find(NAME, &["npm"], INSTALL)?
        .arg(if locked { "ci" } else { "install" })
        .args(["--no-audit", "--no-fund", "--ignore-scripts"])
        .current_dir(&project.folder)
        .run()?;
    let missing = || AuthorError::Missing {
        tool: script.to_owned(),
        language: NAME,
        install: "add its package to devDependencies in package.json, as `socklet new` writes it".to_owned(),
    };
    Ok(node.arg(find(&project.folder, script)?.ok_or_else(missing)?))
}

/// A file in the `node_modules` of a folder, or of one above.
fn find(folder: &Path, script: &str) -> Result<Option<PathBuf>, AuthorError> {
    let folder = folder.canonicalize().map_err(|error| AuthorError::File { path: folder.to_owned(), error })?;
    Ok(folder.ancestors().map(|above| above.join("node_modules").join(script)).find(|path| path.is_file()))
}

/// The module that the component is made of: it brings together what the host offers, the SDK and the plugin.
fn entry(project: &Project) -> String {
    let plugin = match project.language {
        Language::Ts => "./js/src/plugin.js",
        _ => "../src/plugin.js",
    };
    let mut lines = vec![
        "// Made by `socklet build`.".to_owned(),
        "import \"./sdk/platform.js\";".to_owned(),
        "import * as logging from \"socklet:plugin/logging\";".to_owned(),
        "import * as config from \"wasi:config/store\";".to_owned(),
        "import * as random from \"wasi:random/random\";".to_owned(),
    ];
    if project.kind == Kind::Authenticator {
        lines.push("import { serveAuthenticator } from \"./sdk/serve.js\";".to_owned());
        lines.push(format!("import plugin from \"{plugin}\";\n"));
        lines.push(
            "export const { authenticator } = serveAuthenticator(plugin, { logging, config, random });\n".to_owned(),
        );
        return lines.join("\n");
    }
    let interfaces = ["connections", "topics", "heartbeat", "timers"];
    lines.extend(interfaces.map(|name| format!("import * as {name} from \"socklet:plugin/{name}\";")));
    lines.push("import { serveBehavior } from \"./sdk/serve.js\";".to_owned());
    lines.push(format!("import plugin from \"{plugin}\";\n"));
    let exports: Vec<&str> = project.exports.iter().map(|export| export.as_str()).collect();
    let names: Vec<&str> =
        ["behavior"].into_iter().chain(project.exports.iter().map(|export| variable(*export))).collect();
    lines.push(format!(
        "export const {{ {} }} = serveBehavior(\n    plugin,\n    {{ logging, config, random, {} }},\n    {exports:?},\n);\n",
        names.join(", "),
        interfaces.join(", "),
    ));
    lines.join("\n")
}

/// What an optional export is called in JavaScript.
fn variable(export: OptionalExport) -> &'static str {
    match export {
        OptionalExport::Frames => "frames",
        OptionalExport::State => "state",
        OptionalExport::TimerEvents => "timerEvents",
    }
}
