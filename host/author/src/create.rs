//! `socklet new`: a project that builds, with a test and a README.

use crate::{AuthorError, Kind, Language, Project, embedded, languages, project, serve, world};
use std::{fs, path::Path};

/// What was made.
#[derive(Debug)]
pub struct Created {
    /// The project.
    pub project: Project,
    /// Its files, named from its folder.
    pub files: Vec<String>,
}

/// Makes a project in a folder that is not there yet, or empty.
///
/// # Errors
///
/// When the name is none, the folder has something in it or cannot be written.
pub fn create(folder: &Path, name: &str, language: Language, kind: Kind) -> Result<Created, AuthorError> {
    if !project::is_name(name) {
        return Err(AuthorError::Name(name.to_owned()));
    }
    if fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(AuthorError::Occupied(folder.to_owned()));
    }
    // A name in a template is `{{name}}`; `{{ident}}` is the same as an identifier of every language.
    let fill = |path: &str, text: String| {
        let ident = name.replace('-', "_");
        let fill = |text: &str| text.replace("{{name}}", name).replace("{{ident}}", &ident);
        // Cargo and npm would take a template for a package of this repository, and git its dotfiles: `NAME.in` and `dot-NAME`.
        let path = fill(path.strip_suffix(".in").unwrap_or(path)).replace("dot-", ".");
        (path, fill(&text))
    };
    let mut files = Vec::new();
    for part in ["common", kind.as_str()] {
        files.extend(embedded::write::<embedded::Templates>(&format!("{language}/{part}/"), folder, fill)?);
    }
    let project = Project::read(folder)?;
    let configuration = serve::configuration(&project);
    // A template may have one that says more.
    if !files.iter().any(|file| file == serve::CONFIGURATION) {
        embedded::put(&folder.join(serve::CONFIGURATION), configuration.as_bytes())?;
        files.push(serve::CONFIGURATION.to_owned());
    }
    files.sort_unstable();
    // So that editors know the types before the first build.
    languages::prepare(&project, &world::write(&project)?)?;
    Ok(Created { project, files })
}
