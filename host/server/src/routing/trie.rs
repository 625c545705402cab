//! Finds the patterns that a path fits, most specific first.

use super::path::Segment;
use std::{cmp::Reverse, collections::BTreeMap, collections::HashMap, fmt::Debug};

/// Patterns of paths, each with what belongs to it. A lookup visits a node at most once for each of its two passes,
/// however often it has to turn back.
#[derive(Debug)]
pub(super) struct Trie<L> {
    root: Node<L>,
}

#[derive(Debug)]
struct Node<L> {
    literals: HashMap<String, Node<L>>,
    /// Captures with literals beside them, in the order of their specificity.
    partial: BTreeMap<Affixes, Node<L>>,
    capture: Option<Box<Node<L>>>,
    /// What belongs to the pattern that ends here.
    end: Option<L>,
    /// What belongs to the prefix that ends here.
    rest: Option<L>,
}

/// The literals beside a capture: the longest together first, then the longest before it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Affixes {
    order: Reverse<(usize, usize)>,
    before: String,
    after: String,
}

/// Which patterns a lookup is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pass {
    /// Those that end where the path ends.
    Whole,
    /// Those that end in `{*rest}`.
    Prefix,
}

/// A lookup on its way.
struct Walk<'p, A> {
    pass: Pass,
    captured: Vec<&'p str>,
    accept: A,
}

// === impl Trie ===

impl<L> Default for Trie<L> {
    fn default() -> Self {
        Self { root: Node::default() }
    }
}

impl<L> Trie<L> {
    /// What belongs to a pattern, or to a prefix. Names of captures make no difference.
    pub(super) fn entry(&mut self, segments: &[Segment], prefix: bool) -> &mut L
    where
        L: Default,
    {
        let mut node = &mut self.root;
        for segment in segments {
            node = match segment {
                Segment::Literal(literal) => node.literals.entry(literal.clone()).or_default(),
                Segment::Capture { before, after, .. } if before.is_empty() && after.is_empty() => {
                    node.capture.get_or_insert_default()
                }
                Segment::Capture { before, after, .. } => {
                    let order = Reverse((before.len() + after.len(), before.len()));
                    node.partial.entry(Affixes { order, before: before.clone(), after: after.clone() }).or_default()
                }
            };
        }
        let leaf = if prefix { &mut node.rest } else { &mut node.end };
        leaf.get_or_insert_default()
    }

    /// Offers what the path fits, most specific first, with what was captured, until `accept` takes one.
    pub(super) fn find<'t, 'p, R>(
        &'t self,
        path: &'p str,
        pass: Pass,
        accept: impl FnMut(&'t L, &[&'p str]) -> Option<R>,
    ) -> Option<R> {
        let path = path.strip_prefix('/')?;
        Walk { pass, captured: Vec::new(), accept }.visit(&self.root, Some(path))
    }
}

// === impl Node ===

impl<L> Default for Node<L> {
    fn default() -> Self {
        Self { literals: HashMap::new(), partial: BTreeMap::new(), capture: None, end: None, rest: None }
    }
}

// === impl Walk ===

impl<'p, A> Walk<'p, A> {
    /// `rest` is what follows the last slash that was passed; none at the end of the path. The depth is that of the
    /// patterns, not that of the path.
    fn visit<'t, L, R>(&mut self, node: &'t Node<L>, rest: Option<&'p str>) -> Option<R>
    where
        A: FnMut(&'t L, &[&'p str]) -> Option<R>,
    {
        let Some(rest) = rest else {
            return match self.pass {
                Pass::Whole => node.end.as_ref().and_then(|leaf| (self.accept)(leaf, &self.captured)),
                Pass::Prefix => None,
            };
        };
        let (segment, after) = match rest.split_once('/') {
            Some((segment, after)) => (segment, Some(after)),
            None => (rest, None),
        };
        if let Some(child) = node.literals.get(segment)
            && let Some(found) = self.visit(child, after)
        {
            return Some(found);
        }
        for (affixes, child) in &node.partial {
            if let Some(captured) = affixes.capture(segment)
                && let Some(found) = self.capture(captured, child, after)
            {
                return Some(found);
            }
        }
        if let Some(child) = &node.capture
            && !segment.is_empty()
            && let Some(found) = self.capture(segment, child, after)
        {
            return Some(found);
        }
        match (&node.rest, self.pass) {
            (Some(leaf), Pass::Prefix) => {
                self.captured.push(rest);
                let found = (self.accept)(leaf, &self.captured);
                self.captured.pop();
                found
            }
            _ => None,
        }
    }

    fn capture<'t, L, R>(&mut self, captured: &'p str, child: &'t Node<L>, after: Option<&'p str>) -> Option<R>
    where
        A: FnMut(&'t L, &[&'p str]) -> Option<R>,
    {
        self.captured.push(captured);
        let found = self.visit(child, after);
        self.captured.pop();
        found
    }
}

// === impl Affixes ===

impl Affixes {
    fn capture<'p>(&self, segment: &'p str) -> Option<&'p str> {
        let captured = segment.strip_prefix(&*self.before)?.strip_suffix(&*self.after)?;
        (!captured.is_empty()).then_some(captured)
    }
}
