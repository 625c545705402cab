//! Makes and builds projects without the whole of Socklet: `author new LANG FOLDER [authenticator]`, `author build FOLDER`.

#![expect(clippy::print_stdout, reason = "a command prints")]

use anyhow::{Context, bail};
use socklet_author::{Kind, Project, build, create};
use std::{env, path::Path};

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["new", language, folder, rest @ ..] => {
            let language = language.parse().map_err(anyhow::Error::msg)?;
            let kind = if rest == ["authenticator"] { Kind::Authenticator } else { Kind::Behavior };
            let folder = Path::new(folder);
            let name = folder.file_name().and_then(|name| name.to_str()).context("a folder has a name")?;
            let created = create(folder, name, language, kind)?;
            println!("{}", created.files.join("\n"));
        }
        ["build", folder] => {
            let built = build(&Project::read(Path::new(folder))?)?;
            println!("{}: {} bytes", built.component.display(), built.size);
        }
        _ => bail!("author new LANG FOLDER [authenticator], or author build FOLDER"),
    }
    Ok(())
}
