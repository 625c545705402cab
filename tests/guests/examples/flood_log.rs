//! On any message, logs 100,000 lines, with ANSI escapes and through stdout and stderr too, then answers `done`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "that is what it is for")]

use socklet_sdk::{Behavior, Close, Connection, Message, log};

#[derive(Default)]
struct Guest;

impl Behavior for Guest {
    fn on_message(&mut self, connection: Connection, _message: Message) -> Result<(), Close> {
        for number in 0..25_000 {
            log::info(&format!("line {number}"));
            log::error(&format!("\x1b[2J\x1b[31mescape {number}\x1b]0;title\x07\r\nforged line\0"));
            println!("stdout \x1b[31m{number}");
            eprintln!("stderr \x1b[31m{number}");
        }
        log::warn(&"long ".repeat(4096));
        Ok(connection.send("done")?)
    }
}

guests::export_guest!(Guest);
