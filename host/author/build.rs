//! Has what is embedded embedded again when a file comes or goes.

fn main() {
    for folder in ["templates", "../../wit", "../../plugins"] {
        // The folder of the plugins' target is not below any SDK.
        if folder == "../../plugins" {
            for sdk in ["sdk-rust", "sdk-js", "sdk-python", "sdk-go", "sdk-c"] {
                println!("cargo::rerun-if-changed={folder}/{sdk}");
            }
        } else {
            println!("cargo::rerun-if-changed={folder}");
        }
    }
}
