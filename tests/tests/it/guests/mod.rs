//! Every guest of `tests/guests`, by a test of its name: what it does to itself, and to nobody else.

mod answers;
mod auth;
mod floods;
mod framing;
mod hooks;
mod memory;
mod mistakes;
mod reach;
mod refused;
mod sleep;
mod stage;
mod swap;
mod time;

use self::{
    answers::*, auth::*, floods::*, framing::*, hooks::*, memory::*, mistakes::*, reach::*, refused::*, sleep::*,
    swap::*, time::*,
};

include!(concat!(env!("OUT_DIR"), "/guests.rs"));

macro_rules! assert_test_exists {
    ($guest:ident) => {
        #[expect(unused_imports, reason = "proves that the guest has a test")]
        use self::$guest as _;
    };
}

for_each_guest!(assert_test_exists);
