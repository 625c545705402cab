//! A behavior that sends every message back: what an authenticator is tried with.

use crate::{AuthorError, Kind, Language, Project, encode, world};

/// What it is called in `.socklet`.
pub(crate) const FILE: &str = "echo.wasm";

/// Memory is taken from the end of what was taken before; each hook gives all of it back. Results are zeros: everything is well.
const MODULE: &str = r#"(module
  (import "socklet:plugin/connections@0.1.0" "send" (func $send (param i64 i32 i32 i32 i32)))
  (memory (export "memory") 1)
  (global $free (mut i32) (i32.const 256))
  (func (export "cabi_realloc") (param $old i32) (param $had i32) (param $align i32) (param $size i32) (result i32)
    (local $at i32) (local $missing i32)
    (local.set $at (i32.and
      (i32.add (global.get $free) (i32.sub (local.get $align) (i32.const 1)))
      (i32.sub (i32.const 0) (local.get $align))))
    (global.set $free (i32.add (local.get $at) (local.get $size)))
    (local.set $missing (i32.sub
      (i32.shr_u (i32.add (global.get $free) (i32.const 65535)) (i32.const 16))
      (memory.size)))
    (if (i32.gt_s (local.get $missing) (i32.const 0))
      (then (if (i32.eq (memory.grow (local.get $missing)) (i32.const -1)) (then unreachable))))
    (memory.copy (local.get $at) (local.get $old) (local.get $had))
    (local.get $at))
  (func (export "socklet:plugin/behavior@0.1.0#on-upgrade") (param i32) (result i32)
    (global.set $free (i32.const 256))
    (i32.const 0))
  (func (export "socklet:plugin/behavior@0.1.0#on-open") (param i64) (result i32)
    (i32.const 0))
  (func (export "socklet:plugin/behavior@0.1.0#on-message") (param i64 i32 i32 i32) (result i32)
    (call $send (local.get 0) (local.get 1) (local.get 2) (local.get 3) (i32.const 64))
    (global.set $free (i32.const 256))
    (i32.const 0))
  (func (export "socklet:plugin/behavior@0.1.0#on-close")
    (param i64 i32 i32 i32 i32 i32 i32 i32 i64 i64 i64)
    (global.set $free (i32.const 256))))
"#;

/// Writes it into the project's `.socklet`, for a configuration to name.
pub(crate) fn write(project: &Project) -> Result<(), AuthorError> {
    let folder = project.generated();
    let elsewhere = tempfile::tempdir().map_err(|error| AuthorError::File { path: folder.clone(), error })?;
    let echo = Project {
        folder: elsewhere.path().to_owned(),
        name: "echo".to_owned(),
        language: Language::C,
        kind: Kind::Behavior,
        exports: Vec::new(),
    };
    let failed = |error: wat::Error| AuthorError::Component { doing: "failed to make an echo", error: error.into() };
    let module = wat::parse_str(MODULE).map_err(failed)?;
    let component = encode::component(&world::write(&echo)?, &module)?;
    crate::embedded::put(&folder.join(FILE), &component)
}
