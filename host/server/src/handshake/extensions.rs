//! The field `Sec-WebSocket-Extensions` of a request, RFC 6455 section 9.1.

use super::fields::token;
use http::{HeaderMap, header::SEC_WEBSOCKET_EXTENSIONS};

/// An extension as it is offered: a name and parameters, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Extension {
    pub(super) name: String,
    pub(super) parameters: Vec<(String, Option<String>)>,
}

/// The field is not a list of extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// What is being read: what is left of a value.
struct Rest<'a>(&'a [u8]);

/// The extensions that are offered, most wanted first.
pub(super) fn extensions(headers: &HeaderMap) -> Result<Vec<Extension>, Malformed> {
    let mut extensions = Vec::new();
    for value in headers.get_all(SEC_WEBSOCKET_EXTENSIONS) {
        let mut rest = Rest(value.as_bytes());
        loop {
            // Empty elements do not count (RFC 9110, section 5.6.1.2).
            while rest.skip(b',') {}
            if rest.0.is_empty() {
                break;
            }
            extensions.push(rest.extension()?);
            if !rest.0.is_empty() && !rest.0.starts_with(b",") {
                return Err(Malformed);
            }
        }
    }
    if extensions.is_empty() && headers.contains_key(SEC_WEBSOCKET_EXTENSIONS) {
        return Err(Malformed);
    }
    Ok(extensions)
}

// === impl Rest ===

impl Rest<'_> {
    fn extension(&mut self) -> Result<Extension, Malformed> {
        let mut extension = Extension { name: self.token()?, parameters: Vec::new() };
        while self.skip(b';') {
            let name = self.token()?;
            let value = if self.skip(b'=') { Some(self.value()?) } else { None };
            extension.parameters.push((name, value));
        }
        Ok(extension)
    }

    /// Takes a character and the white space around it, if it is next. White space where there is no such character is taken, too.
    fn skip(&mut self, character: u8) -> bool {
        self.0 = self.0.trim_ascii_start();
        let Some(rest) = self.0.strip_prefix(&[character]) else { return false };
        self.0 = rest.trim_ascii_start();
        true
    }

    fn token(&mut self) -> Result<String, Malformed> {
        let end = self.0.iter().position(|byte| b" \t,;=\"".contains(byte)).unwrap_or(self.0.len());
        let (name, rest) = self.0.split_at(end);
        self.0 = rest;
        token(name).map(str::to_owned).ok_or(Malformed)
    }

    /// A token, or a quoted string that is one once it is unquoted.
    fn value(&mut self) -> Result<String, Malformed> {
        let Some(quoted) = self.0.strip_prefix(b"\"") else { return self.token() };
        let mut value = Vec::new();
        let mut bytes = quoted.iter();
        loop {
            match bytes.next().ok_or(Malformed)? {
                b'"' => break,
                b'\\' => value.push(*bytes.next().ok_or(Malformed)?),
                byte => value.push(*byte),
            }
        }
        self.0 = bytes.as_slice();
        token(&value).map(str::to_owned).ok_or(Malformed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn parse(fields: &[&str]) -> Result<String, Malformed> {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append(SEC_WEBSOCKET_EXTENSIONS, HeaderValue::from_bytes(field.as_bytes()).unwrap());
        }
        let shown = |Extension { name, parameters }: Extension| {
            let parameters = parameters.iter().map(|(name, value)| match value {
                Some(value) => format!(" {name}={value}"),
                None => format!(" {name}"),
            });
            name.clone() + &parameters.collect::<String>()
        };
        Ok(extensions(&headers)?.into_iter().map(shown).collect::<Vec<_>>().join("|"))
    }

    #[test]
    fn lists_of_extensions() {
        for (fields, expected) in [
            (&[][..], ""),
            (&["a"], "a"),
            (&["a,b"], "a|b"),
            (&["a", "b ; x"], "a|b x"),
            (&[" , a , ,b,"], "a|b"),
            (&["a;x;y=1"], "a x y=1"),
            (&["a ;\tx ; y = 1 , b"], "a x y=1|b"),
            (&["a; y=\"10\""], "a y=10"),
            (&["a; y=\"1\\0\"; z , b"], "a y=10 z|b"),
            (&["a; x; x"], "a x x"),
            (&["x-webkit-deflate-frame"], "x-webkit-deflate-frame"),
        ] {
            assert_eq!(parse(fields).as_deref(), Ok(expected), "{fields:?}");
        }
    }

    #[test]
    fn what_is_no_list_of_extensions() {
        for fields in [
            &[""][..],
            &[","],
            &[";"],
            &["a;"],
            &["a;;x"],
            &["a; =1"],
            &["a; x="],
            &["a; x=,b"],
            &["a b"],
            &["a; x y"],
            &["a; x=1 2"],
            &["a; x=1=2"],
            &["a=1"],
            &["\"a\""],
            &["a; \"x\""],
            &["a; x=\"1"],
            &["a; x=\"1\\"],
            &["a; x=\"\""],
            &["a; x=\"1 2\""],
            &["a; x=\"1,2\""],
            &["a; x=\"1\"2"],
            &["a/b"],
            &["ä"],
            &["a", "b;"],
        ] {
            assert_eq!(parse(fields), Err(Malformed), "{fields:?}");
        }
    }
}
