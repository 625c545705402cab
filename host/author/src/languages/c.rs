//! C, by clang and wasi-libc: SDK, bindings and the project's own files, compiled and linked to a core module.

use super::bindings;
use crate::{AuthorError, Kind, Project, embedded, encode, tool::Tool, world::World};
use std::{
    env, fs,
    path::{Path, PathBuf},
};

const LANGUAGE: &str = "C";
/// From new to old; the last is what the system calls its own.
const CLANGS: [&str; 8] = ["clang-22", "clang-21", "clang-20", "clang-19", "clang-18", "clang-17", "clang-16", "clang"];
const INSTALL: &str = "install clang with its WebAssembly parts and wasi-libc: on Debian and Ubuntu `apt-get install clang-19 lld-19 \
    wasi-libc libclang-rt-19-dev-wasm32`; elsewhere unpack a wasi-sdk and name its folder in WASI_SDK_PATH";

/// What no file of a project is compiled without.
const FLAGS: [&str; 6] = ["-std=c17", "-Oz", "-Wall", "-Wextra", "-ffunction-sections", "-fdata-sections"];

/// 64 KiB of stack, and room for the first allocations: what makes an instance lean.
const LINK: [&str; 3] =
    ["-mexec-model=reactor", "-Wl,--stack-first,-zstack-size=65536,--strip-all", "-Wl,--initial-memory=262144"];

/// Where the compiler and the C library are.
struct Toolchain {
    clang: PathBuf,
    flags: [String; 2],
}

pub(super) fn prepare(project: &Project, world: &World) -> Result<(), AuthorError> {
    embedded::mirror::<embedded::SdkC>(&sdk(project))?;
    bind(project, world)
}

pub(super) fn compile(project: &Project, world: &World) -> Result<Vec<u8>, AuthorError> {
    let toolchain = Toolchain::find()?;
    let own = sources(&project.folder.join("src"))?;
    if own.is_empty() {
        let error = std::io::Error::other("there is no .c file in it");
        return Err(AuthorError::File { path: project.folder.join("src"), error });
    }
    let mut objects = Vec::new();
    let generated = sources(&sdk(project))?.into_iter().chain(sources(&bindings_of(project))?);
    for (index, source) in generated.chain(own).enumerate() {
        objects.push(toolchain.object(project, &source, index)?);
    }
    let module = project.generated().join("build").join("core.wasm");
    toolchain.tool(project).args(objects).args(LINK).arg("-o").arg(&module).run()?;
    let module = fs::read(&module).map_err(|error| AuthorError::File { path: module.clone(), error })?;
    encode::component(world, &module)
}

/// The bindings, and the header that says which exports there are.
pub(super) fn bind(project: &Project, world: &World) -> Result<(), AuthorError> {
    let generator = wit_bindgen_c::Opts { no_object_file: true, ..Default::default() }.build();
    bindings::write(generator, world, &bindings_of(project))?;
    let mut header = String::from("/* What plugin.toml says. Written by `socklet build`. */\n#pragma once\n");
    if project.kind == Kind::Authenticator {
        header.push_str("#define SOCKLET_AUTHENTICATOR_WORLD\n");
    }
    for export in &project.exports {
        header.push_str(&format!("#define SOCKLET_{}\n", export.as_str().replace('-', "_").to_uppercase()));
    }
    embedded::put(&bindings_of(project).join("socklet_world.h"), header.as_bytes())
}

pub(super) fn sdk(project: &Project) -> PathBuf {
    project.generated().join("sdk")
}

pub(super) fn bindings_of(project: &Project) -> PathBuf {
    project.generated().join("bindings")
}

/// The C files of a folder, and of those in it, in the order of their names.
pub(super) fn sources(folder: &Path) -> Result<Vec<PathBuf>, AuthorError> {
    let failed = |error| AuthorError::File { path: folder.to_owned(), error };
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() {
            found.extend(sources(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "c") {
            found.push(path);
        }
    }
    found.sort_unstable();
    Ok(found)
}

// === impl Toolchain ===

impl Toolchain {
    /// The wasi-sdk that WASI_SDK_PATH names, else the system's clang with the system's wasi-libc.
    fn find() -> Result<Self, AuthorError> {
        let missing = |tool: &str| AuthorError::Missing {
            tool: tool.to_owned(),
            language: LANGUAGE,
            install: INSTALL.to_owned(),
        };
        if let Some(folder) = env::var_os("WASI_SDK_PATH") {
            let folder = PathBuf::from(folder);
            let clang = folder.join("bin").join("clang");
            if !clang.is_file() {
                return Err(missing("bin/clang in WASI_SDK_PATH"));
            }
            let sysroot = folder.join("share").join("wasi-sysroot");
            return Ok(Self { clang, flags: flags("wasm32-wasip1", &sysroot) });
        }
        let clang = CLANGS.iter().find_map(|name| which::which(name).ok()).ok_or_else(|| missing("clang"))?;
        if !Path::new("/usr/include/wasm32-wasi/stdio.h").is_file() {
            return Err(missing("wasi-libc"));
        }
        Ok(Self { clang, flags: flags("wasm32-wasi", Path::new("/usr")) })
    }

    /// Compiles one file.
    fn object(&self, project: &Project, source: &Path, index: usize) -> Result<PathBuf, AuthorError> {
        let stem = source.file_stem().unwrap_or_default().to_string_lossy();
        let object = project.generated().join("build").join(format!("{index}-{stem}.o"));
        if let Some(folder) = object.parent() {
            fs::create_dir_all(folder).map_err(|error| AuthorError::File { path: folder.to_owned(), error })?;
        }
        let own = source.starts_with(project.folder.join("src"));
        // What was generated has warnings of its own.
        let quiet = if own { [].as_slice() } else { &["-w"] };
        let include = |folder: PathBuf| format!("-I{}", folder.display());
        self.tool(project)
            .args(FLAGS)
            .args(quiet)
            .args([include(sdk(project)), include(bindings_of(project)), include(project.folder.join("src"))])
            .arg("-c")
            .arg(source)
            .arg("-o")
            .arg(&object)
            .run()?;
        Ok(object)
    }

    fn tool(&self, project: &Project) -> Tool {
        Tool::at(&self.clang).args(&self.flags).current_dir(&project.folder)
    }
}

fn flags(target: &str, sysroot: &Path) -> [String; 2] {
    [format!("--target={target}"), format!("--sysroot={}", sysroot.display())]
}
