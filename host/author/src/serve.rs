//! A configuration that serves a project's plugin: what `socklet new` writes, and what `socklet dev` serves where there is none.

use crate::{Kind, Project, probe};

/// What it is called.
pub const CONFIGURATION: &str = "socklet.toml";

/// A configuration for a project. Paths in it start from the project's folder.
pub fn configuration(project: &Project) -> String {
    let name = &project.name;
    let head = "# What `socklet dev` and `socklet serve` serve. Every key that there is: `socklet config default`.\n\n";
    let source = format!("[plugin.{name}]\nsource = \"file:build/{name}.wasm\"\n");
    match project.kind {
        Kind::Behavior => format!("{head}[[route]]\npath = \"/\"\nbehavior = \"{name}\"\n\n{source}"),
        Kind::Authenticator => format!(
            "{head}[[route]]\npath = \"/\"\nauthenticators = [\"{name}\"]\nbehavior = \"echo\"\n\n{source}\n\
             # Sends everything back: to see who gets in.\n[plugin.echo]\nsource = \"file:.socklet/{}\"\n",
            probe::FILE
        ),
    }
}
