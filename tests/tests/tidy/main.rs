//! Rules of this repository that a machine can check. What a rule looks at are the files that git tracks.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod contract;
mod documents;
mod layers;
mod markdown;
mod repository;
mod sources;
mod vendored;
