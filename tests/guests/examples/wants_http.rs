//! Imports `wasi:http/outgoing-handler`, which nobody granted: a message is a path that it asks 127.0.0.1 for.

use socklet_sdk::{Behavior, Close, Connection, Message};
use wasip2::http::outgoing_handler::handle;
use wasip2::http::types::{Fields, OutgoingRequest};

#[derive(Default)]
struct Guest;

impl Behavior for Guest {
    fn on_message(&mut self, connection: Connection, message: Message) -> Result<(), Close> {
        let request = OutgoingRequest::new(Fields::new());
        let made =
            request.set_authority(Some("127.0.0.1:9")).and_then(|()| request.set_path_with_query(message.text()));
        let answer = match made {
            Ok(()) => format!("asked: {}", handle(request, None).is_ok()),
            Err(()) => "not a path".into(),
        };
        Ok(connection.send(answer)?)
    }
}

guests::export_guest!(Guest);
