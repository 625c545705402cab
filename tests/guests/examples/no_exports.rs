//! A component that is no plugin: it exports nothing.
