//! An authenticator that does as the query says.
//!
//! `as=SUBJECT` grants, with an attribute for each `attribute=NAME:VALUE` (one) and `expires-in=SECONDS`; `deny=STATUS` denies, with
//! the fields `www-authenticate: Test` and a body; otherwise it abstains.

use socklet_sdk::{Authenticator, Principal, Request, Response, Verdict};
use std::time::{SystemTime, UNIX_EPOCH};

#[derive(Default)]
struct Guest;

impl Authenticator for Guest {
    fn authenticate(&mut self, request: &Request) -> Verdict {
        if let Some(status) = request.query_value("deny").and_then(|status| status.parse().ok()) {
            return Verdict::Deny(Response::new(status).with_header("www-authenticate", "Test").with_text("denied\n"));
        }
        let Some(subject) = request.query_value("as") else { return Verdict::Abstain };
        let mut principal = Principal::new(subject);
        if let Some(attribute) = request.query_value("attribute") {
            let (name, value) = attribute.split_once(':').unwrap_or((&attribute, ""));
            principal = principal.with_attribute(name, value);
        }
        if let Some(seconds) = request.query_value("expires-in").and_then(|seconds| seconds.parse::<u64>().ok()) {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
            principal = principal.with_expiry(now + seconds);
        }
        Verdict::Grant(principal)
    }
}

socklet_sdk::export_authenticator!(Guest);
