//! After the text `arm`, spins when the host asks it for memory for the arguments of a call; until then it echoes.
#![expect(unsafe_code, reason = "an allocator is unsafe")]

use socklet_sdk::{Behavior, Close, Connection, Message};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, Ordering};

struct Spinning;

#[global_allocator]
static ALLOCATOR: Spinning = Spinning;

static ARMED: AtomicBool = AtomicBool::new(false);

// SAFETY: it is the system's allocator, or it does not return.
unsafe impl GlobalAlloc for Spinning {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if ARMED.load(Ordering::Relaxed) {
            guests::spin();
        }
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[derive(Default)]
struct Guest;

impl Behavior for Guest {
    fn on_message(&mut self, connection: Connection, message: Message) -> Result<(), Close> {
        if message.text() == Some("arm") {
            connection.send("armed")?;
            ARMED.store(true, Ordering::Relaxed);
            return Ok(());
        }
        guests::echo(connection, message)
    }
}

guests::export_guest!(Guest);
