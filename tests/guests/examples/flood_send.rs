//! Sends without end: on `flood` 64 KiB messages to its own client, on `flood-all` to every connection.
//!
//! `flood` ends with the first error, which is logged, attached (`ERROR after N`) and sent if it still can be. `flood-all` never
//! ends by itself. Everything else is echoed.

use socklet_sdk::{Behavior, Close, Connection, Message, SendError};

#[derive(Default)]
struct Guest;

impl Behavior for Guest {
    fn on_message(&mut self, connection: Connection, message: Message) -> Result<(), Close> {
        let piece = vec![b'x'; 64 * 1024];
        match message.text() {
            Some("flood") => {
                let mut sent = 0u64;
                let error = loop {
                    match connection.send(piece.as_slice()) {
                        Ok(()) => sent += 1,
                        Err(error) => break error,
                    }
                };
                let report = format!("{} after {sent}", name(&error));
                socklet_sdk::info!("flood: {report}");
                let _ = connection.set_attachment(report.as_bytes());
                let _ = connection.send(report);
                Ok(())
            }
            Some("flood-all") => loop {
                socklet_sdk::send_all(piece.as_slice(), None);
            },
            _ => guests::echo(connection, message),
        }
    }
}

fn name(error: &SendError) -> String {
    match error {
        SendError::Unknown => "unknown".into(),
        SendError::NotOpen => "not-open".into(),
        SendError::Full => "full".into(),
        SendError::Invalid => "invalid".into(),
        SendError::Other(other) => format!("other: {other}"),
    }
}

guests::export_guest!(Guest);
