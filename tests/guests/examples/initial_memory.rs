//! Declares 512 MiB of memory before it does anything; echoes.

use socklet_sdk::{Behavior, Close, Connection, Message};
use std::cell::UnsafeCell;
use std::mem::MaybeUninit;

const SIZE: usize = 512 * 1024 * 1024;

thread_local! {
    static MEMORY: UnsafeCell<MaybeUninit<[u8; SIZE]>> = const { UnsafeCell::new(MaybeUninit::uninit()) };
}

#[derive(Default)]
struct Guest;

impl Behavior for Guest {
    fn on_message(&mut self, connection: Connection, message: Message) -> Result<(), Close> {
        // Keeps the linker from throwing the memory away.
        MEMORY.with(|memory| std::hint::black_box(memory.get()));
        guests::echo(connection, message)
    }
}

guests::export_guest!(Guest);
