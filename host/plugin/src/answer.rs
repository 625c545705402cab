//! Checks what guests answer against the contract.

use crate::{
    bindings::{authenticator, behavior, frame_hook::Disposition, types},
    convert::{fields, response},
};
use socklet_core::{Acceptance, Answer, CloseCode, CloseFrame, Principal, Response, Verdict};
use std::ops::RangeInclusive;

/// The largest body of a guest's response.
const MAX_BODY: usize = 64 << 10;

/// What is wrong with an answer.
#[derive(Debug)]
pub(crate) struct Invalid(String);

/// What the hooks of an open connection answer.
#[derive(Debug)]
pub(crate) enum Reply {
    /// `on-close` returned.
    Nothing,
    /// From `on-open` and `on-message`.
    Verdict(Result<(), types::CloseFrameResult>),
    /// From `on-frame`.
    Disposition(Disposition),
}

/// The answer to an event.
pub(crate) fn hook(reply: Reply) -> Result<Answer, Invalid> {
    let (code, reason) = match reply {
        Reply::Nothing | Reply::Verdict(Ok(())) | Reply::Disposition(Disposition::Process) => {
            return Ok(Answer::Proceed);
        }
        Reply::Disposition(Disposition::Skip) => return Ok(Answer::Skip),
        Reply::Disposition(Disposition::Stop) => (CloseCode::NORMAL.get(), String::new()),
        Reply::Verdict(Err(frame)) => (frame.code, frame.reason),
    };
    match CloseFrame::from_application(code, reason) {
        Ok(frame) => Ok(Answer::Close(frame)),
        Err(error) => Err(Invalid(error.to_string())),
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
        let frame = |code, reason: &str| Reply::Verdict(Err(types::CloseFrameResult { code, reason: reason.into() }));
        assert!(hook(frame(4000, "bye")).is_ok_and(|answer| matches!(answer, Answer::Close(_))));
        assert!(hook(frame(1006, "")).is_err());
        assert!(hook(frame(1000, &"x".repeat(124))).is_err());
    }

    #[test]
    fn frames_have_three_ends() {
        let answer = |disposition| hook(Reply::Disposition(disposition)).unwrap();
        assert_eq!(answer(Disposition::Process), Answer::Proceed);
        assert_eq!(answer(Disposition::Skip), Answer::Skip);
        assert_eq!(answer(Disposition::Stop), Answer::Close(CloseFrame::from_application(1000, "").unwrap()));
    }
}
