//! What the pages speak of exists: files, commands, targets, configuration keys, metrics.

use crate::{
    markdown::Page,
    repository::{File, files, none, paths, read, root},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Component, Path, PathBuf},
};

/// The page that lists every key; made from the list that the configuration is read by.
const REFERENCE: &str = "host/docs/configuration.md";

fn pages() -> Vec<(File, Page)> {
    files(|path| path.ends_with(".md"))
        .into_iter()
        .map(|file| (Page::parse(&file.text), file))
        .map(|(page, file)| (file, page))
        .collect()
}

/// Every code span, and every line of the blocks that a shell would run.
fn code(page: &Page) -> Vec<&str> {
    let blocks = page.blocks.iter().filter(|block| ["", "sh", "console"].contains(&block.language.as_str()));
    page.spans()
        .into_iter()
        .chain(blocks.flat_map(|block| block.text.lines()))
        .map(|line| line.trim_start_matches("$ "))
        .collect()
}

/// The word behind a command's name, where a line begins with it.
fn word<'a>(line: &'a str, command: &str) -> Option<&'a str> {
    let rest = line.strip_prefix(command)?.strip_prefix(' ')?;
    let word = rest.split(|char: char| !char.is_ascii_lowercase() && char != '-').next()?;
    (!word.is_empty() && !word.starts_with('-')).then_some(word)
}

/// `a/b/../c` as `a/c`; none where it leads out of the clone.
fn normal(path: &Path) -> Option<PathBuf> {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => normal.pop().then_some(())?,
            Component::Normal(name) => normal.push(name),
            _ => {}
        }
    }
    Some(normal)
}

/// The subcommands of the binary: the variants of the enum that its command line is parsed by.
fn subcommands() -> BTreeSet<String> {
    let source = read("host/app/src/cli/mod.rs");
    let body =
        source.split_once("enum Command {").expect("there is the enum of the commands").1.split_once("\n}").unwrap().0;
    let variants =
        body.lines().filter_map(|line| line.strip_prefix("    ")).filter(|line| line.starts_with(char::is_uppercase));
    let names: BTreeSet<String> =
        variants.map(|line| line.split(|char: char| !char.is_alphanumeric()).next().unwrap().to_lowercase()).collect();
    assert!(names.contains("serve"), "{names:?}");
    names
}

/// Every key of the configuration by its section, those included that are known and not served; and every variable.
fn keys() -> (BTreeMap<String, BTreeSet<String>>, BTreeSet<String>) {
    let (mut keys, mut variables) = (BTreeMap::<String, BTreeSet<String>>::new(), BTreeSet::new());
    let mut section = None;
    let text = read(REFERENCE);
    let generated = text.split_once("<!-- From here on").expect("the reference is part of the page").1;
    for line in generated.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            section = Some(heading.trim_matches(['`', '[', ']']).replace("Top level", ""));
            keys.insert(section.clone().unwrap(), BTreeSet::new());
        }
        let Some(section) = &section else { continue };
        let spans: Vec<&str> = line.split('`').skip(1).step_by(2).collect();
        let names = if line.starts_with("| `") {
            variables.extend(spans.last().filter(|span| span.starts_with("SOCKLET_")).map(|span| (*span).to_owned()));
            &spans[..1]
        } else if line.starts_with("Known, and not served") {
            &spans[..]
        } else {
            continue;
        };
        keys.get_mut(section).unwrap().extend(names.iter().map(|name| (*name).to_owned()));
    }
    assert!(
        keys["limits"].contains("max_message_size") && variables.contains("SOCKLET_LOG_LEVEL"),
        "{keys:?} {variables:?}"
    );
    (keys, variables)
}

