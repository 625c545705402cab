//! `socklet reload`: has a running server read its configuration again.

use super::{
    client::{Answer, Content},
    exit::Failure,
    out, plugin,
    target::Target,
};
use anyhow::anyhow;
use http::StatusCode;

/// Reloads.
pub(super) async fn reload(target: Target) -> Result<(), Failure> {
    match target.client()?.post("/v1/reload", Content::none()).await? {
        Answer::Done(data) => {
            let changes = data["plugins"].as_array().cloned().unwrap_or_default();
            let lines = changes.into_iter().map(plugin::told).collect::<anyhow::Result<Vec<String>>>()?;
            out::print(&["reloaded".to_owned()].into_iter().chain(lines).collect::<Vec<_>>().join("\n"));
            Ok(())
        }
        // The server's configuration is bad: that has an exit code of its own.
        Answer::Refused(refusal) if refusal.status == StatusCode::UNPROCESSABLE_ENTITY => {
            out::complain(&refusal.text);
            Err(Failure::Told)
        }
        Answer::Refused(refusal) => Err(anyhow!(refusal.text).into()),
    }
}
