//! `socklet check`: every mistake of a configuration, its plugins included.

use super::{compile, exit::Failure, out};
use crate::{BuildError, Config, ConfigError, Mistakes};
use serde_json::{Value as Json, json};
use std::path::PathBuf;

/// Checks a configuration file. Says nothing but "ok" when it is right.
pub(super) async fn check(path: PathBuf, as_json: bool) -> Result<(), Failure> {
    let outcome = match Config::load(&path) {
        Ok(config) => {
            let config = compile::by_child(config)?;
            match config.check_with_certificates().await {
                Ok(warnings) => Ok((config, warnings)),
                Err(BuildError::Mistakes(mistakes)) => Err(mistakes),
                Err(error) => return Err(error.into()),
            }
        }
        Err(ConfigError::Mistakes(mistakes)) => Err(mistakes),
        Err(error) => return Err(error.into()),
    };
    match outcome {
        Ok((config, warnings)) => {
            config
                .warnings()
                .chain(warnings.iter().map(String::as_str))
                .for_each(|warning| out::complain(&format!("warning: {warning}")));
            let (listeners, routes, plugins) =
                (config.listeners.len(), config.all_routes().count(), config.all_plugins().count());
            if as_json {
                let counts = json!({ "listeners": listeners, "routes": routes, "plugins": plugins });
                out::print_json(&json!({ "ok": true, "mistakes": [], "counts": counts }));
            } else {
                out::print(&format!("ok: listeners {listeners}, routes {routes}, plugins {plugins}"));
            }
            Ok(())
        }
        Err(mistakes) if as_json => {
            out::print_json(&json!({ "ok": false, "mistakes": listed(&mistakes) }));
            Err(Failure::Told)
        }
        Err(mistakes) => Err(mistakes.into()),
    }
}

fn listed(mistakes: &Mistakes) -> Vec<Json> {
    let one = |mistake: &crate::Mistake| {
        json!({
            "file": mistake.place().file(),
            "line": mistake.place().line(),
            "key": mistake.place().key(),
            "value": mistake.value(),
            "message": mistake.message(),
        })
    };
    mistakes.iter().map(one).collect()
}
