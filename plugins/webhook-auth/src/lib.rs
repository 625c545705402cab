//! Asks an HTTP endpoint who may connect, and lets nobody in without its yes.

mod answer;
mod question;
mod settings;

use question::Question;
use settings::Settings;
use socklet_sdk::{Authenticator, Request, Response, Verdict, http};
use std::error::Error;

/// The largest answer.
const MAX_ANSWER: usize = 64 << 10;

#[derive(Default)]
struct WebhookAuth {
    settings: Settings,
}

// === impl WebhookAuth ===

impl Authenticator for WebhookAuth {
    fn start(&mut self) -> Result<(), Box<dyn Error>> {
        self.settings = socklet_sdk::settings()?;
        self.settings.check()?;
        Ok(())
    }

    fn authenticate(&mut self, request: &Request) -> Verdict {
        self.ask(request).unwrap_or_else(|why| {
            socklet_sdk::error!("no answer from {}: {why}", self.settings.url);
            Verdict::Deny(Response::new(503).with_header("retry-after", "5").with_text("503 Service Unavailable\n"))
        })
    }
}

impl WebhookAuth {
    fn ask(&self, request: &Request) -> Result<Verdict, String> {
        let question =
            serde_json::to_vec(&Question::new(request, &self.settings)).map_err(|error| error.to_string())?;
        let mut asked = http::Request::post(self.settings.url.as_str(), question)
            .header("content-type", "application/json")
            .header("accept", "application/json")
            .timeout(self.settings.timeout())
            .body_max(MAX_ANSWER);
        for (name, value) in &self.settings.headers {
            asked = asked.header(name.as_str(), value.as_str());
        }
        answer::verdict(&asked.send().map_err(|error| error.to_string())?)
    }
}

socklet_sdk::export_authenticator!(WebhookAuth);
