//! `socklet doctor`: what is wrong around a server, before it starts or while it runs.

use super::{compile, exit::Failure, out};
use crate::{
    BuildError, Config, ConfigError,
    doctor::{Finding, Verdict, examine},
};
use anyhow::anyhow;
use serde_json::json;
use std::{fmt::Write, path::PathBuf};

/// Looks at the machine, and at everything that the configuration names. Changes nothing.
pub(super) async fn doctor(path: PathBuf, as_json: bool) -> Result<(), Failure> {
    let config = compile::by_child(Config::load(&path)?)?;
    let mut findings = examine(&config);
    findings.push(plugins(&config).await?);
    let problems = findings.iter().filter(|finding| finding.verdict == Verdict::Problem).count();
    if as_json {
        out::print_json(&json!({ "ok": problems == 0, "findings": findings }));
    } else {
        out::print(table(&findings).trim_end());
    }
    match problems {
        0 => Ok(()),
        1 => Err(anyhow!("there is a problem").into()),
        _ => Err(anyhow!("there are {problems} problems").into()),
    }
}

/// Whether the engine starts and the plugins load.
async fn plugins(config: &Config) -> Result<Finding, Failure> {
    let about = || "plugins".to_owned();
    let (verdict, found, advice) = match config.check().await {
        Ok(()) => (Verdict::Ok, format!("{} load", config.all_plugins().count()), None),
        Err(BuildError::Mistakes(mistakes)) => return Err(ConfigError::from(mistakes).into()),
        Err(error) => (Verdict::Problem, error.to_string(), Some("see the other findings".to_owned())),
    };
    Ok(Finding { about: about(), verdict, found, advice })
}

fn table(findings: &[Finding]) -> String {
    let width = findings.iter().map(|finding| finding.about.len()).max().unwrap_or(0);
    let mut text = String::new();
    for Finding { about, verdict, found, advice } in findings {
        let verdict = match verdict {
            Verdict::Ok => "ok",
            Verdict::Warning => "warning",
            Verdict::Problem => "PROBLEM",
        };
        let _ = writeln!(text, "{verdict:<7}  {about:<width$}  {found}");
        if let Some(advice) = advice {
            let _ = writeln!(text, "{:<7}  {:<width$}  -> {advice}", "", "");
        }
    }
    text
}
