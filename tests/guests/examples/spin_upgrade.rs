//! Spins in `on-upgrade`.

use socklet_sdk::{Acceptance, Behavior, Principal, Request, Response};

#[derive(Default)]
struct Guest;

impl Behavior for Guest {
    fn on_upgrade(&mut self, _request: Request, _principal: Option<Principal>) -> Result<Acceptance, Response> {
        guests::spin()
    }
}

guests::export_guest!(Guest);
