//! Answers `on-upgrade` as no plugin may; the query says how.
//!
//! `status=N` answers that status, `subprotocol=NAME` accepts with it whatever was offered, `header=NAME:VALUE` (decoded) accepts
//! with that field, `deny-header=NAME:VALUE` refuses with it, `body=N` refuses with a body of N bytes. Otherwise it accepts.

use socklet_sdk::{Acceptance, Behavior, Close, Connection, Message, Principal, Request, Response};

#[derive(Default)]
struct Guest;

impl Behavior for Guest {
    fn on_upgrade(&mut self, request: Request, _principal: Option<Principal>) -> Result<Acceptance, Response> {
        let accept = Acceptance::default();
        if let Some(status) = number(&request, "status") {
            return Err(Response::new(u16::try_from(status).unwrap_or(u16::MAX)));
        }
        if let Some(length) = number(&request, "body") {
            return Err(Response { body: vec![b'x'; length], ..Response::new(403) });
        }
        if let Some((name, value)) = field(&request, "deny-header") {
            return Err(Response::new(403).with_header(name, value));
        }
        if let Some((name, value)) = field(&request, "header") {
            return Ok(accept.with_header(name, value));
        }
        match request.query_value("subprotocol") {
            Some(subprotocol) => Ok(accept.with_subprotocol(subprotocol)),
            None => Ok(accept),
        }
    }

    fn on_message(&mut self, connection: Connection, message: Message) -> Result<(), Close> {
        guests::echo(connection, message)
    }
}

fn number(request: &Request, key: &str) -> Option<usize> {
    request.query_value(key)?.parse().ok()
}

fn field(request: &Request, key: &str) -> Option<(String, String)> {
    let field = request.query_value(key)?;
    field.split_once(':').map(|(name, value)| (name.to_owned(), value.to_owned()))
}

guests::export_guest!(Guest);
