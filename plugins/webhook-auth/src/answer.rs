//! What the endpoint answers, and what that means. What is not understood lets nobody in.

use serde::Deserialize;
use socklet_sdk::{Principal, Response, Verdict, http};
use std::collections::BTreeMap;

/// The most that a client is told of a no.
const MAX_BODY: usize = 4 << 10;

/// Who may come in.
#[derive(Debug, Deserialize)]
struct Granted {
    subject: String,
    #[serde(default)]
    attributes: BTreeMap<String, String>,
    /// In Unix seconds.
    #[serde(default)]
    expires_at: Option<u64>,
}

/// What an answer means; an error says what is wrong with it.
pub(crate) fn verdict(response: &http::Response) -> Result<Verdict, String> {
    match response.status {
        200 => {
            let granted: Granted =
                serde_json::from_slice(&response.body).map_err(|error| format!("not an answer: {error}"))?;
            principal(granted).map(Verdict::Grant)
        }
        204 => Ok(Verdict::Abstain),
        401 | 403 => Ok(Verdict::Deny(denial(response))),
        status => Err(format!("the status is {status}")),
    }
}

fn principal(granted: Granted) -> Result<Principal, String> {
    if !matches!(granted.subject.len(), 1..=255) {
        return Err("the subject does not have 1 to 255 bytes".into());
    }
    if granted.attributes.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>() > 16 << 10 {
        return Err("the attributes have more than 16 KiB".into());
    }
    let mut principal = Principal::new(granted.subject);
    for (name, value) in granted.attributes {
        principal = principal.with_attribute(name, value);
    }
    Ok(match granted.expires_at {
        Some(end) => principal.with_expiry(end),
        None => principal,
    })
}

/// The endpoint's no as the client hears it: its status, its challenge, and its text.
fn denial(response: &http::Response) -> Response {
    let mut denial = Response::new(response.status);
    if let Some(challenge) = response.header("www-authenticate") {
        denial = denial.with_header("www-authenticate", challenge);
    }
    match std::str::from_utf8(&response.body) {
        Ok(text) if matches!(text.len(), 1..=MAX_BODY) => denial.with_text(text),
        _ => denial.with_text(if response.status == 401 { "401 Unauthorized\n" } else { "403 Forbidden\n" }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(status: u16, body: &str) -> http::Response {
        let headers =
            vec![("www-authenticate".to_owned(), b"Bearer".to_vec()), ("set-cookie".to_owned(), b"x".to_vec())];
        http::Response { status, headers, body: body.as_bytes().to_vec() }
    }

    #[test]
    fn a_yes_is_a_principal() {
        let yes = r#"{"subject":"ada","attributes":{"role":"admin"},"expires_at":99,"more":1}"#;
        let Ok(Verdict::Grant(principal)) = verdict(&response(200, yes)) else { panic!("not a grant") };
        assert_eq!((principal.subject.as_str(), principal.attribute("role")), ("ada", Some("admin")));
        assert_eq!(principal.expires_at, Some(99));
        assert!(matches!(verdict(&response(204, "")), Ok(Verdict::Abstain)));
    }

    #[test]
    fn a_no_is_told_in_its_own_words() {
        let Ok(Verdict::Deny(denial)) = verdict(&response(401, "go away")) else { panic!("not a denial") };
        assert_eq!((denial.status, denial.body.as_slice()), (401, &b"go away"[..]));
        let names: Vec<_> = denial.headers.iter().map(|field| field.name.as_str()).collect();
        assert_eq!(names, ["www-authenticate", "content-type"]);
        let Ok(Verdict::Deny(denial)) = verdict(&response(403, &"x".repeat(5000))) else { panic!("not a denial") };
        assert_eq!(denial.body, b"403 Forbidden\n");
    }

    #[test]
    fn whatever_else_lets_nobody_in() {
        for (status, body) in [
            (200, ""),
            (200, "{}"),
            (200, r#"{"subject":""}"#),
            (200, r#"{"subject":1}"#),
            (200, r#"{"subject":"ada","attributes":{"role":["admin"]}}"#),
            (201, r#"{"subject":"ada"}"#),
            (302, ""),
            (404, ""),
            (500, ""),
        ] {
            assert!(verdict(&response(status, body)).is_err(), "{status} {body}");
        }
    }
}
