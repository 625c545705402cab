//! The host and port that a client names, RFC 9112 section 3.2.

use http::{Version, header::HOST, request::Parts};
use socklet_core::Refusal;

/// Host and port as the client named them: those of the request's target where it has them, of the Host field
/// otherwise. Empty only where HTTP/1.0 named none.
///
/// # Errors
///
/// When an HTTP/1.1 request has no Host field or several, or one that is no host and port.
pub(crate) fn authority(parts: &Parts) -> Result<&str, Refusal> {
    let mut hosts = parts.headers.get_all(HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err(Refusal::BadHandshake("the Host field is there more than once"));
    }
    if host.is_none() && parts.version == Version::HTTP_11 {
        return Err(Refusal::BadHandshake("the Host field is missing"));
    }
    let host = host.map(|host| host.to_str().unwrap_or("/")); // what is not ASCII is no host
    let authority = parts.uri.authority().map(http::uri::Authority::as_str);
    for named in [host, authority].into_iter().flatten() {
        if split(named).is_none() {
            return Err(Refusal::BadHandshake("the Host field is not a host and port"));
        }
    }
    Ok(authority.or(host).unwrap_or_default())
}

/// The host of an authority: without its port, an IPv6 address in its brackets.
pub(crate) fn host(authority: &str) -> &str {
    split(authority).map_or(authority, |(host, _)| host)
}

/// Splits `host`, `host:port`, `[address]` or `[address]:port`. None when it is something else, such as with a user in
/// it.
pub(super) fn split(authority: &str) -> Option<(&str, Option<u16>)> {
    let end = if authority.starts_with('[') {
        authority.find(']')? + 1
    } else {
        authority.find(':').unwrap_or(authority.len())
    };
    let (host, port) = authority.split_at(end);
    let valid = match host.strip_prefix('[') {
        Some(address) => address.strip_suffix(']')?.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.bytes().all(in_a_host),
    };
    let port = match port.strip_prefix(':') {
        None if port.is_empty() => None,
        Some("") => None,
        Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => Some(port.parse().ok()?),
        _ => return None,
    };
    valid.then_some((host, port))
}

/// RFC 3986, section 3.2.2: `reg-name`.
fn in_a_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    #[test]
    fn hosts_and_ports() {
        for (text, expected) in [
            ("example.com", Some(("example.com", None))),
            ("example.com:8080", Some(("example.com", Some(8080)))),
            ("example.com:", Some(("example.com", None))),
            ("127.0.0.1:1", Some(("127.0.0.1", Some(1)))),
            ("[::1]", Some(("[::1]", None))),
            ("[::1]:65535", Some(("[::1]", Some(65535)))),
            ("", None),
            (":80", None),
            ("::1", None),
            ("[::1", None),
            ("[]", None),
            ("[localhost]", None),
            ("[::1]x", None),
            ("example.com:65536", None),
            ("example.com:+80", None),
            ("example.com:80:80", None),
            ("user@example.com", None),
            ("example.com/", None),
            ("exa mple.com", None),
            ("exämple.com", None),
        ] {
            assert_eq!(split(text), expected, "{text:?}");
        }
        assert_eq!(host("example.com:80"), "example.com");
        assert_eq!(host("[::1]:80"), "[::1]");
        assert_eq!(host(""), "");
    }

    #[test]
    fn who_names_it() {
        for (version, uri, hosts, expected) in [
            (Version::HTTP_11, "/", &["a:1"][..], Ok("a:1")),
            (Version::HTTP_11, "http://b:2/", &["a:1"], Ok("b:2")),
            (Version::HTTP_11, "/", &[], Err("the Host field is missing")),
            (Version::HTTP_11, "http://b/", &[], Err("the Host field is missing")),
            (Version::HTTP_11, "/", &["a", "a"], Err("the Host field is there more than once")),
            (Version::HTTP_11, "/", &[""], Err("the Host field is not a host and port")),
            (Version::HTTP_11, "/", &["a b"], Err("the Host field is not a host and port")),
            (Version::HTTP_11, "/", &["\u{e4}"], Err("the Host field is not a host and port")),
            (Version::HTTP_11, "http://u@b/", &["a"], Err("the Host field is not a host and port")),
            (Version::HTTP_10, "/", &[], Ok("")),
            (Version::HTTP_10, "/", &["a"], Ok("a")),
            (Version::HTTP_2, "https://b/", &[], Ok("b")),
        ] {
            let mut request = Request::builder().version(version).uri(uri);
            for host in hosts {
                request = request.header(HOST, *host);
            }
            let parts = request.body(()).unwrap().into_parts().0;
            assert_eq!(authority(&parts), expected.map_err(Refusal::BadHandshake), "{uri} {hosts:?}");
        }
    }
}
