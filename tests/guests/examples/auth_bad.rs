//! An authenticator whose answers are not valid; the query says how.
//!
//! `status=N` denies with that status, `subject=N` grants a subject of N bytes, `attributes=N` grants with an attribute of N bytes,
//! `header=NAME:VALUE` (decoded) denies with that field, `body=N` denies with a body of N bytes. Otherwise it grants `good`.

use socklet_sdk::{Authenticator, Principal, Request, Response, Verdict};

#[derive(Default)]
struct Guest;

impl Authenticator for Guest {
    fn authenticate(&mut self, request: &Request) -> Verdict {
        let number = |key: &str| request.query_value(key)?.parse::<usize>().ok();
        if let Some(status) = number("status") {
            return Verdict::Deny(Response::new(u16::try_from(status).unwrap_or(u16::MAX)));
        }
        if let Some(length) = number("subject") {
            return Verdict::Grant(Principal::new("s".repeat(length)));
        }
        if let Some(length) = number("attributes") {
            return Verdict::Grant(Principal::new("good").with_attribute("long", "a".repeat(length)));
        }
        if let Some(length) = number("body") {
            return Verdict::Deny(Response { body: vec![b'x'; length], ..Response::new(403) });
        }
        match request.query_value("header") {
            Some(field) => {
                let (name, value) = field.split_once(':').unwrap_or((&field, ""));
                Verdict::Deny(Response::new(403).with_header(name, value))
            }
            None => Verdict::Grant(Principal::new("good")),
        }
    }
}

socklet_sdk::export_authenticator!(Guest);
