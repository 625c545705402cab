//! Percentiles, and where they are written.

use std::{
    fmt,
    io::{Write, stderr},
    time::Duration,
};

/// How long something took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    count: usize,
    p50: Duration,
    p99: Duration,
    p999: Duration,
    max: Duration,
}

impl Figures {
    pub(crate) fn of<'a>(times: impl IntoIterator<Item = &'a Duration>) -> Self {
        let mut times: Vec<Duration> = times.into_iter().copied().collect();
        times.sort_unstable();
        let at =
            |part: f64| times.get((times.len() as f64 * part) as usize).or(times.last()).copied().unwrap_or_default();
        Self { count: times.len(), p50: at(0.5), p99: at(0.99), p999: at(0.999), max: at(1.0) }
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        let Self { count, p50, p99, p999, max } = *self;
        write!(
            f,
            "p50 {:.2} ms, p99 {:.2} ms, p99.9 {:.2} ms, max {:.2} ms of {count}",
            ms(p50),
            ms(p99),
            ms(p999),
            ms(max)
        )
    }
}

/// Writes a line that the test runner does not keep to itself.
pub(crate) fn say(line: &str) {
    // Nothing is lost but a figure.
    let _ = writeln!(stderr(), "neighbour: {line}");
}

#[test]
fn percentiles_are_of_sorted_times() {
    let times: Vec<Duration> = (1..=1000).rev().map(Duration::from_millis).collect();
    let figures = Figures::of(&times);
    assert_eq!((figures.p50.as_millis(), figures.p99.as_millis(), figures.max.as_millis()), (501, 991, 1000));
}
