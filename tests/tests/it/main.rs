//! Socklet from the outside: real sockets, real components, clients that nobody here wrote.

mod auth;
mod chat;
mod endings;
mod guests;
mod handshake;
mod heartbeat;
mod instances;
mod limits;
mod listeners;
mod registry;
mod routes;
mod sandbox;
mod smoke;
