//! Which of the client's offers of permessage-deflate is accepted and how, RFC 7692 section 7.1.

use super::extensions::Extension;
use crate::compression::{Compression, Deflate, WindowBits};
use std::fmt::Write;

/// One valid offer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Offer {
    server_no_context_takeover: bool,
    client_no_context_takeover: bool,
    /// 8 to 15.
    server_max_window_bits: Option<u8>,
    /// Whether we may limit the client's window, and what it is limited to anyhow: 8 to 15.
    client_max_window_bits: Option<Option<u8>>,
}

/// The valid offers among extensions, most wanted first. One with a parameter that is not known, not valid, or there twice is
/// declined (section 7.1).
pub(super) fn offers(extensions: &[Extension]) -> Vec<Offer> {
    extensions.iter().filter(|extension| extension.name == "permessage-deflate").filter_map(offer).collect()
}

fn offer(extension: &Extension) -> Option<Offer> {
    let mut offer = Offer::default();
    for (name, value) in &extension.parameters {
        let again = match (name.as_str(), value) {
            ("server_no_context_takeover", None) => std::mem::replace(&mut offer.server_no_context_takeover, true),
            ("client_no_context_takeover", None) => std::mem::replace(&mut offer.client_no_context_takeover, true),
            ("server_max_window_bits", Some(value)) => offer.server_max_window_bits.replace(bits(value)?).is_some(),
            ("client_max_window_bits", value) => {
                let value = value.as_deref().map(|value| bits(value).ok_or(())).transpose().ok()?;
                offer.client_max_window_bits.replace(value).is_some()
            }
            _ => return None,
        };
        if again {
            return None;
        }
    }
    Some(offer)
}

/// 8 to 15, without leading zeros.
fn bits(value: &str) -> Option<u8> {
    let valid = matches!(value, "8" | "9" | "10" | "11" | "12" | "13" | "14" | "15");
    valid.then(|| value.parse().ok()).flatten()
}

/// What is agreed on, and the value of the field that answers so: the first of the offers that can be accepted. An offer that
/// wants our window to be 256 bytes cannot: no zlib compresses with that.
pub(crate) fn agree(offers: &[Offer], route: &Compression) -> Option<(Deflate, String)> {
    let (offer, server_bits) = offers.iter().find_map(|offer| {
        let wanted = offer.server_max_window_bits.map_or(Some(WindowBits::MAX), WindowBits::new)?;
        Some((offer, wanted.min(route.server_max_window_bits)))
    })?;
    let deflate = Deflate {
        server_no_context_takeover: offer.server_no_context_takeover || route.server_no_context_takeover,
        client_no_context_takeover: offer.client_no_context_takeover || route.client_no_context_takeover,
        server_max_window_bits: server_bits,
        level: route.level,
        threshold: route.threshold,
    };
    let mut answer = "permessage-deflate".to_owned();
    if deflate.server_no_context_takeover {
        answer.push_str("; server_no_context_takeover");
    }
    if deflate.client_no_context_takeover {
        answer.push_str("; client_no_context_takeover");
    }
    if offer.server_max_window_bits.is_some() || server_bits < WindowBits::MAX {
        let _ = write!(answer, "; server_max_window_bits={}", server_bits.get());
    }
    // Only a client that knows of it may be told (section 7.1.2.2).
    if let Some(own) = offer.client_max_window_bits {
        let bits = own.unwrap_or(WindowBits::MAX.get()).min(route.client_max_window_bits.get());
        if bits < WindowBits::MAX.get() {
            let _ = write!(answer, "; client_max_window_bits={bits}");
        }
    }
    Some((deflate, answer))
}

#[cfg(test)]
mod tests {
    use super::{super::extensions::extensions, *};
    use http::{HeaderMap, HeaderValue, header::SEC_WEBSOCKET_EXTENSIONS};

    const D: &str = "permessage-deflate";

    fn answer(offered: &str, route: &Compression) -> Option<(Deflate, String)> {
        let mut headers = HeaderMap::new();
        headers.insert(SEC_WEBSOCKET_EXTENSIONS, HeaderValue::from_str(offered).unwrap());
        agree(&offers(&extensions(&headers).unwrap()), route)
    }

    /// The answer without the name of the extension.
    fn parameters(offered: &str, route: &Compression) -> Option<String> {
        let (_, answer) = answer(offered, route)?;
        Some(answer.strip_prefix(D).unwrap().trim_start_matches("; ").to_owned())
    }

