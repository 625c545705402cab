//! Folders and files: there, private where they must be, writable, with room.

use super::Finding;
use crate::{Config, config::TenantFile};
use rustix::fs::{Access, access, statvfs};
use std::{
    fs::{self, Metadata},
    os::unix::fs::MetadataExt,
    path::Path,
};

/// Compiled plugins of a busy server are some hundred megabytes.
const ROOM: u64 = 512 << 20;
/// Bits that let others write.
const WRITABLE_BY_OTHERS: u32 = 0o002;
/// Bits that let anybody else in.
const OPEN_TO_OTHERS: u32 = 0o077;

pub(super) fn examine(config: &Config) -> Vec<Finding> {
    let mut findings = vec![cache(&config.engine.cache_dir)];
    if let Some(usage) = &config.usage {
        findings.push(writable("usage.folder", &usage.folder));
    }
    if let Some(uploads) = config.admin.as_ref().and_then(|admin| admin.uploads.as_ref()) {
        findings.push(writable("admin.uploads_dir", uploads));
    }
    if let Some(folder) = &config.engine.keyvalue.folder {
        findings.push(writable("grants.keyvalue_dir", folder));
    }
    if let Some(file) = config.file() {
        findings.extend(not_for_all(&format!("configuration {}", file.display()), file));
    }
    if let Some(folder) = config.tenants_dir() {
        findings.extend(not_for_all("tenants_dir", folder));
    }
    for TenantFile { name, file, .. } in config.files.values().map(|file| &**file) {
        findings.extend(not_for_all(&format!("tenant {name}"), Path::new(&**file)));
    }
    for plan in config.all_plugins() {
        findings.extend(not_for_all(&format!("plugin {}", plan.id()), &plan.source));
    }
    findings
}

/// The folder of compiled plugins. Whoever can write there can run code in the server.
fn cache(folder: &Path) -> Finding {
    let about = "engine.cache_dir";
    if let Ok(metadata) = folder.symlink_metadata() {
        let mode = metadata.mode() & 0o777;
        if !metadata.is_dir() {
            let found = format!("{} is not a folder", folder.display());
            return Finding::problem(about, found, "name the folder itself, not a link to it");
        }
        if mode & OPEN_TO_OTHERS != 0 {
            let found = format!("{} has the mode {mode:o}, so that others can reach it", folder.display());
            return Finding::problem(about, found, format!("chmod 700 {}", folder.display()));
        }
    }
    writable(about, folder)
}

/// A folder to write to, which need not exist yet.
fn writable(about: &str, folder: &Path) -> Finding {
    let here = |path| if path == Path::new("") { Path::new(".") } else { path };
    let Some(existing) = folder.ancestors().map(here).find(|path| path.exists()) else {
        return Finding::problem(about, format!("there is no {}", folder.display()), "make it");
    };
    if access(existing, Access::WRITE_OK | Access::EXEC_OK).is_err() {
        let found = format!("this user cannot write to {}", existing.display());
        return Finding::problem(about, found, format!("make {} for the server's user", folder.display()));
    }
    match statvfs(existing) {
        Ok(stat) if stat.f_bavail.saturating_mul(stat.f_frsize) < ROOM => {
            let left = stat.f_bavail.saturating_mul(stat.f_frsize) >> 20;
            Finding::warning(about, format!("{left} MiB are free at {}", existing.display()), "make room")
        }
        Ok(_) => Finding::ok(about, folder.display().to_string()),
        Err(error) => Finding::warning(about, format!("{}: {error}", existing.display()), "look at the file system"),
    }
}

/// A file that nobody but its owner and group should be able to change: what is in it decides what runs.
fn not_for_all(about: &str, path: &Path) -> Option<Finding> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let open = |metadata: &Metadata| metadata.mode() & WRITABLE_BY_OTHERS != 0;
    // In a folder like /tmp others can make files, and not replace them.
    let sticky = |metadata: &Metadata| metadata.mode() & 0o1000 != 0;
    let file = fs::metadata(path).ok()?;
    if open(&file) {
        return Some(Finding::problem(about, "everybody can change the file", format!("chmod o-w {}", path.display())));
    }
    let folder_is_open = fs::metadata(folder).is_ok_and(|metadata| open(&metadata) && !sticky(&metadata));
    folder_is_open.then(|| {
        let found = format!("everybody can put another file in its place: {} is open to all", folder.display());
        Finding::problem(about, found, format!("chmod o-w {}", folder.display()))
    })
}

#[cfg(test)]
mod tests {
    use super::{super::Verdict, *};
    use std::{fs::Permissions, os::unix::fs::PermissionsExt};

    fn set(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn the_cache_is_for_one_user() {
        let folder = tempfile::tempdir().unwrap();
        set(folder.path(), 0o700);
        assert_eq!(cache(folder.path()).verdict, Verdict::Ok);
        assert_eq!(cache(&folder.path().join("not/yet")).verdict, Verdict::Ok);
        set(folder.path(), 0o750);
        let finding = cache(folder.path());
        assert_eq!(finding.verdict, Verdict::Problem);
        assert!(finding.advice.unwrap().starts_with("chmod 700 "));
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        assert_eq!(cache(&file).verdict, Verdict::Problem);
    }

    #[test]
    fn what_everybody_can_change_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("plugin.wasm");
        fs::write(&file, "").unwrap();
        set(&file, 0o664);
        assert!(not_for_all("it", &file).is_none());
        set(&file, 0o666);
        assert_eq!(not_for_all("it", &file).unwrap().found, "everybody can change the file");
        set(&file, 0o644);
        set(folder.path(), 0o777);
        assert!(not_for_all("it", &file).unwrap().found.starts_with("everybody can put another file"));
        set(folder.path(), 0o1777);
        assert!(not_for_all("it", &file).is_none());
    }
}
