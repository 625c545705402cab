//! Says what a component is, without running or compiling it.

use crate::{
    contract::{self, Import, Kind},
    engine::{Allocation, LEAN_MEMORY},
    error::LoadError,
    grants::Grant,
    precheck::{self, MAX_SIZE, Shape},
    producers::{self, Producer},
    profile::{features, slot},
};
use sha2::{Digest, Sha256};
use wasmparser::Validator;

/// What a component is, and whether this host would load it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Inspection {
    /// `sha256:` and 64 hex digits.
    pub digest: String,
    /// Bytes of the component.
    pub size: u64,
    /// What it is for.
    pub kind: Option<Kind>,
    /// What it imports.
    pub imports: Vec<Import>,
    /// What it must be granted to be loaded.
    pub grants: Vec<Grant>,
    /// What it exports; beside the hooks' interface that may be anything.
    pub exports: Vec<String>,
    /// Those of its exports that the host calls: `behavior` or `authenticator`, and optional ones such as `state`.
    pub hooks: Vec<String>,
    /// What it says of how it was made.
    pub producers: Vec<Producer>,
    /// Core modules in it.
    pub core_modules: u64,
    /// Functions in them.
    pub functions: u64,
    /// Bytes of code in them.
    pub code_bytes: u64,
    /// Core instances of one instance.
    pub core_instances: u64,
    /// Bytes of memory that one instance has at the start.
    pub memory_bytes: u64,
    /// How instances are allocated, under the default memory limit.
    pub allocation: Allocation,
    /// Whether this host would load it, with those grants.
    pub would_load: bool,
    /// Why not, and what to do.
    pub problems: Vec<String>,
}

/// Says what a component is. Takes no longer than reading it a few times.
///
/// # Errors
///
/// When the bytes are not a component, or not a valid one, or one that is refused before compilation.
pub fn inspect(bytes: &[u8]) -> Result<Inspection, LoadError> {
    if bytes.len() as u64 > MAX_SIZE {
        return Err(LoadError::TooLarge { size: bytes.len() as u64 });
    }
    recognize(bytes)?;
    let shape = precheck::measure(bytes)?;
    Validator::new_with_features(features()).validate_all(bytes)?;
    let (kind, mut problems) = contract::exports(&shape.exports);
    let (imports, import_problems) = contract::imports(&shape.imports, kind);
    problems.extend(import_problems);
    Ok(Inspection {
        digest: digest(bytes),
        size: bytes.len() as u64,
        kind,
        grants: Grant::needed(&imports),
        imports,
        exports: shape.exports.iter().map(|item| item.name.clone()).collect(),
        hooks: contract::hooks(&shape.exports),
        producers: producers::producers(bytes),
        core_modules: shape.core_modules,
        functions: shape.functions,
        code_bytes: shape.code_bytes,
        core_instances: shape.instance.core_instances,
        memory_bytes: shape.instance.memory_bytes,
        allocation: allocation(&shape),
        would_load: problems.is_empty(),
        problems,
    })
}

/// `sha256:` and 64 hex digits.
pub(crate) fn digest(bytes: &[u8]) -> String {
    format!("sha256:{:x}", Sha256::digest(bytes))
}

fn allocation(shape: &Shape) -> Allocation {
    let weight = &shape.instance;
    let fits = weight.core_instances <= slot::CORE_INSTANCES.into()
        && weight.memories <= slot::MEMORIES.into()
        && weight.memory_bytes <= slot::MEMORY as u64
        && weight.tables <= slot::TABLES.into()
        && weight.largest_table <= slot::TABLE_ELEMENTS as u64;
    match weight.memory_bytes {
        0..=LEAN_MEMORY if fits => Allocation::Lean,
        _ if fits => Allocation::Medium,
        _ => Allocation::Large,
    }
}

/// Whether the bytes begin as a component does; what they are instead, where that is easily said.
fn recognize(bytes: &[u8]) -> Result<(), LoadError> {
    let start = &bytes[..bytes.len().min(64)];
    let what = match bytes {
        [] => "the file is empty",
        [0, b'a', b's', b'm', 0x0d, 0, 1, 0, ..] => return Ok(()),
        [0, b'a', b's', b'm', 1, 0, 0, 0, ..] => {
            "it is a core module: build it for wasm32-wasip2, or run `wasm-tools component new` on it"
        }
        [0, b'a', b's', b'm', _, _, _, _, ..] => "it is of a version of WebAssembly that this host does not know",
        [0, b'a', b's', b'm', ..] => "the file is cut off",
        [0x7f, b'E', b'L', b'F', ..] => "it is a compiled file: give the component that it was compiled from",
        _ if start.trim_ascii_start().starts_with(b"(") => "it is text: run `wasm-tools parse` on it",
        _ => "it does not begin with the magic bytes of WebAssembly",
    };
    Err(LoadError::NotAComponent(what))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(bytes: &[u8]) -> String {
        inspect(bytes).unwrap_err().to_string()
    }

    #[test]
    fn what_is_no_component_is_named() {
        assert!(problem(b"").contains("empty"));
        assert!(problem(b"\0asm\x01\0\0\0").contains("core module"));
        assert!(problem(b"\0asm\x0d").contains("cut off"));
        assert!(problem(b"\x7fELF\x02").contains("compiled"));
        assert!(problem(b"  (component)").contains("text"));
        assert!(problem(b"export default {}").contains("magic"));
    }

    #[test]
    fn an_empty_component_is_valid_and_would_not_load() {
        let inspection = inspect(b"\0asm\x0d\0\x01\0").unwrap();
        assert!(!inspection.would_load);
        assert_eq!(inspection.kind, None);
        assert_eq!(inspection.allocation, Allocation::Lean);
    }
}
