//! Checks UTF-8 that arrives in pieces, and fails on the first byte that no continuation could make valid.

/// Not UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotUtf8;

/// The state between two pieces: the beginning of a character whose end has not arrived.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Utf8 {
    begun: [u8; 4],
    len: u8,
}

impl Utf8 {
    /// Checks the next piece. Hands on what is complete, in order, so that nobody has to check it again.
    pub(super) fn push(&mut self, mut bytes: &[u8], mut complete: impl FnMut(&str)) -> Result<(), NotUtf8> {
        while self.len > 0 {
            let Some((&byte, rest)) = bytes.split_first() else { return Ok(()) };
            bytes = rest;
            self.begun[usize::from(self.len)] = byte;
            self.len += 1;
            match str::from_utf8(&self.begun[..usize::from(self.len)]) {
                Ok(character) => {
                    complete(character);
                    self.len = 0;
                }
                Err(error) if error.error_len().is_none() => {}
                Err(_) => return Err(NotUtf8),
            }
        }
        let (text, begun) = bytes.split_at(bytes.len() - begun_at_the_end(bytes));
        complete(str::from_utf8(text).map_err(|_| NotUtf8)?);
        if let Err(error) = str::from_utf8(begun)
            && error.error_len().is_some()
        {
            return Err(NotUtf8);
        }
        self.begun[..begun.len()].copy_from_slice(begun);
        self.len = begun.len() as u8; // at most 3
        Ok(())
    }

    /// How many bytes of a character have arrived that is not complete; the text may end where there are none.
    pub(super) fn begun(self) -> usize {
        usize::from(self.len)
    }
}

/// How many bytes at the end may be the beginning of a longer character.
fn begun_at_the_end(bytes: &[u8]) -> usize {
    for (back, byte) in (1..=3).zip(bytes.iter().rev()) {
        let width = match byte {
            0x80..=0xbf => continue,
            0xc0..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xff => 4,
            _ => 1,
        };
        return if width > back { back } else { 0 };
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds pieces; the text, or the number of bytes of the whole after which it failed at the latest.
    fn feed<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<(String, bool), usize> {
        let (mut utf8, mut text, mut fed) = (Utf8::default(), String::new(), 0);
        for piece in pieces {
            fed += piece.len();
            utf8.push(piece, |complete| text.push_str(complete)).map_err(|NotUtf8| fed)?;
        }
        Ok((text, utf8.begun() == 0))
    }

    #[test]
    fn valid_text_cut_anywhere_is_itself() {
        for text in ["", "a", "κόσμε", "€", "\u{10ffff}", "aé€😀z\0\u{d7ff}\u{e000}\u{fffe}", "😀😀😀"]
        {
            let bytes = text.as_bytes();
            for cut in 0..=bytes.len() {
                for second in cut..=bytes.len() {
                    let pieces = [&bytes[..cut], &bytes[cut..second], &bytes[second..]];
                    assert_eq!(feed(pieces), Ok((text.to_owned(), true)), "{text:?} {cut} {second}");
                }
            }
            assert_eq!(feed(bytes.chunks(1)), Ok((text.to_owned(), true)));
        }
    }

    #[test]
    fn fails_at_the_first_impossible_byte() {
        for (bytes, at) in [
            (&b"\x80"[..], 1),
            (b"a\xc0", 2),
            (b"\xc1", 1),
            (b"\xc3\x28", 2),
            (b"\xe0\x80", 2),
            (b"\xe2\x82\x28", 3),
            (b"\xed\xa0", 2),
            (b"\xf0\x80", 2),
            (b"\xf4\x90", 2),
            (b"\xf5", 1),
            (b"\xff", 1),
            (b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xf4\x90", 13),
        ] {
            assert_eq!(feed(bytes.chunks(1)), Err(at), "{bytes:x?}");
            assert_eq!(feed([bytes]), Err(bytes.len()), "{bytes:x?}");
            let longer = [bytes, b"\x80abc"].concat();
            assert_eq!(feed(longer.chunks(1)), Err(at), "{longer:x?}");
            assert_eq!(feed([&longer[..]]), Err(longer.len()), "{longer:x?}");
        }
    }

    #[test]
    fn agrees_with_the_standard_library_on_every_start_of_three_bytes() {
        for first in 0xbe..=0xff {
            for second in [0, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xff] {
                for third in [0, 0x7f, 0x80, 0xbf, 0xc2, 0xff] {
                    let bytes = [first, second, third];
                    let expected = match str::from_utf8(&bytes) {
                        Ok(_) => Some(true),
                        Err(error) if error.error_len().is_none() => Some(false),
                        Err(_) => None,
                    };
                    for got in [feed([&bytes[..]]), feed(bytes.chunks(1)), feed(bytes.chunks(2))] {
                        assert_eq!(got.ok().map(|(_, complete)| complete), expected, "{bytes:x?}");
                    }
                }
            }
        }
    }

    #[test]
    fn what_has_begun_is_not_complete() {
        for begun in [&b"\xc3"[..], b"\xe2\x82", b"\xf0\x9f\x98", b"a\xe2"] {
            assert!(!feed([begun]).unwrap().1, "{begun:x?}");
        }
    }
}
