//! An authenticator that spins.

use socklet_sdk::{Authenticator, Request, Verdict};

#[derive(Default)]
struct Guest;

impl Authenticator for Guest {
    fn authenticate(&mut self, _request: &Request) -> Verdict {
        guests::spin()
    }
}

socklet_sdk::export_authenticator!(Guest);
