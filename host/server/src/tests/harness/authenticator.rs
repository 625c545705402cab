//! An authenticator that is a closure.

use socklet_core::{Authenticator, BoxFuture, CallError, Principal, UpgradeRequest, Verdict};
use std::{fmt, sync::Arc, time::Duration};
use tokio::time::sleep;

type Judgement = BoxFuture<Result<Verdict, CallError>>;

/// An authenticator that is a closure.
pub(crate) struct Judge(Box<dyn Fn(Arc<UpgradeRequest>) -> Judgement + Send + Sync>);

impl Judge {
    pub(crate) fn says(
        judge: impl Fn(&UpgradeRequest) -> Result<Verdict, CallError> + Send + Sync + 'static,
    ) -> Arc<dyn Authenticator> {
        Arc::new(Self(Box::new(move |request| Box::pin(std::future::ready(judge(&request))))))
    }

    /// One that never answers.
    pub(crate) fn never() -> Arc<dyn Authenticator> {
        Arc::new(Self(Box::new(|_| Box::pin(std::future::pending()))))
    }

    /// One that takes its time, and lets everybody in.
    pub(crate) fn later(after: Duration) -> Arc<dyn Authenticator> {
        Arc::new(Self(Box::new(move |_| {
            Box::pin(async move {
                sleep(after).await;
                Ok(Verdict::Grant(principal("anybody")))
            })
        })))
    }

    pub(crate) fn grants(principal: Principal) -> Arc<dyn Authenticator> {
        Self::says(move |_| Ok(Verdict::Grant(principal.clone())))
    }
}

impl Authenticator for Judge {
    fn authenticate(&self, request: Arc<UpgradeRequest>) -> BoxFuture<Result<Verdict, CallError>> {
        (self.0)(request)
    }
}

impl fmt::Debug for Judge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Judge")
    }
}

pub(crate) fn principal(subject: &str) -> Principal {
    Principal::new(subject.into(), vec![("role".into(), "tester".into())], None).unwrap()
}
