//! Rules for every file: how it opens, how long it is, what it must not contain.

use crate::repository::{File, files, none};

const LINES: usize = 600;

/// Files that may be longer, and why.
const LONG: &[(&str, &str)] = &[
    ("host/monitoring/dashboard.json", "written by Grafana"),
    ("host/app/console/vendor/uplot.js", "another project's, as it is released"),
    ("Cargo.lock", "written by cargo"),
    ("plugins/Cargo.lock", "written by cargo"),
    ("tests/bench/Cargo.lock", "written by cargo"),
    ("tests/fuzz/Cargo.lock", "written by cargo"),
    ("tests/guests/Cargo.lock", "written by cargo"),
];

/// Where packages come from is each machine's own business: what these say must work with a mirror, and offline.
const REGISTRIES: &[&str] = &[
    concat!("index.", "crates.io"),
    concat!("static.", "crates.io"),
    concat!("registry.", "npmjs.org"),
    concat!("registry.", "yarnpkg.com"),
    concat!("pypi.", "org"),
    concat!("files.", "pythonhosted.org"),
    concat!("proxy.", "golang.org"),
    concat!("deb.", "debian.org"),
    concat!("archive.", "ubuntu.com"),
];

/// Folders of one machine.
const FOLDERS: &[&str] = &[concat!("/ro", "ot/"), concat!("/ho", "me/"), concat!("/wo", "rk/"), concat!("/Us", "ers/")];

/// Words that look like such a folder, and why they may stay.
const EXAMPLES: &[(&str, &str)] = &[("/home/ada", "the home of an example user")];

/// The only source that a lock file may name: cargo's own word for its default registry.
const DEFAULT_REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// Lines of a host source that are not its unit tests.
fn product(file: &File) -> impl Iterator<Item = (usize, &str)> {
    let lines: Vec<&str> = file.text.lines().collect();
    let end = lines
        .windows(2)
        .position(|two| {
            two[0].trim() == "#[cfg(test)]" && two[1].trim_start().starts_with("mod ") && two[1].ends_with('{')
        })
        .unwrap_or(lines.len());
    let lines = file.text.lines().take(end).enumerate().map(|(index, line)| (index + 1, line));
    lines.filter(|(_, line)| !line.trim_start().starts_with("//"))
}

fn unwraps(file: &File) -> Vec<String> {
    let words = [concat!(".unw", "rap()"), concat!("clippy::", "unwrap_used")];
    let bad = product(file).filter(|(_, line)| words.iter().any(|word| line.contains(word)));
    bad.map(|(number, line)| format!("{}:{number}: {}", file.path, line.trim())).collect()
}

fn machine(file: &File) -> Vec<String> {
    let mut violations = Vec::new();
    for (number, line) in file.text.lines().enumerate() {
        let mut text = line.to_owned();
        EXAMPLES.iter().for_each(|(example, _)| text = text.replace(example, ""));
        let words = FOLDERS.iter().chain(REGISTRIES);
        let found =
            words.filter(|word| text.contains(*word)).map(|word| format!("{}:{}: {word}", file.path, number + 1));
        violations.extend(found);
        let source = text.strip_prefix("source = ").filter(|_| file.path.ends_with("Cargo.lock"));
        if source.is_some_and(|source| source.trim_matches('"') != DEFAULT_REGISTRY) {
            violations.push(format!("{}:{}: {text}", file.path, number + 1));
        }
        if file.path.ends_with("package-lock.json") && text.contains("\"resolved\"") {
            violations.push(format!("{}:{}: npm's omit-lockfile-registry-resolved is off", file.path, number + 1));
        }
    }
    violations
}

fn is_test(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.contains("/tests/")
}

#[test]
fn every_source_opens_with_its_job() {
    let sources = files(|path| path.ends_with(".rs"));
    let silent = sources.iter().filter(|file| !file.text.starts_with("//! "));
    none(&silent.map(|file| format!("{} does not open with `//! `", file.path)).collect::<Vec<_>>());
}

#[test]
fn no_file_is_too_long() {
    let files = files(|path| !LONG.iter().any(|(long, _)| *long == path));
    let long = files.iter().map(|file| (file, file.text.lines().count())).filter(|(_, lines)| *lines > LINES);
    none(&long.map(|(file, lines)| format!("{} has {lines} lines", file.path)).collect::<Vec<_>>());
}

#[test]
fn the_host_does_not_unwrap() {
    let sources =
        files(|path| path.starts_with("host/") && path.contains("/src/") && path.ends_with(".rs") && !is_test(path));
    assert!(sources.len() > 50);
    none(&sources.iter().flat_map(unwraps).collect::<Vec<_>>());
}

#[test]
fn no_file_knows_a_machine() {
    none(&files(|_| true).iter().flat_map(machine).collect::<Vec<_>>());
}

#[test]
fn what_breaks_a_rule_is_noticed() {
    let file = |path: &str, text: String| File { path: path.into(), text };
    let unwrap = format!("let a = b{};\n", concat!(".unw", "rap()"));
    let source = format!("{unwrap}// {unwrap}#[cfg(test)]\nmod tests {{\n{unwrap}}}\n");
    assert_eq!(unwraps(&file("a.rs", source)).len(), 1);
    assert_eq!(machine(&file("a.sh", format!("cd {}a\n", FOLDERS[0]))).len(), 1);
    assert_eq!(machine(&file("a.txt", format!("--index-url {}/simple\n", REGISTRIES[4]))).len(), 1);
    assert_eq!(machine(&file("Cargo.lock", "source = \"git+https://example.com/a\"\n".into())).len(), 1);
    assert_eq!(machine(&file("Cargo.lock", format!("source = \"{DEFAULT_REGISTRY}\"\n"))).len(), 0);
}