#[test]
fn links_lead_somewhere() {
    let tracked: BTreeSet<PathBuf> =
        paths().iter().flat_map(|path| Path::new(path).ancestors().map(Path::to_owned).collect::<Vec<_>>()).collect();
    let pages = pages();
    assert!(pages.len() > 5);
    let mut violations = Vec::new();
    for (file, page) in &pages {
        for link in page.links().iter().filter(|link| !link.contains("://") && !link.starts_with("mailto:")) {
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = match path {
                "" => Some(PathBuf::from(&file.path)),
                _ => normal(&Path::new(&file.path).parent().unwrap().join(path)),
            };
            let exists = target.as_ref().is_some_and(|target| tracked.contains(target));
            let anchored = || {
                let target = target.as_ref().and_then(|target| target.to_str());
                anchor.is_empty()
                    || pages.iter().any(|(page, text)| {
                        Some(page.path.as_str()) == target && text.anchors().iter().any(|there| there == anchor)
                    })
            };
            if !exists || !anchored() {
                violations.push(format!("{}: {link}", file.path));
            }
        }
    }
    none(&violations);
}

#[test]
fn decisions_that_are_referred_to_exist() {
    let prefix = concat!("docs/deci", "sions/");
    let decisions: Vec<String> = paths().into_iter().filter(|path| path.contains(prefix)).collect();
    let mut violations = Vec::new();
    for file in files(|_| true) {
        for rest in file.text.split(prefix).skip(1) {
            let number: String = rest.chars().take_while(char::is_ascii_digit).collect();
            if !decisions.iter().any(|path| path.contains(&format!("{prefix}{number}-"))) {
                violations.push(format!("{}: there is no host/{prefix}{number}-*.md", file.path));
            }
        }
    }
    none(&violations);
}

#[test]
fn commands_and_targets_exist() {
    let subcommands = subcommands();
    let makefile = read("Makefile");
    let targets: BTreeSet<&str> = makefile
        .lines()
        .filter(|line| line.starts_with(char::is_alphabetic))
        .filter_map(|line| Some(line.split_once(':')?.0))
        .collect();
    assert!(targets.contains("test"));
    let mut violations = Vec::new();
    for (file, page) in pages() {
        for line in code(&page) {
            let unknown = word(line, "socklet").filter(|word| !subcommands.contains(*word));
            let unknown = unknown.or_else(|| word(line, "make").filter(|word| !targets.contains(word)));
            violations.extend(unknown.map(|_| format!("{}: {line}", file.path)));
        }
    }
    none(&violations);
}

#[test]
fn configuration_keys_and_variables_exist() {
    let (keys, variables) = keys();
    // `plugin.NAME` stands for whatever name a page uses.
    let known = |section: &str, key: &str| keys.get(section).is_some_and(|keys| key == "*" || keys.contains(key));
    let named =
        |path: &str| path.split_once('.').and_then(|(_, rest)| rest.split_once('.')).map(|(_, rest)| rest.to_owned());
    let exists = |path: &str| match path.rsplit_once('.') {
        _ if keys.contains_key(path) => true,
        Some((section, key)) if !path.starts_with("plugin.") => known(section, key),
        _ => named(path).is_none_or(|rest| match rest.rsplit_once('.') {
            Some((section, key)) => known(&format!("plugin.NAME.{section}"), key) || section == "settings",
            None => known("plugin.NAME", &rest) || keys.contains_key(&format!("plugin.NAME.{rest}")),
        }),
    };
    assert!(
        exists("limits.max_message_size") && exists("plugin.chat.timeout") && exists("plugin.chat.grants.credentials")
    );
    assert!(!exists("limits.max_mesage_size") && !exists("plugin.chat.timeuot") && !exists("route.limits.bind"));

    let own: String = files(|path| path.starts_with("tests/") || path.starts_with(".ci/"))
        .into_iter()
        .filter(|file| !file.path.ends_with(".md"))
        .map(|file| file.text)
        .collect();
    let events: String = files(|path| path == "host/app/src/events.rs").into_iter().map(|file| file.text).collect();
    assert!(events.contains("\"plugin.swapped\""));
    let mut violations = Vec::new();
    for (file, page) in pages() {
        for span in page.spans() {
            let path = span.trim_matches(['[', ']']).split([' ', '=']).next().unwrap_or_default();
            let section = path.split('.').next().unwrap_or_default();
            let ours = path.contains('.')
                && keys.keys().any(|known| known.split('.').next() == Some(section) && !section.is_empty());
            let plain = path.chars().all(|char| char.is_ascii_alphanumeric() || matches!(char, '.' | '_' | '*'));
            // A file, such as `config.toml`, is no key.
            let is_file = [".toml", ".rs", ".md", ".wasm", ".wit"].iter().any(|end| path.ends_with(end));
            let is_event = events.contains(&format!("\"{path}\""));
            if ours && plain && !is_file && !is_event && !exists(path) {
                violations.push(format!("{}: {span}: no such key", file.path));
            }
        }
        for rest in file.text.split("SOCKLET_").skip(1) {
            let rest: String = rest.chars().take_while(|char| char.is_ascii_uppercase() || *char == '_').collect();
            let name = format!("SOCKLET_{rest}");
            if !rest.is_empty() && !variables.contains(&name) && !own.contains(&name) {
                violations.push(format!("{}: {name}: no such variable", file.path));
            }
        }
    }
    none(&violations);
}

