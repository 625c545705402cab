//! Socklet from the outside: real sockets, real components, clients that nobody here wrote.

mod guests;
mod smoke;
