//! Socklet from the outside: real sockets, real components, clients that nobody here wrote.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod admin;
mod admin_connections;
mod admin_events;
mod admin_floods;
mod admin_openapi;
mod admin_tokens;
mod admin_uploads;
mod auth;
mod chat;
mod clients;
mod command_line;
mod compiling;
mod compression;
mod console;
mod counter;
mod dist;
mod doctor;
mod drain;
mod edge;
mod endings;
mod frames;
mod guests;
mod handshake;
mod heartbeat;
mod instances;
mod limits;
mod listeners;
mod logs;
mod monitoring;
mod ops;
mod quotas;
mod registry;
mod reload;
mod routes;
mod runtime;
mod sandbox;
mod scripts;
mod smoke;
mod tenant_files;
mod thousands;
mod tls;
mod traces;
mod usage;
