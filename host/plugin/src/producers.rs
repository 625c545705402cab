//! What a component says of how it was made: its languages, and the tools that had a hand in it.

use std::collections::BTreeSet;
use wasmparser::{KnownCustom, Parser, Payload};

/// Something that a component was made of or by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Producer {
    /// `language`, `processed-by` or `sdk`.
    pub field: String,
    /// Such as `Rust`, or `rustc`.
    pub name: String,
    /// Such as `1.95.0 (59807616e 2026-04-14)`; may be empty.
    pub version: String,
}

/// The most that are listed, and the longest that a text of one may be: a component can say what it likes.
const MOST: usize = 64;
const LONGEST: usize = 128;

/// What the component and everything in it says, each once, in order. A section that cannot be read says nothing.
pub(crate) fn producers(bytes: &[u8]) -> Vec<Producer> {
    let mut found = BTreeSet::new();
    // `parse_all` also goes into the modules and components inside.
    for payload in Parser::new(0).parse_all(bytes) {
        let Ok(Payload::CustomSection(section)) = payload else { continue };
        let KnownCustom::Producers(fields) = section.as_known() else { continue };
        for field in fields.into_iter().flatten() {
            for value in field.values.into_iter().flatten() {
                if found.len() == MOST {
                    return found.into_iter().collect();
                }
                found.insert(Producer {
                    field: text(field.name),
                    name: text(value.name),
                    version: text(value.version),
                });
            }
        }
    }
    found.into_iter().collect()
}

/// A text for people: one line of what can be seen.
fn text(text: &str) -> String {
    text.chars().filter(|char| !char.is_control()).take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_inside_is_heard_too_and_controls_are_left_out() {
        let mut section = vec![1];
        let mut put = |text: &str| {
            section.push(u8::try_from(text.len()).unwrap());
            section.extend(text.as_bytes());
        };
        put("language");
        let at = section.len();
        section.push(1);
        let mut put = |text: &str| {
            section.push(u8::try_from(text.len()).unwrap());
            section.extend(text.as_bytes());
        };
        put("Ru\x1bst");
        put("2024");
        assert_eq!(section[at], 1);
        let mut custom = vec![9];
        custom.extend(b"producers");
        custom.extend(&section);
        let mut module = b"\0asm\x01\0\0\0\0".to_vec();
        module.push(u8::try_from(custom.len()).unwrap());
        module.extend(&custom);
        let mut component = b"\0asm\x0d\0\x01\0\x01".to_vec();
        component.push(u8::try_from(module.len()).unwrap());
        component.extend(&module);
        let rust = Producer { field: "language".into(), name: "Rust".into(), version: "2024".into() };
        assert_eq!(producers(&component), [rust]);
        assert_eq!(producers(&component[..component.len() - 1]), []);
        assert_eq!(producers(b"junk"), []);
    }
}
