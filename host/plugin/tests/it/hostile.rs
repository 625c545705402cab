//! Components that are made to hurt whoever compiles them, and components that nearly fit.

use crate::harness::{Host, config};
use socklet_plugin::{ImportStatus, LoadError, inspect};
use std::fmt::Write;

fn inspected(wat: &str) -> Result<socklet_plugin::Inspection, LoadError> {
    inspect(&wat::parse_str(wat).unwrap())
}

fn too_complex(wat: &str) -> String {
    match inspected(wat) {
        Err(LoadError::TooComplex(why)) => why,
        other => panic!("{other:?}"),
    }
}

/// Twice as many instances at each level.
fn doubling(innermost: &str, levels: usize) -> String {
    let mut wat = format!("(component (component $c0 {innermost})");
    for level in 1..=levels {
        let inner = level - 1;
        write!(wat, "(component $c{level} (instance (instantiate $c{inner})) (instance (instantiate $c{inner})))")
            .unwrap();
    }
    write!(wat, "(instance (instantiate $c{levels})))").unwrap();
    wat
}

#[test]
fn nested_instantiations_are_counted_not_made() {
    let why = too_complex(&doubling("(core module $m) (core instance (instantiate $m))", 40));
    assert!(why.contains("core instances"), "{why}");
    let why = too_complex(&doubling("", 60));
    assert!(why.contains("component instances"), "{why}");
    assert!(inspected(&doubling("(core module $m) (core instance (instantiate $m))", 3)).is_ok());
}

#[test]
fn aliases_do_not_hide_instantiations() {
    let mut wat = String::from("(component (component $c0 (core module $m) (core instance (instantiate $m)))");
    for level in 1..=20 {
        let inner = level - 1;
        write!(
            wat,
            "(component $c{level} (alias outer 1 $c{inner} (component $a)) (export $e \"x\" (component $a))
             (instance (instantiate $e)) (instance (instantiate $e)))"
        )
        .unwrap();
    }
    wat.push_str("(instance (instantiate $c20)))");
    too_complex(&wat);
}

#[test]
fn what_cannot_be_counted_is_refused() {
    let imported = "(component (import \"m\" (core module $m)) (core instance (instantiate $m)))";
    assert!(too_complex(imported).contains("imports"));
    let taken = "(component (component $c (component $d) (export \"d\" (component $d))) (instance $i (instantiate $c))
        (alias export $i \"d\" (component $x)) (instance (instantiate $x)))";
    assert!(too_complex(taken).contains("takes from an instance"));
}

#[test]
fn depth_is_bounded() {
    let wat = format!("{}{}", "(component ".repeat(20), ")".repeat(20));
    assert!(too_complex(&wat).contains("inside one another"));
}

#[test]
fn functions_are_bounded() {
    let with_locals = |locals: usize, adds: usize| {
        let locals = "i64 ".repeat(locals);
        let adds = "(local.set 0 (i64.add (local.get 0) (local.get 1)))".repeat(adds);
        format!("(component (core module (func (local {locals}) {adds})))")
    };
    assert!(inspected(&with_locals(9_000, 10)).is_ok());
    assert!(too_complex(&with_locals(12_000, 10)).contains("locals"));
    assert!(too_complex(&with_locals(9_000, 10_000)).contains("locals"));
    let large = format!("(component (core module (func {})))", "nop ".repeat((1 << 20) + 1));
    assert!(too_complex(&large).contains("bytes"));
}

#[test]
fn proposals_that_are_off_are_refused() {
    for (proposal, module) in [
        ("memory64", "(memory i64 1)"),
        ("threads", "(memory 1 1 shared)"),
        ("multi-memory", "(memory 1) (memory 1)"),
        ("gc", "(type (struct (field i32)))"),
        ("exceptions", "(tag (param i32))"),
        ("tail calls", "(func $f (return_call $f))"),
        ("relaxed simd", "(func (drop (i8x16.relaxed_swizzle (v128.const i64x2 0 0) (v128.const i64x2 0 0))))"),
        ("custom page sizes", "(memory 1 (pagesize 1))"),
    ] {
        let outcome = inspected(&format!("(component (core module {module}))"));
        assert!(matches!(outcome, Err(LoadError::Invalid(_))), "{proposal}: {outcome:?}");
    }
}

#[test]
fn asynchronous_built_ins_come_with_advice() {
    let error = inspected("(component (core func (canon task.cancel)))").unwrap_err().to_string();
    assert!(error.contains("--backend-qjs-disable-async"), "{error}");
}

#[test]
fn foreign_imports_are_named() {
    let inspection = inspected(
        "(component
            (import \"acme:db/query@1.0.0\" (instance))
            (import \"shout\" (func))
            (import \"wasi:cli/stdout@0.3.0\" (instance))
            (import \"wasi:cli/stdout@0.2.0\" (instance))
            (import \"socklet:plugin/timers@0.1.0\" (instance)))",
    )
    .unwrap();
    let status: Vec<_> = inspection.imports.iter().map(|import| import.status).collect();
    use ImportStatus::{Provided, Unknown};
    assert_eq!(status, [Unknown, Unknown, Unknown, Provided, Provided]);
    for name in ["acme:db/query@1.0.0", "shout", "wasi:cli/stdout@0.3.0"] {
        assert!(inspection.problems.iter().any(|problem| problem.contains(name)), "{name}");
    }
    assert!(!inspection.would_load);
}

#[tokio::test]
async fn what_nearly_fits_does_not() {
    let host = Host::new();
    let folder = tempfile::tempdir().unwrap();
    for (name, wat, word) in [
        (
            "no hooks",
            "(component (instance $i) (export \"socklet:plugin/behavior@0.1.0\" (instance $i)))",
            "on-upgrade",
        ),
        (
            "another type",
            "(component (import \"socklet:plugin/logging@0.1.0\" (instance (export \"log\" (func (param \"n\" u32)))))
                (instance $i) (export \"socklet:plugin/behavior@0.1.0\" (instance $i)))",
            "log",
        ),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, wat::parse_str(wat).unwrap()).unwrap();
        match host.load(config(path)).await {
            Err(LoadError::Mismatch(why)) => assert!(why.contains(word), "{name}: {why}"),
            other => panic!("{name}: {other:?}"),
        }
    }
}
