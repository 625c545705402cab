//! Reads the `Authorization` header.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What a request brought to prove who asks.
#[derive(Debug, PartialEq)]
pub(crate) enum Presented {
    /// No `Authorization` header.
    Nothing,
    /// Credentials of another scheme.
    OtherScheme,
    /// Several headers, or one that is not as RFC 7617 says.
    Malformed,
    /// A name and a password.
    Basic(Credentials),
}

#[derive(Debug, PartialEq)]
pub(crate) struct Credentials {
    pub(crate) user: String,
    pub(crate) password: String,
}

/// Reads the values of the `Authorization` headers of a request.
pub(crate) fn presented<'a>(mut values: impl Iterator<Item = &'a str>) -> Presented {
    let Some(value) = values.next() else { return Presented::Nothing };
    if values.next().is_some() {
        return Presented::Malformed;
    }
    let (scheme, token) = value.trim().split_once(' ').unwrap_or((value.trim(), ""));
    if !scheme.eq_ignore_ascii_case("basic") {
        return Presented::OtherScheme;
    }
    basic(token.trim()).map_or(Presented::Malformed, Presented::Basic)
}

fn basic(token: &str) -> Option<Credentials> {
    let decoded = String::from_utf8(BASE64.decode(token).ok()?).ok()?;
    let (user, password) = decoded.split_once(':')?;
    // RFC 7617, section 2: neither may contain control characters.
    let valid = matches!(user.len(), 1..=255) && !decoded.chars().any(char::is_control);
    valid.then(|| Credentials { user: user.to_owned(), password: password.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> Presented {
        presented([value].into_iter())
    }

    fn credentials(user: &str, password: &str) -> Presented {
        Presented::Basic(Credentials { user: user.into(), password: password.into() })
    }

    #[test]
    fn reads_the_examples_of_rfc_7617() {
        assert_eq!(read("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="), credentials("Aladdin", "open sesame"));
        assert_eq!(read("basic dGVzdDoxMjPCow=="), credentials("test", "123£"));
        assert_eq!(read("BASIC  dGVzdDoxMjPCow"), credentials("test", "123£"));
    }

    #[test]
    fn splits_at_the_first_colon() {
        assert_eq!(read("Basic YTpiOmM="), credentials("a", "b:c"));
        assert_eq!(read("Basic YTo="), credentials("a", ""));
    }

    #[test]
    fn knows_what_is_malformed() {
        // Nothing, no base64, no colon, no user, not UTF-8, a control character.
        for value in ["Basic", "Basic ", "Basic !!!", "Basic YQ==", "Basic OmI=", "Basic /zph", "Basic YTpiCg=="] {
            assert_eq!(read(value), Presented::Malformed, "{value}");
        }
        assert_eq!(presented(["Basic YTpi", "Basic YTpi"].into_iter()), Presented::Malformed);
    }

    #[test]
    fn knows_what_is_not_for_it() {
        assert_eq!(presented(std::iter::empty()), Presented::Nothing);
        assert_eq!(read("Bearer abc"), Presented::OtherScheme);
        assert_eq!(read(""), Presented::OtherScheme);
    }
}
