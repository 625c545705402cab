//! Certificates of listeners and of the admin API: valid, and not for a few days only; keys that nobody else can read.

use super::Finding;
use crate::Config;
use socklet_server::Tls;
use std::time::SystemTime;

pub(super) fn examine(config: &Config, now: SystemTime) -> Vec<Finding> {
    let of_listeners =
        config.listeners.iter().filter_map(|listener| Some((listener.name.as_str(), listener.tls.as_ref()?)));
    let of_admin = config.admin.iter().filter_map(|plan| Some(("[admin]", plan.tls.as_ref()?)));
    of_listeners.chain(of_admin).flat_map(|(owner, tls)| examine_one(owner, tls, now)).collect()
}

fn examine_one(owner: &str, tls: &Tls, now: SystemTime) -> Vec<Finding> {
    let about = format!("certificates of {owner}");
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
