//! An authenticator that traps.

use socklet_sdk::{Authenticator, Request, Verdict};

#[derive(Default)]
struct Guest;

impl Authenticator for Guest {
    fn authenticate(&mut self, _request: &Request) -> Verdict {
        guests::trap()
    }
}

socklet_sdk::export_authenticator!(Guest);
