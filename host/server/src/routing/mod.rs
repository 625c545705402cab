//! Which route a request belongs to.
//!
//! Every route names listeners, hosts, paths and header fields that a request must fit; what it does not name fits
//! always. Where several routes fit, the first of this order is taken:
//!
//! 1. **Host**: that very host; then wildcards, the longest first (`*.a.example.com` before `*.example.com`); then
//!    routes for every host.
//! 2. **Path**: patterns (`/exact`, `/rooms/{room}`); then prefixes (`/files/{*rest}`); then regular expressions in the
//!    order of configuration; then routes for every path. Patterns and prefixes are compared segment by segment from
//!    the left: a literal before a literal with a capture in it (the longest literal first, then the longest before the
//!    capture) before a whole capture; a longer prefix before a shorter one. So an exact path comes before all others
//!    that fit.
//! 3. **Header fields**: more before fewer.
//! 4. **Listener**: a route that names it before one for all.
//! 5. **Order of configuration**, which only routes with different header fields can come to.
//!
//! Routes that are equal in all of 1 to 4 for some request, whatever it looks like, are a [`RouteConflict`].
//!
//! Paths are compared percent-decoded, once, so `%2F` separates segments like `/`; dots are not resolved. matchit is
//! not used: it knows only the best match of a path, and the next one is needed where that route's header fields or
//! listeners do not fit.

mod decode;
mod header;
mod host;
mod leaf;
mod path;
mod table;
#[cfg(test)]
mod tests;
mod trie;

pub(crate) use decode::decode_path;
pub use header::{HeaderCondition, InvalidHeader};
pub use host::{HostPattern, InvalidHost};
pub use path::{InvalidPath, PathPattern};
pub use table::RouteConflict;
pub(crate) use table::{RouteEntry, RouteTable};
