//! Plugins through the crate's own surface, without a socket of the host: the guests of `tests/guests` and the stock plugins, against
//! connections that only exist in memory.
#![allow(clippy::unwrap_used, reason = "a test may panic, its helpers too")]

mod auth;
mod breaker;
mod deaths;
mod fairness;
mod frames;
mod grants;
mod harness;
mod hostile;
mod imports;
mod instances;
mod loading;
mod logs;
mod model;
mod quotas;
mod sleep;
mod swap;
mod timers;
mod turns;
mod usage;
mod web;
