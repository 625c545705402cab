//! Results as Markdown: what is printed at the end of a run, and what stands in the documentation.

use crate::{
    counters::Calls,
    load::Kind,
    report::{AGAIN, CellReport, Report},
    stats::Interval,
    targets::{Outcome, TARGETS, Target, fresh_instance},
    wire::Measured,
};
use std::collections::BTreeSet;

/// The order of columns.
const COLUMNS: &[&str] = &[
    "socklet-shared",
    "socklet-connection",
    "socklet-auth",
    "socklet-event",
    "tungstenite",
    "tungstenite-tuned",
    "fastwebsockets",
    "tokio-websockets",
    "ws",
    AGAIN,
];

/// All tables.
pub(crate) fn of(report: &Report) -> String {
    let mut out = format!(
        "A {} run of {} s at commit {}, Linux {}.\n\n",
        report.mode, report.seconds, report.commit, report.kernel
    );
    if let Some(why) = report.discarded() {
        out += &format!("**This run is discarded**: {why}.\n\n");
    }
    let sections = [
        ("Targets: the median of the rounds' quotients, with its 90 % interval.", targets(report)),
        (
            "CPU time of the server, µs for each message, delivery or handshake (median; `!` where the server was not busy, so \
             that the figure is worth nothing).",
            costs(report),
        ),
        (
            "The same loads: messages/s, then p50 and p99 in ms. In a closed loop they follow from the cost; at fixed times \
             they count from the intended time.",
            speeds(report),
        ),
        ("Of Socklet, counted and not timed: system calls for each message.", calls(report)),
        ("Idle connections, each after one message: slope from 5,000 to 18,000.", memory(report)),
        (
            "A quiet tenant, 200 connections with ten messages a second each: p99 from the intended time, without and with \
             eight endless loops of another tenant.",
            neighbors(report),
        ),
        (
            "200,000 instances that sleep, in one process without sockets, and a message to one that sleeps and to one that is \
             awake.",
            asleep(report),
        ),
        (
            "10,000 connections with a message every two seconds, an instance each, swapped to another version: none was closed, \
             and every answer came. p99 from the intended time, of 8 s without and with a swap. An instance moves with its next message, so two seconds \
             are the clients'.",
            swapped(report),
        ),
    ];
    for (about, rows) in sections.iter().filter(|(_, rows)| !rows.is_empty()) {
        out += &format!("{about}\n\n{rows}\n");
    }
    if let Some(fresh) = fresh_instance(report) {
        out += &format!(
            "A fresh authenticator instance, from store to drop, with its call: {:.1} µs ({:.1} to {:.1}), by the difference of \
             handshakes.\n",
            fresh.median / 1e3,
            fresh.low / 1e3,
            fresh.high / 1e3
        );
    }
    out
}

fn targets(report: &Report) -> String {
    let head = ["workload", "server", "against", "target", "found", "met"];
    let row = |target: &Target| {
        let number = |value: f64| if target.is_quotient() { format!("{value:.2}") } else { format!("{value:.0}") };
        let (found, met) = match target.outcome(report) {
            Outcome::NotMeasured => (String::new(), ""),
            Outcome::Failed(why) => (one_line(&why), "?"),
            Outcome::Found(at) => {
                let met = if at.median <= target.most { "yes" } else { "**no**" };
                let found = match at.low == at.high {
                    false => format!("{} ({} to {})", number(at.median), number(at.low), number(at.high)),
                    true => number(at.median),
                };
                (found, met)
            }
        };
        [target.workload, target.server, target.against, &format!("≤ {}", number(target.most)), &found, met]
            .map(str::to_owned)
            .to_vec()
    };
    let measured = TARGETS.iter().filter(|target| target.outcome(report) != Outcome::NotMeasured);
    markdown(&head.map(str::to_owned), measured.map(row))
}

fn columns(report: &Report) -> Vec<&'static str> {
    let there: BTreeSet<&str> = report
        .cells
        .iter()
        .filter_map(|cell| cell.servers.as_ref().ok())
        .flatten()
        .map(|server| server.name.as_str())
        .collect();
    COLUMNS.iter().copied().filter(|name| there.contains(name)).collect()
}

/// A row for each cell, a column for each server.
fn matrix(report: &Report, entry: impl Fn(&CellReport, &str) -> Option<String>) -> String {
    let columns = columns(report);
    let head: Vec<String> = ["load"].iter().chain(&columns).map(|name| (*name).to_owned()).collect();
    let row = |cell: &CellReport| {
        let entries = columns.iter().enumerate().map(|(index, column)| match &cell.servers {
            Ok(_) => entry(cell, column).unwrap_or_default(),
            Err(why) if index == 0 => one_line(why),
            Err(_) => String::new(),
        });
        std::iter::once(cell.name.clone()).chain(entries).collect()
    };
    markdown(&head, report.cells.iter().map(row))
}

fn costs(report: &Report) -> String {
    matrix(report, |cell, name| {
        let server = cell.server(name)?;
        let mark = if cell.idle(server) { " !" } else { "" };
        Some(format!("{:.2}{mark}", server.middle(Measured::cost) / 1e3))
    })
}

