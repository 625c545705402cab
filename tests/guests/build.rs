//! A small stack keeps an instance small, as in the stock plugins.

fn main() {
    println!("cargo::rustc-link-arg-examples=-zstack-size=65536");
    println!("cargo::rerun-if-changed=build.rs");
}
