//! The trait of an authenticator.

use crate::{Request, Verdict};
use std::error::Error;

/// Decides who may connect.
///
/// Every request is asked of a fresh instance: a value made by `Default`, started, asked once and dropped.
pub trait Authenticator: Default + 'static {
    /// Called before `authenticate`: the place to read settings.
    ///
    /// # Errors
    ///
    /// An error is logged and the request refused with 500.
    fn start(&mut self) -> Result<(), Box<dyn Error>> {
        Ok(())
    }

    /// Judges one request. Unlike a behavior it sees `authorization` and `cookie`.
    fn authenticate(&mut self, request: &Request) -> Verdict;
}
