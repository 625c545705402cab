//! The server as its clients and its guests see it, with closures for guests.

mod admission;
mod authentication;
mod backpressure;
mod calls;
mod closing;
mod drain;
mod edge;
mod ends_by_client;
mod ends_by_failure;
mod ends_by_host;
mod files;
mod fragments;
mod harness;
mod heartbeat;
mod http;
mod idle;
mod metrics;
mod outbox;
mod quotas;
mod record;
mod runtime;
mod slow_consumers;
mod sockets;
mod tenants;
mod topics;
