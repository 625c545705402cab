//! Socklet from the outside: real sockets, real components.

mod smoke;
