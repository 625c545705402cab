//! What a server counts, as a scraper sees it.

use crate::repository;
use std::{fs, sync::LazyLock};

/// The guide's list of metrics, which another test compares with what there is. A scrape leaves out what has no series yet.
static GUIDE: LazyLock<String> = LazyLock::new(|| {
    fs::read_to_string(repository().join("host/docs/operations.md")).expect("the guide of operators can be read")
});

/// The answer of `/metrics`.
#[derive(Clone, Debug)]
pub struct Metrics(String);

impl Metrics {
    pub(crate) fn new(text: String) -> Self {
        assert!(text.ends_with("# EOF\n"), "not OpenMetrics: {text}");
        Self(text)
    }

    /// All of it.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// A metric by name, `socklet_connections`, or by name and labels, `socklet_plugin_traps_total{reason="trap"}`: the sum of
    /// every series that has these labels; 0 while it has none.
    ///
    /// # Panics
    ///
    /// When there is no metric of this name.
    pub fn get(&self, metric: &str) -> f64 {
        let (name, labels) = metric.split_once('{').unwrap_or((metric, "}"));
        let wanted: Vec<_> = labels.trim_end_matches('}').split(',').filter(|label| !label.is_empty()).collect();
        let base = ["_count", "_sum", "_bucket"].iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name);
        let known = ["`", "{"].iter().any(|end| GUIDE.contains(&format!("`{base}{end}")));
        assert!(known, "the guide has no metric {base}");
        let value = |line: &str| {
            let (series, value) = line.rsplit_once(' ')?;
            let (found, labels) = series.split_once('{').unwrap_or((series, "}"));
            let labels: Vec<_> = labels.trim_end_matches('}').split(',').collect();
            let fits = found == name && wanted.iter().all(|label| labels.contains(label));
            fits.then(|| value.parse::<f64>().expect("a metric is a number"))
        };
        self.0.lines().filter(|line| !line.starts_with('#')).filter_map(value).sum()
    }
}
