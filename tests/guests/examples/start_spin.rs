//! Spins while it is instantiated, before any hook.
#![expect(unsafe_code, reason = "the name of the function is what makes the component's start call it")]

use socklet_sdk::Behavior;

#[derive(Default)]
struct Guest;

impl Behavior for Guest {}

// SAFETY: nothing else has this name in a library.
#[unsafe(export_name = "_initialize")]
extern "C" fn initialize() {
    guests::spin()
}

guests::export_guest!(Guest);
