//! Which subprotocol the connection speaks, RFC 6455 section 4.2.2.

/// A plugin chose what the client did not offer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("subprotocol {0:?} was not offered by the client")]
pub(crate) struct NotOffered(String);

/// The plugin's choice, or else the first of the route's subprotocols that the client offers, or else none.
///
/// # Errors
///
/// When the client does not offer the plugin's choice. Names are compared exactly.
pub(crate) fn choose<'a>(
    offered: &'a [String],
    plugin: Option<&str>,
    route: &[String],
) -> Result<Option<&'a str>, NotOffered> {
    let find = |name: &str| offered.iter().find(|offer| *offer == name).map(String::as_str);
    match plugin {
        Some(name) => find(name).map(Some).ok_or_else(|| NotOffered(name.to_owned())),
        None => Ok(route.iter().find_map(|name| find(name))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices() {
        for (offered, plugin, route, expected) in [
            (&[][..], None, &[][..], Ok(None)),
            (&[], None, &["a"], Ok(None)),
            (&["a"], None, &[], Ok(None)),
            (&["b", "a"], None, &["c", "a", "b"], Ok(Some("a"))),
            (&["b", "a"], None, &["A", "B"], Ok(None)),
            (&["b", "a"], Some("b"), &["a"], Ok(Some("b"))),
            (&["b"], Some("b"), &[], Ok(Some("b"))),
            (&["b"], Some("a"), &["b"], Err(NotOffered("a".into()))),
            (&["b"], Some("B"), &[], Err(NotOffered("B".into()))),
            (&[], Some(""), &[], Err(NotOffered(String::new()))),
        ] {
            let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
            assert_eq!(choose(&owned(offered), plugin, &owned(route)), expected, "{offered:?} {plugin:?} {route:?}");
        }
    }
}
