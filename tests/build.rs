//! Lists the guests, so that one without a test does not compile.

use std::{env, error::Error, fs, path::Path};

const GUESTS: &str = "guests/examples";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={GUESTS}");
    let mut guests = Vec::new();
    for entry in fs::read_dir(GUESTS)? {
        let name = entry?.file_name();
        guests.extend(name.to_str().and_then(|name| name.strip_suffix(".rs")).map(str::to_owned));
    }
    if guests.is_empty() {
        return Err("no guest was found".into());
    }
    guests.sort();
    let calls: String = guests.iter().map(|guest| format!("        $call!({guest});\n")).collect();
    let text = format!("macro_rules! for_each_guest {{\n    ($call:ident) => {{\n{calls}    }};\n}}\n");
    fs::write(Path::new(&env::var("OUT_DIR")?).join("guests.rs"), text)?;
    Ok(())
}
