//! Hands the host memory that is not what it should be: by text in `on-message`, by query in `on-upgrade`.
//!
//! The text `utf8` sends a text that is not UTF-8, `bounds` one that lies behind the end of the memory, `wrap` one whose end is
//! beyond 4 GiB. The query `aliased` accepts with 20,000 fields that all have the same 60 KiB as their value. Else it echoes.
#![expect(unsafe_code, reason = "that is what it is for")]

use socklet_sdk::{Acceptance, Behavior, Close, Connection, Message, Principal, Request, Response};

#[derive(Default)]
struct Guest;

impl Behavior for Guest {
    fn on_upgrade(&mut self, request: Request, _principal: Option<Principal>) -> Result<Acceptance, Response> {
        let mut accept = Acceptance::default();
        if request.query.as_deref() == Some("aliased") {
            let value = "a".repeat(60 * 1024).leak();
            for _ in 0..20_000 {
                accept = accept.with_header("x-a", forged(value.as_ptr() as usize, value.len()));
            }
        }
        Ok(accept)
    }

    fn on_message(&mut self, connection: Connection, message: Message) -> Result<(), Close> {
        match message.text() {
            // SAFETY: none; the host has to notice.
            Some("utf8") => Ok(connection.send(unsafe { String::from_utf8_unchecked(vec![b'a', 0xff, b'b']) })?),
            Some("bounds") => Ok(connection.send(forged(0xf000_0000, 0x8000))?),
            Some("wrap") => Ok(connection.send(forged(0xffff_f000, 0x8000))?),
            _ => guests::echo(connection, message),
        }
    }
}

fn forged(address: usize, length: usize) -> String {
    // SAFETY: none; the host has to notice.
    unsafe { String::from_raw_parts(address as *mut u8, length, length) }
}

guests::export_guest!(Guest);
