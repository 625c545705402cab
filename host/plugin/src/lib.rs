//! Components to answers: engine, cache, loading, instances, limits, host imports. The only crate that names the virtual machine.
//!
//! [`Plugins::load`] turns a file into a [`Plugin`], which serves routes through the traits of `socklet-core`. A call starts on
//! its caller's thread and moves to a guest thread when it is not done within a slice of two milliseconds.

mod agenda;
mod answer;
mod artifact;
mod auth;
mod bindings;
mod breaker;
mod cache;
mod cell;
mod census;
mod compiler;
mod config;
mod contract;
mod convert;
mod durations;
mod engine;
mod error;
mod failure;
mod fair;
mod guests;
mod host;
mod household;
mod inspect;
mod instance;
mod keeper;
mod limits;
mod load;
mod loaded;
mod mappings;
mod meter;
mod metrics;
mod pace;
mod plugin;
mod policy;
mod precheck;
mod profile;
mod rest;
mod roster;
mod serving;
mod session;
mod slots;
mod stacks;
mod state;
mod swap;
mod ticker;
mod timers;
mod traced;
mod trial;
mod usage;
mod version;

pub use compiler::{ChildCompiler, CompileLimits, Compiler, CompilerError, compile_as_child};
pub use config::{CallLimits, DeathRate, EngineConfig, Grants, OnSwap, PluginConfig, RouteInstances, Source};
pub use contract::{Import, ImportStatus, Kind};
pub use engine::{Allocation, has_page_scan};
pub use error::{EngineError, LoadError, WrongKind};
pub use inspect::{Inspection, inspect};
pub use plugin::{NextVersion, Plugin, Plugins, Swapped};
pub use policy::{InstancePolicy, InvalidPolicy, KeyTemplate};
pub use precheck::MAX_SIZE;
pub use swap::{NothingBefore, VersionRole, VersionStatus};
pub use usage::UsageRow;
