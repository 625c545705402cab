//! The folder of tenants: one file for each, `NAME.toml`, with its quotas, routes and plugins.

use super::{
    PluginPlan, Problems, RoutePlan,
    base::Base,
    document,
    environment::Environment,
    mistake::{Mistake, Mistakes, Place},
    plugins,
    reader::Reader,
    routes, sections, tenants,
};
use socklet_core::{Quotas, TenantName};
use std::{
    collections::BTreeMap,
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    sync::Arc,
};

/// A tenant that has a file of its own.
#[derive(Clone, Debug)]
pub(crate) struct TenantFile {
    pub(crate) name: TenantName,
    /// The file as it is named in mistakes.
    pub(crate) file: Arc<str>,
    pub(crate) quotas: Quotas,
    pub(crate) routes: Vec<Arc<RoutePlan>>,
    pub(crate) plugins: Vec<PluginPlan>,
}

/// What is in the file of a tenant.
#[derive(Clone, Debug)]
pub(crate) enum Written {
    /// What is there now.
    AsItIs,
    /// This, which is not written yet.
    Text(String),
    /// There will be no file.
    Gone,
}

/// What a file of a tenant can say.
const SECTIONS: &[&str] = &["quotas", "route", "plugin"];

/// The largest file of a tenant in bytes.
pub(crate) const MAX_FILE: u64 = 1 << 20;

/// The most files.
const MAX_FILES: usize = 100_000;

/// Every tenant in the folder, by name. Files that do not end in `.toml`, hidden ones and folders are not looked at: they may be
/// components, or what an editor leaves. Mistakes are noted; a file with one is left out.
pub(super) fn read_all(folder: &Path, base: &Base, problems: &Problems) -> BTreeMap<TenantName, Arc<TenantFile>> {
    let wrong = |path: &Path, message: String| problems.add(Mistake::new(beginning(path), None, message));
    let paths = match paths(folder) {
        Ok(paths) => paths,
        Err(error) => {
            wrong(folder, format!("failed to read the folder of tenants: {error}"));
            return BTreeMap::new();
        }
    };
    if paths.len() > MAX_FILES {
        wrong(folder, format!("{} files of tenants, and {MAX_FILES} are the most", paths.len()));
        return BTreeMap::new();
    }
    let mut tenants = BTreeMap::new();
    for path in paths {
        match name_of(&path) {
            Ok(name) => match read(name, &path, base) {
                Ok(tenant) => drop(tenants.insert(tenant.name.clone(), Arc::new(tenant))),
                Err(mistakes) => problems.add_all(mistakes),
            },
            Err(message) => wrong(&path, message),
        }
    }
    tenants
}

/// One tenant of the folder, as its file will be; none where there will be none.
///
/// # Errors
///
/// Every mistake in it.
pub(super) fn read_one(
    folder: &Path,
    name: &TenantName,
    written: &Written,
    base: &Base,
) -> Result<Option<TenantFile>, Mistakes> {
    let path = path_of(folder, name);
    match written {
        Written::AsItIs if path.symlink_metadata().is_err() => Ok(None),
        Written::AsItIs => read(name.clone(), &path, base).map(Some),
        Written::Text(text) => understand(name.clone(), &path, text, base).map(Some),
        Written::Gone => Ok(None),
    }
}

/// Where the file of a tenant is.
pub(crate) fn path_of(folder: &Path, name: &TenantName) -> PathBuf {
    folder.join(format!("{name}.toml"))
}

fn paths(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in folder.read_dir()? {
        let path = entry?.path();
        let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if !hidden && path.extension().is_some_and(|extension| extension == "toml") && !path.is_dir() {
            paths.push(path);
        }
    }
    paths.sort_unstable();
    Ok(paths)
}

fn name_of(path: &Path) -> Result<TenantName, String> {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    stem.parse().map_err(|error| format!("the name of the file is that of the tenant, and {error}"))
}

fn read(name: TenantName, path: &Path, base: &Base) -> Result<TenantFile, Mistakes> {
    let failed = |message: String| Mistakes::from(Mistake::new(beginning(path), None, message));
    understand(name, path, &text(path).map_err(failed)?, base)
}

/// Reads a text as the file of a tenant that is at a path.
fn understand(name: TenantName, path: &Path, text: &str, base: &Base) -> Result<TenantFile, Mistakes> {
    let file: Arc<str> = path.display().to_string().into();
    let document = document(text, &file)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let problems = Problems::default();
    let tenant = {
        // Variables are for the main file.
        let environment = Environment::default();
        let reader = Reader::new(file.clone(), text, &environment, &problems);
        let top = reader.top_of(document.as_table(), SECTIONS);
        let around = routes::Around { base, folder, owner: Some(&name), own: &top.names("plugin") };
        let quotas = sections::Quotas::read(&top.one("quotas"), Some(&base.quotas));
        let plugins = plugins::plugins(&top, folder, Some(&name));
        let routes = routes::routes(&top, &around);
        (quotas, plugins.into_iter().collect::<Option<_>>(), routes.into_iter().collect::<Option<Vec<_>>>())
    };
    if let Some(routes) = &tenant.2 {
        routes::conflicts(routes.iter(), &problems);
    }
    problems.into_result()?;
    let (Some(quotas), Some(plugins), Some(routes)) = tenant else {
        unreachable!("whatever is missing was noted as a mistake")
    };
    Ok(TenantFile { name, file, quotas: tenants::quotas(&quotas), routes, plugins })
}

fn text(path: &Path) -> Result<String, String> {
    let failed = |error: std::io::Error| format!("failed to read it: {error}");
    // Asked first: to open a pipe would wait.
    if !path.is_file() {
        return Err("it is not a file".to_owned());
    }
    let mut text = String::new();
    File::open(path).map_err(failed)?.take(MAX_FILE + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > MAX_FILE {
        return Err(format!("it is too large; expected at most {MAX_FILE} bytes"));
    }
    Ok(text)
}

fn beginning(path: &Path) -> Place {
    Place::in_file(path.display().to_string().into(), 1, "")
}
