//! The grammar of `Forwarded` (RFC 7239, section 4), and of what stands for addresses in the fields before it.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// Who called a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Node {
    /// An address; its port is 0 where it is not told.
    Address(SocketAddr),
    /// `unknown`, or a name that only the proxy understands.
    Unknown,
}

/// What one proxy says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Element {
    pub(super) node: Node,
    /// Whether it was called over TLS, where it says that.
    pub(super) secure: Option<bool>,
}

/// The elements of a line. None when it is not of the grammar.
pub(super) fn list(line: &str) -> Option<Vec<Element>> {
    let (mut elements, mut rest) = (Vec::new(), line);
    loop {
        let (element, after) = element(blank(rest))?;
        elements.push(element);
        match blank(after).strip_prefix(',') {
            Some(more) => rest = more,
            None if blank(after).is_empty() => return Some(elements),
            None => return None,
        }
    }
}

fn element(mut rest: &str) -> Option<(Element, &str)> {
    let (mut node, mut secure) = (None, None);
    loop {
        let (name, after) = token(rest)?;
        let (value, after) = value(after.strip_prefix('=')?)?;
        if name.eq_ignore_ascii_case("for") {
            // No name may be there twice.
            if node.replace(strict_node(&value)?).is_some() {
                return None;
            }
        } else if name.eq_ignore_ascii_case("proto") && secure.replace(scheme(&value)?).is_some() {
            return None;
        }
        match after.strip_prefix(';') {
            Some(more) => rest = more,
            None => return Some((Element { node: node.unwrap_or(Node::Unknown), secure }, after)),
        }
    }
}

/// A token, or a text in quotes.
fn value(rest: &str) -> Option<(String, &str)> {
    let Some(quoted) = rest.strip_prefix('"') else {
        return token(rest).map(|(token, after)| (token.to_owned(), after));
    };
    let (mut text, mut characters) = (String::new(), quoted.char_indices());
    loop {
        match characters.next()? {
            (end, '"') => return Some((text, &quoted[end + 1..])),
            (_, '\\') => text.push(characters.next()?.1),
            (_, character) => text.push(character),
        }
    }
}

/// RFC 9110, section 5.6.2.
fn token(rest: &str) -> Option<(&str, &str)> {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let end = rest.bytes().position(|byte| !is_part(byte)).unwrap_or(rest.len());
    (end > 0).then(|| rest.split_at(end))
}

fn blank(rest: &str) -> &str {
    rest.trim_start_matches([' ', '\t'])
}

/// A node of `Forwarded` (RFC 7239, section 6): IPv6 stands in brackets.
fn strict_node(text: &str) -> Option<Node> {
    match text.parse::<Ipv6Addr>() {
        Ok(_) => None,
        Err(_) => node(text),
    }
}

/// An entry of the fields that nobody has specified: IPv6 with brackets or without.
pub(super) fn plain_node(text: &str) -> Option<Node> {
    node(text)
}

fn node(text: &str) -> Option<Node> {
    if text.eq_ignore_ascii_case("unknown") || text.starts_with('_') {
        return Some(Node::Unknown);
    }
    let bracketed = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let address = match bracketed {
        Some(v6) => SocketAddr::new(v6.parse::<Ipv6Addr>().ok()?.into(), 0),
        None => match text.parse::<IpAddr>() {
            Ok(ip) => SocketAddr::new(ip, 0),
            Err(_) => with_port(text)?,
        },
    };
    Some(Node::Address(SocketAddr::new(address.ip().to_canonical(), address.port())))
}

/// An address with its port, or with a name in the place of that.
fn with_port(text: &str) -> Option<SocketAddr> {
    if let Some((node, _hidden)) = text.rsplit_once(":_") {
        let v6 = node.strip_prefix('[').and_then(|node| node.strip_suffix(']'));
        let ip: IpAddr = v6.map_or_else(
            || node.parse().ok().filter(IpAddr::is_ipv4),
            |v6| v6.parse::<Ipv6Addr>().ok().map(Into::into),
        )?;
        return Some(SocketAddr::new(ip, 0));
    }
    text.parse().ok()
}

/// Whether a scheme is a secure one.
pub(super) fn scheme(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "https" | "wss" => Some(true),
        "http" | "ws" => Some(false),
        _ => None,
    }
}