fn speeds(report: &Report) -> String {
    matrix(report, |cell, name| {
        let server = cell.server(name)?;
        let p50 = server.middle(|turn| turn.p50_ns as f64 / 1e6);
        let p99 = server.middle(|turn| turn.p99_ns as f64 / 1e6);
        let per_second = thousands(server.middle(Measured::per_second));
        Some(match cell.kind {
            Kind::Paced => format!("{p50:.2} {p99:.2}"),
            _ => format!("{per_second} {p50:.2} {p99:.2}"),
        })
    })
}

fn calls(report: &Report) -> String {
    let head = ["load", "server", "reads", "writes", "waits", "others"].map(str::to_owned);
    let mut rows = Vec::new();
    for cell in &report.cells {
        for server in cell.servers.iter().flatten() {
            let numbers = match &server.calls {
                None => continue,
                Some(Ok(Calls { reads, writes, waits, others })) => {
                    [reads, writes, waits, others].map(|calls| format!("{calls:.3}"))
                }
                Some(Err(why)) => [one_line(why), String::new(), String::new(), String::new()],
            };
            rows.push([cell.name.clone(), server.name.clone()].into_iter().chain(numbers).collect());
        }
    }
    markdown(&head, rows)
}

fn memory(report: &Report) -> String {
    let head = ["server", "bytes", "mappings", "MiB of the process with 18,000"].map(str::to_owned);
    let rows = report.memory.iter().map(|memory| match &memory.taken {
        Ok(taken) => vec![
            memory.server.clone(),
            format!("{:.0}", taken.bytes),
            format!("{:.2}", taken.mappings),
            (taken.rss >> 20).to_string(),
        ],
        Err(why) => vec![memory.server.clone(), one_line(why), String::new(), String::new()],
    });
    markdown(&head, rows)
}

fn neighbors(report: &Report) -> String {
    let head = ["instances", "p99 without, ms", "p99 with, ms", "quotient"].map(str::to_owned);
    let rows = report.neighbor.iter().map(|neighbor| match &neighbor.quiet {
        Ok(quiet) => {
            let (alone, beside) = (format!("{:.2}", quiet.alone / 1e3), format!("{:.2}", quiet.beside / 1e3));
            let at = quiet.ratio;
            vec![
                neighbor.instance.clone(),
                alone,
                beside,
                format!("{:.2} ({:.2} to {:.2})", at.median, at.low, at.high),
            ]
        }
        Err(why) => vec![neighbor.instance.clone(), one_line(why), String::new(), String::new()],
    });
    markdown(&head, rows)
}

fn asleep(report: &Report) -> String {
    let head = ["bytes of each", "of which it saved", "asleep, µs of CPU", "awake, µs of CPU", "difference, µs"];
    let rows = report.asleep.iter().map(|found| match found {
        Ok(found) => {
            let Interval { median, low, high } = found.added.scaled(1e-3);
            vec![
                format!("{:.0}", found.bytes),
                format!("{:.0}", found.saved),
                format!("{:.1}", found.asleep / 1e3),
                format!("{:.1}", found.awake / 1e3),
                format!("{median:.1} ({low:.1} to {high:.1})"),
            ]
        }
        Err(why) => failed(why, head.len()),
    });
    markdown(&head.map(str::to_owned), rows)
}

fn swapped(report: &Report) -> String {
    let head = ["until all have moved, ms", "p99 without, ms", "p99 with, ms", "added, ms"];
    let rows = report.swapped.iter().map(|found| match found {
        Ok(found) => {
            let range = |at: Interval| format!("{:.0} ({:.0} to {:.0})", at.median, at.low, at.high);
            let (without, with) = (format!("{:.2}", found.without), format!("{:.2}", found.with));
            vec![range(found.took), without, with, range(found.added)]
        }
        Err(why) => failed(why, head.len()),
    });
    markdown(&head.map(str::to_owned), rows)
}

/// A row that says why there is none.
fn failed(why: &str, columns: usize) -> Vec<String> {
    let mut row = vec![String::new(); columns];
    row[0] = one_line(why);
    row
}

fn thousands(number: f64) -> String {
    if number >= 10_000.0 { format!("{:.0}k", number / 1e3) } else { format!("{number:.0}") }
}

/// What fits into a cell of a table.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "/").chars().take(100).collect()
}

/// A table whose columns are as wide as they have to be; nothing without rows.
fn markdown(head: &[String], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut lines = vec![head.to_vec()];
    lines.extend(rows);
    if lines.len() == 1 {
        return String::new();
    }
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or_default();
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let show = |line: &Vec<String>| {
        let cells = line.iter().zip(&widths).map(|(cell, width)| format!(" {cell:<width$} "));
        format!("|{}|\n", cells.collect::<Vec<_>>().join("|"))
    };
    let rule: String = widths.iter().map(|width| format!("|{}", "-".repeat(width + 2))).collect();
    let body: String = lines[1..].iter().map(show).collect();
    format!("{}{rule}|\n{body}", show(&lines[0]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_aligned() {
        let head = ["a", "long"].map(str::to_owned);
        let rows = [vec!["µs µs".to_owned(), "1".to_owned()]];
        assert_eq!(markdown(&head, rows), "| a     | long |\n|-------|------|\n| µs µs | 1    |\n");
        assert_eq!(markdown(&head, []), "");
        assert_eq!(one_line("a\n  b | c"), "a b / c");
    }
}
