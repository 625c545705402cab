//! Certificates of listeners: valid, and not for a few days only; keys that nobody else can read.

use super::Finding;
use crate::Config;
use socklet_server::{ListenerConfig, Tls};
use std::time::SystemTime;

pub(super) fn examine(config: &Config, now: SystemTime) -> Vec<Finding> {
    let secure = config.listeners.iter().filter_map(|listener| Some((listener, listener.tls.as_ref()?)));
    secure.flat_map(|(listener, tls)| of_listener(listener, tls, now)).collect()
}

fn of_listener(listener: &ListenerConfig, tls: &Tls, now: SystemTime) -> Vec<Finding> {
    let about = format!("certificates of {}", listener.name);
    let mut findings = Vec::new();
    for certificate in tls.certificates() {
        let found = |what| format!("{}: the certificate of {} {what}", certificate.path.display(), certificate.name);
        let days = certificate.seconds_left(now) / (24 * 3600);
        if let Some(problem) = certificate.problem(now) {
            findings.push(Finding::problem(&about, found(format!("is of no use: {problem}")), "put a valid one there"));
        } else if certificate.is_about_to_expire(now) {
            findings.push(Finding::warning(&about, found(format!("has {days} days left")), "put a new one there"));
        }
    }
    for warning in tls.warnings() {
        let (found, advice) = warning.rsplit_once(": ").unwrap_or((warning, "let its owner alone read it"));
        findings.push(Finding::warning(&about, found, advice));
    }
    if findings.is_empty() {
        let names = tls.certificates().iter().map(|certificate| certificate.name.as_str()).collect::<Vec<_>>();
        findings.push(Finding::ok(&about, names.join(", ")));
    }
    findings
}
