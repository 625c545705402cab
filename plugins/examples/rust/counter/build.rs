//! Asks for a small stack, and room for the first allocations: so an instance is lean.

fn main() {
    println!("cargo::rustc-link-arg-cdylib=-zstack-size=65536");
    println!("cargo::rustc-link-arg-cdylib=--initial-memory=262144");
}