    fn route(server: u8, client: u8, no_takeover: bool) -> Compression {
        Compression {
            server_no_context_takeover: no_takeover,
            client_no_context_takeover: no_takeover,
            server_max_window_bits: WindowBits::new(server).unwrap(),
            client_max_window_bits: WindowBits::new(client).unwrap(),
            ..Compression::default()
        }
    }

    #[test]
    fn answers() {
        let (plain, alone, small) = (route(15, 15, false), route(15, 15, true), route(11, 10, false));
        let both = "server_no_context_takeover; client_no_context_takeover";
        for (offered, route, expected) in [
            ("", &plain, ""),
            ("", &alone, both),
            ("", &small, "server_max_window_bits=11"),
            ("server_no_context_takeover", &plain, "server_no_context_takeover"),
            ("client_no_context_takeover", &plain, "client_no_context_takeover"),
            ("client_no_context_takeover; server_no_context_takeover", &plain, both),
            ("server_max_window_bits=15", &plain, "server_max_window_bits=15"),
            ("server_max_window_bits=9", &plain, "server_max_window_bits=9"),
            ("server_max_window_bits=9", &small, "server_max_window_bits=9"),
            ("server_max_window_bits=12", &small, "server_max_window_bits=11"),
            ("server_max_window_bits=\"12\"", &plain, "server_max_window_bits=12"),
            ("client_max_window_bits", &plain, ""),
            ("client_max_window_bits=15", &plain, ""),
            ("client_max_window_bits=12", &plain, "client_max_window_bits=12"),
            ("client_max_window_bits=8", &plain, "client_max_window_bits=8"),
            ("client_max_window_bits", &small, "server_max_window_bits=11; client_max_window_bits=10"),
            ("client_max_window_bits=9", &small, "server_max_window_bits=11; client_max_window_bits=9"),
            ("client_max_window_bits=14", &small, "server_max_window_bits=11; client_max_window_bits=10"),
        ] {
            let offered = if offered.is_empty() { D.to_owned() } else { format!("{D}; {offered}") };
            assert_eq!(parameters(&offered, route).as_deref(), Some(expected), "{offered}");
        }
    }

    #[test]
    fn offers_that_are_declined() {
        for offered in [
            "server_no_context_takeover=1",
            "server_no_context_takeover; server_no_context_takeover",
            "client_no_context_takeover=true",
            "client_no_context_takeover; client_no_context_takeover",
            "server_max_window_bits",
            "server_max_window_bits=7",
            "server_max_window_bits=8",
            "server_max_window_bits=16",
            "server_max_window_bits=010",
            "server_max_window_bits=09",
            "server_max_window_bits=+9",
            "server_max_window_bits=ten",
            "server_max_window_bits=10; server_max_window_bits=10",
            "client_max_window_bits=7",
            "client_max_window_bits=16",
            "client_max_window_bits=08",
            "client_max_window_bits; client_max_window_bits",
            "client_max_window_bits=10; client_max_window_bits",
            "mux",
            "Server_no_context_takeover",
        ] {
            assert_eq!(parameters(&format!("{D}; {offered}"), &Compression::default()), None, "{offered}");
        }
        for offered in ["x-webkit-deflate-frame", "Permessage-Deflate", "permessage-bzip2; client_max_window_bits"] {
            assert_eq!(parameters(offered, &Compression::default()), None, "{offered}");
        }
    }

    #[test]
    fn the_first_offer_that_can_be_accepted_is() {
        let plain = route(15, 15, false);
        for (offered, expected) in [
            (format!("{D}; server_max_window_bits=10, {D}"), "server_max_window_bits=10"),
            (format!("{D}; server_max_window_bits=8, {D}; server_no_context_takeover"), "server_no_context_takeover"),
            (format!("mux, {D}; unknown, {D}; client_max_window_bits=9, {D}"), "client_max_window_bits=9"),
        ] {
            assert_eq!(parameters(&offered, &plain).as_deref(), Some(expected), "{offered}");
        }
    }

    #[test]
    fn what_is_answered_is_what_is_done() {
        let offered = format!("{D}; server_no_context_takeover; server_max_window_bits=12; client_max_window_bits");
        let (deflate, _) = answer(&offered, &route(13, 15, false)).unwrap();
        assert!(deflate.server_no_context_takeover && !deflate.client_no_context_takeover);
        assert_eq!(deflate.server_max_window_bits.get(), 12);
        assert_eq!((deflate.level.get(), deflate.threshold), (1, 256));
    }
}
