//! Checks what guests answer against the contract.

use crate::{
    bindings::{authenticator, behavior, types},
    convert::{fields, response},
};
use socklet_core::{Acceptance, Answer, CloseFrame, Principal, Response, Verdict};
use std::ops::RangeInclusive;

/// The largest body of a guest's response.
const MAX_BODY: usize = 64 << 10;

/// What is wrong with an answer.
#[derive(Debug)]
pub(crate) struct Invalid(String);

/// The answer to `on-open` and `on-message`.
pub(crate) fn hook(answer: Result<(), types::CloseFrameResult>) -> Result<Answer, Invalid> {
    match answer {
        Ok(()) => Ok(Answer::Proceed),
        Err(frame) => match CloseFrame::from_application(frame.code, frame.reason) {
            Ok(frame) => Ok(Answer::Close(frame)),
            Err(error) => Err(Invalid(error.to_string())),
        },
    }
}

/// The answer to `on-upgrade`.
pub(crate) fn upgrade(
    answer: Result<behavior::Acceptance, types::Response>,
) -> Result<Result<Acceptance, Response>, Invalid> {
    match answer {
        Ok(acceptance) => {
            Ok(Ok(Acceptance { subprotocol: acceptance.subprotocol, headers: fields(acceptance.headers) }))
        }
        Err(answer) => checked(answer, 200..=599).map(Err),
    }
}

/// The answer to `authenticate`.
pub(crate) fn verdict(answer: authenticator::Verdict) -> Result<Verdict, Invalid> {
    match answer {
        authenticator::Verdict::Grant(principal) => {
            match Principal::new(principal.subject, principal.attributes, principal.expires_at) {
                Ok(principal) => Ok(Verdict::Grant(principal)),
                Err(error) => Err(Invalid(error.to_string())),
            }
        }
        authenticator::Verdict::Abstain => Ok(Verdict::Abstain),
        authenticator::Verdict::Deny(answer) => checked(answer, 400..=599).map(Verdict::Deny),
    }
}

fn checked(answer: types::Response, statuses: RangeInclusive<u16>) -> Result<Response, Invalid> {
    if !statuses.contains(&answer.status) {
        let (low, high) = statuses.into_inner();
        return Err(Invalid(format!("status {} is not between {low} and {high}", answer.status)));
    }
    if answer.body.len() > MAX_BODY {
        return Err(Invalid(format!("a body of {} bytes is over {MAX_BODY}", answer.body.len())));
    }
    Ok(response(answer))
}

// === impl Invalid ===

impl std::fmt::Display for Invalid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "invalid answer: {}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_status(status: u16) -> types::Response {
        types::Response { status, headers: vec![], body: vec![] }
    }

    #[test]
    fn statuses_are_bounded() {
        assert!(upgrade(Err(with_status(200))).is_ok());
        assert!(upgrade(Err(with_status(101))).is_err());
        assert!(upgrade(Err(with_status(600))).is_err());
        assert!(verdict(authenticator::Verdict::Deny(with_status(403))).is_ok());
        assert!(verdict(authenticator::Verdict::Deny(with_status(302))).is_err());
    }

    #[test]
    fn bodies_are_bounded() {
        let body = vec![0; MAX_BODY + 1];
        assert!(upgrade(Err(types::Response { status: 200, headers: vec![], body })).is_err());
    }

    #[test]
    fn only_frames_of_applications_close() {
        let frame = |code, reason: &str| Err(types::CloseFrameResult { code, reason: reason.into() });
        assert!(hook(frame(4000, "bye")).is_ok_and(|answer| matches!(answer, Answer::Close(_))));
        assert!(hook(frame(1006, "")).is_err());
        assert!(hook(frame(1000, &"x".repeat(124))).is_err());
    }
}
