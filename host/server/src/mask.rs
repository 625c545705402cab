//! What the logs must not show: values of header fields and query parameters.

/// Names whose values never reach the logs. Compared without regard to case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mask {
    /// Header fields, lower case.
    pub headers: Vec<String>,
    /// Query parameters, lower case.
    pub query: Vec<String>,
}

impl Mask {
    /// The header fields that are masked unless an operator says otherwise.
    pub const DEFAULT_HEADERS: [&str; 6] =
        ["authorization", "cookie", "proxy-authorization", "sec-websocket-key", "sec-websocket-protocol", "x-api-key"];

    /// The query parameters that are masked unless an operator says otherwise.
    pub const DEFAULT_QUERY: [&str; 10] =
        ["access_token", "api_key", "apikey", "auth", "jwt", "key", "password", "secret", "sig", "token"];

    /// The value of a header field as the log may show it.
    pub(crate) fn header<'a>(&self, name: &str, value: &'a str) -> &'a str {
        if self.headers.iter().any(|masked| masked.eq_ignore_ascii_case(name)) { "***" } else { value }
    }

    /// A query as the log may show it.
    pub(crate) fn query(&self, query: &str) -> String {
        let mut shown = String::with_capacity(query.len());
        for (at, pair) in query.split('&').enumerate() {
            if at > 0 {
                shown.push('&');
            }
            match pair.split_once('=') {
                Some((name, _)) if self.query.iter().any(|masked| masked.eq_ignore_ascii_case(name)) => {
                    shown.push_str(name);
                    shown.push_str("=***");
                }
                _ => shown.push_str(pair),
            }
        }
        shown
    }
}

impl Default for Mask {
    fn default() -> Self {
        Self {
            headers: Self::DEFAULT_HEADERS.map(str::to_owned).into(),
            query: Self::DEFAULT_QUERY.map(str::to_owned).into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Mask;

    #[test]
    fn only_the_values_of_masked_names_are_hidden() {
        let mask = Mask::default();
        assert_eq!(mask.query("room=1&Token=abc=&x&password="), "room=1&Token=***&x&password=***");
        assert_eq!(mask.header("Authorization", "Basic abc"), "***");
        assert_eq!(mask.header("origin", "https://a"), "https://a");
    }
}
