//! Makes and builds projects from the command line: `author new LANG NAME [behavior|authenticator]`, `author build [FOLDER]`.

use socklet_author::{Kind, Language, Project, build, create};
use std::{path::Path, process::ExitCode};

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args[..] {
        ["new", language, name] => new(language, name, Kind::Behavior),
        ["new", language, name, "authenticator"] => new(language, name, Kind::Authenticator),
        ["build"] => built("."),
        ["build", folder] => built(folder),
        _ => Err("usage: author new LANG NAME [authenticator] | author build [FOLDER]".to_owned()),
    };
    match done {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn new(language: &str, name: &str, kind: Kind) -> Result<String, String> {
    let language: Language = language.parse()?;
    let created = create(Path::new(name), name, language, kind).map_err(|error| error.to_string())?;
    Ok(created.files.join("\n"))
}

fn built(folder: &str) -> Result<String, String> {
    let built =
        Project::read(Path::new(folder)).and_then(|project| build(&project)).map_err(|error| error.to_string())?;
    Ok(format!("{} ({} bytes)", built.component.display(), built.size))
}
