//! An authenticator that grants its version as the subject; the setting `dies` has it trap.

use socklet_sdk::{Authenticator, Principal, Request, Verdict, setting};

#[derive(Default)]
struct Guest;

impl Authenticator for Guest {
    fn authenticate(&mut self, _request: &Request) -> Verdict {
        assert!(text("dies").is_none(), "asked to");
        Verdict::Grant(Principal::new(text("version").unwrap_or_default()))
    }
}

fn text(key: &str) -> Option<String> {
    setting(key).ok().flatten()
}

socklet_sdk::export_authenticator!(Guest);
