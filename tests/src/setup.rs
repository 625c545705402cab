//! From the part of a configuration that a test is about to a whole one.

use crate::files;

/// What a test leaves out.
const LISTENER: &str = "\n[[listener]]\nbind = \"127.0.0.1:0\"\n";
/// Tests run side by side: each takes little address space.
const MAX_INSTANCES: &str = "256";

/// A whole configuration: the text, and the variables over it.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) text: String,
    pub(crate) variables: Vec<(String, String)>,
}

impl Setup {
    /// Adds a listener and operators on ports that the system chooses, and the shared folder of compiled components, unless the
    /// fragment has its own. `"guest:NAME"` and `"stock:NAME"` are the files of components.
    pub(crate) fn of(fragment: &str) -> Self {
        let mut text = expand(fragment);
        if !text.contains("[[listener]]") {
            text.push_str(LISTENER);
        }
        Self { text, variables: variables(fragment) }
    }
}

/// The variables for a server of which nothing but `fragment` is given.
pub(crate) fn variables(fragment: &str) -> Vec<(String, String)> {
    let defaults = [
        ("bind", "[ops]", "SOCKLET_OPS_BIND", "127.0.0.1:0".to_owned()),
        ("cache_dir", "[engine]", "SOCKLET_ENGINE_CACHE_DIR", files::cache().display().to_string()),
        ("max_instances", "[engine]", "SOCKLET_ENGINE_MAX_INSTANCES", MAX_INSTANCES.to_owned()),
    ];
    let given = |key: &str, section: &str| fragment.split_once(section).is_some_and(|(_, rest)| rest.contains(key));
    let missing = defaults.into_iter().filter(|(key, section, ..)| !given(key, section));
    missing.map(|(_, _, name, value)| (name.to_owned(), value)).collect()
}

/// Replaces the names of components by their files.
fn expand(fragment: &str) -> String {
    let mut text = fragment.to_owned();
    for (scheme, find) in [("guest:", files::guest as fn(&str) -> _), ("stock:", files::stock)] {
        for quote in ['"', '\''] {
            let start = format!("{quote}{scheme}");
            while let Some((before, after)) = text.split_once(&start) {
                let (name, rest) = after.split_once(quote).expect("a text in TOML ends");
                text = format!("{before}{quote}file:{}{quote}{rest}", find(name).display());
            }
        }
    }
    text
}
