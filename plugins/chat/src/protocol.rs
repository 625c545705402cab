//! The JSON that server and clients speak; `README.md` describes it.

use serde::{Deserialize, Serialize};

/// What a client asks.
#[derive(Debug, Deserialize, PartialEq)]
#[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
pub(crate) enum Request {
    /// Tell the room.
    Say { text: String },
    /// List the members.
    Who,
}

/// What the server says.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(crate) enum Say<'a> {
    Welcome {
        you: &'a str,
        room: &'a str,
        members: Vec<&'a str>,
    },
    Members {
        room: &'a str,
        members: Vec<&'a str>,
    },
    Join {
        name: &'a str,
        #[serde(skip_serializing_if = "is_false")]
        verified: bool,
    },
    Leave {
        name: &'a str,
        #[serde(skip_serializing_if = "is_false")]
        verified: bool,
    },
    Message {
        from: &'a str,
        text: &'a str,
        at: u64,
        #[serde(skip_serializing_if = "is_false")]
        verified: bool,
    },
    Error {
        reason: &'a str,
    },
}

// === impl Request ===

impl Request {
    /// Reads a request; the error is for the client.
    pub(crate) fn parse(text: &str, max_text: usize) -> Result<Self, String> {
        let request = serde_json::from_str(text).map_err(|error| format!("not understood: {error}"))?;
        if let Self::Say { text } = &request {
            if text.trim().is_empty() {
                return Err("the text is empty".into());
            }
            if text.chars().count() > max_text {
                return Err(format!("the text is longer than {max_text} characters"));
            }
        }
        Ok(request)
    }
}

// === impl Say ===

impl Say<'_> {
    pub(crate) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("strings and numbers have JSON")
    }
}

fn is_false(value: &bool) -> bool {
    !value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_requests() {
        assert_eq!(Request::parse(r#"{"type":"who"}"#, 5), Ok(Request::Who));
        assert_eq!(Request::parse(r#"{"type":"say","text":"hello"}"#, 5), Ok(Request::Say { text: "hello".into() }));
        assert_eq!(Request::parse(r#"{"type":"say","text":"ééééé"}"#, 5), Ok(Request::Say { text: "ééééé".into() }));
    }

    #[test]
    fn says_what_is_wrong() {
        let error = |text: &str| Request::parse(text, 5).unwrap_err();
        assert_eq!(error(r#"{"type":"say","text":"hello!"}"#), "the text is longer than 5 characters");
        assert_eq!(error(r#"{"type":"say","text":" "}"#), "the text is empty");
        assert!(error("hello").starts_with("not understood: "));
        assert!(error(r#"{"type":"dance"}"#).starts_with("not understood: "));
        assert!(error(r#"{"type":"say"}"#).starts_with("not understood: "));
        assert!(error("[1,2").starts_with("not understood: "));
    }

    #[test]
    fn writes_answers() {
        let line = Say::Message { from: "ann", text: "hi", at: 1, verified: false };
        assert_eq!(line.to_json(), r#"{"type":"message","from":"ann","text":"hi","at":1}"#);
        let join = Say::Join { name: "ann", verified: true };
        assert_eq!(join.to_json(), r#"{"type":"join","name":"ann","verified":true}"#);
    }
}
