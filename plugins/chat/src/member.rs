//! A member of a room: what the host keeps with the connection, and how a name is found.

use serde::{Deserialize, Serialize};
use socklet_sdk::{Connection, Principal};

/// What is attached to a connection.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) room: String,
    /// The name is that of the principal, not one that the client chose.
    pub(crate) verified: bool,
    /// The room has been told.
    pub(crate) joined: bool,
}

// === impl Member ===

impl Member {
    /// A member to be: named after the principal, else as the client wants, else `guest-N`.
    pub(crate) fn new(room: &str, principal: Option<&Principal>, wanted: Option<&str>, id: u64, max: usize) -> Self {
        let known = principal.filter(|principal| principal.attribute("anonymous") != Some("true"));
        let named = |name: &str| Some(clean(name, max)).filter(|name| !name.is_empty());
        let subject = known.and_then(|principal| named(&principal.subject));
        let verified = subject.is_some();
        let name = subject.or_else(|| wanted.and_then(named)).unwrap_or_else(|| format!("guest-{}", id % 10_000));
        Self { name, room: room.to_owned(), verified, joined: false }
    }

    /// The member that a connection is.
    pub(crate) fn of(connection: Connection) -> Option<Self> {
        connection.attached()
    }

    /// The topic of the member's room.
    pub(crate) fn topic(&self) -> String {
        format!("room:{}", self.room)
    }

    /// Whether one of these has the same name: another connection of the same user.
    pub(crate) fn is_among(&self, others: &[Self]) -> bool {
        others.iter().any(|other| other.name == self.name)
    }

    pub(crate) fn join_as(&mut self, name: String) {
        self.name = name;
        self.joined = true;
    }
}

/// The member's name, with a number behind it when another has it. A verified name belongs to its user, on however many
/// connections.
pub(crate) fn free_name(member: &Member, others: &[Member]) -> String {
    let is_free = |name: &str| others.iter().all(|other| other.name != name);
    if member.verified || is_free(&member.name) {
        return member.name.clone();
    }
    let mut numbered = (2..).map(|number: u32| format!("{}-{number}", member.name));
    numbered.find(|name| is_free(name)).unwrap_or_else(|| member.name.clone())
}

/// Whether a room may have this name: not blank, not too long, nothing that cannot be seen.
pub(crate) fn is_room(name: &str, max: usize) -> bool {
    !name.trim().is_empty() && name.chars().count() <= max.min(60) && !name.chars().any(is_unseen)
}

/// A name without what cannot be seen, cut to so many characters.
fn clean(name: &str, max: usize) -> String {
    let seen: String = name.chars().filter(|character| !is_unseen(*character)).collect();
    seen.trim().chars().take(max).collect()
}

/// Control characters, and the marks that turn text around or have no width.
fn is_unseen(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(principal: Option<&Principal>, wanted: Option<&str>) -> (String, bool) {
        let member = Member::new("lobby", principal, wanted, 120_007, 8);
        (member.name, member.verified)
    }

    #[test]
    fn prefers_the_principal() {
        let ann = Principal::new("ann");
        let guest = Principal::new("guest").with_attribute("anonymous", "true");
        assert_eq!(named(Some(&ann), Some("bob")), ("ann".into(), true));
        assert_eq!(named(Some(&guest), Some("bob")), ("bob".into(), false));
        assert_eq!(named(Some(&guest), None), ("guest-7".into(), false));
        assert_eq!(named(None, Some(" \u{202e}b\nob ")), ("bob".into(), false));
        assert_eq!(named(None, Some("\u{200b} ")), ("guest-7".into(), false));
        assert_eq!(named(None, Some("a name too long")), ("a name t".into(), false));
    }

    #[test]
    fn numbers_names_that_are_taken() {
        let member = |name: &str, verified| Member { name: name.into(), room: "lobby".into(), verified, joined: true };
        let others = [member("bob", false), member("bob-2", false), member("ann", true)];
        assert_eq!(free_name(&member("bob", false), &others), "bob-3");
        assert_eq!(free_name(&member("ann", false), &others), "ann-2");
        assert_eq!(free_name(&member("ann", true), &others), "ann");
        assert_eq!(free_name(&member("eve", false), &others), "eve");
    }

    #[test]
    fn knows_a_room() {
        assert!(is_room("café 1", 60));
        assert!(!is_room("", 60));
        assert!(!is_room("a\nb", 60));
        assert!(!is_room(&"a".repeat(61), 100));
        assert!(!is_room("abc", 2));
    }
}