/// Whether a block of TOML shows a file of another format: a manifest of Cargo, or the tokens of the admin API.
fn other_files(block: &str) -> bool {
    ["[package]", "[[token]]", "[[certificate]]"].iter().any(|section| block.lines().any(|line| line == *section))
}

#[test]
fn example_configurations_are_understood() {
    let demo = files(|path| path.ends_with("socklet.toml")).into_iter().map(|file| (file.path, 0, file.text));
    let blocks = pages()
        .into_iter()
        .flat_map(|(file, page)| page.blocks.into_iter().map(move |block| (file.path.clone(), block)));
    let blocks = blocks.filter(|(_, block)| block.language == "toml" && !other_files(&block.text));
    let examples: Vec<_> = demo.chain(blocks.map(|(path, block)| (path, block.line, block.text))).collect();
    assert!(examples.len() > 1);
    let mut violations = Vec::new();
    for (path, line, text) in examples {
        let Err(mistakes) = socklet::Config::parse(&text, root().join(&path)) else { continue };
        // An excerpt may leave out what it refers to, and a fresh clone has no components.
        let missing = ["there is no file", ".source: missing"];
        let mistakes = mistakes.to_string();
        let wrong = mistakes.lines().filter(|mistake| !missing.iter().any(|missing| mistake.contains(missing)));
        violations.extend(wrong.map(|mistake| format!("{path}, block at line {line}: {mistake}")));
    }
    none(&violations);
}

#[test]
fn metrics_exist() {
    let sources: String = files(|path| path.starts_with("host/") && path.contains("/src/") && path.ends_with(".rs"))
        .into_iter()
        .map(|file| file.text)
        .collect();
    let registered = |metric: &str| {
        let suffixes = ["", "_total", "_info", "_seconds", "_seconds_total", "_bucket", "_count", "_sum"];
        let stems = suffixes.iter().filter_map(|suffix| metric.strip_suffix(suffix));
        stems.into_iter().any(|stem| sources.contains(&format!("\"{stem}\"")))
    };
    assert!(registered("handshake_duration_seconds") && registered("build_info") && !registered("moon_phases_total"));
    let crates = ["app", "core", "plugin", "server", "sdk", "tests"];
    let mut violations = Vec::new();
    for (file, _) in pages() {
        for rest in file.text.split("socklet_").skip(1) {
            let metric: String = rest.chars().take_while(|char| char.is_ascii_lowercase() || *char == '_').collect();
            if !crates.contains(&metric.as_str()) && !registered(&metric) {
                violations.push(format!("{}: socklet_{metric}", file.path));
            }
        }
    }
    none(&violations);
}
