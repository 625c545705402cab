//! Links lean: an instance starts with 256 KiB of memory, which nothing has to grow at first, and a quarter of it or less is stack.

fn main() {
    println!("cargo::rustc-link-arg-cdylib=-zstack-size=65536");
    println!("cargo::rustc-link-arg-cdylib=--initial-memory=262144");
    println!("cargo::rerun-if-changed=build.rs");
}
