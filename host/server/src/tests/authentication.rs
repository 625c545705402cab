//! The chain of authenticators: the first that grants or denies decides; whatever cannot be asked has not granted.

use super::harness::{Client, Fake, Head, Host, Judge, SECOND, Setup, done, principal};
use socklet_core::{Acceptance, Authenticator, CallError, Connections, EventId, Field, Response, Verdict};
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};
use tokio::{io::DuplexStream, time::Instant};

type Chain = Vec<Arc<dyn Authenticator>>;

async fn ask(authenticators: Chain) -> (Head, Host) {
    let host = Setup::new(|_, _| done()).authenticators(authenticators).start();
    let mut client = host.client();
    let head = client.ask(&Client::<DuplexStream>::handshake("/", &[])).await;
    drop(client);
    host.settled().await;
    (head, host)
}

fn abstains(asked: &Arc<AtomicUsize>) -> Arc<dyn Authenticator> {
    let asked = asked.clone();
    Judge::says(move |_| {
        asked.fetch_add(1, Ordering::SeqCst);
        Ok(Verdict::Abstain)
    })
}

fn denies(status: u16) -> Arc<dyn Authenticator> {
    let headers = vec![Field { name: "www-authenticate".into(), value: "Basic realm=\"x\"".into() }];
    Judge::says(move |_| Ok(Verdict::Deny(Response { status, headers: headers.clone(), body: "who?".into() })))
}

fn fails() -> Arc<dyn Authenticator> {
    Judge::says(|_| Err(CallError::Host { event: EventId::next() }))
}

fn outcome(host: &Host, outcome: &str) -> u64 {
    host.metric(&format!("socklet_handshakes_total{{outcome=\"{outcome}\"}}"))
}

#[tokio::test(start_paused = true)]
async fn the_first_grant_counts() {
    let asked = Arc::new(AtomicUsize::new(0));
    let seen = Arc::new(Mutex::new(None));
    let saw = seen.clone();
    let fake = Fake::new(|_, _| done()).on_upgrade(move |guest| {
        *saw.lock().unwrap() = guest.principal;
        async { Ok(Ok(Acceptance::default())) }
    });
    let chain =
        vec![abstains(&asked), Judge::grants(principal("ada")), abstains(&asked), Judge::grants(principal("bob"))];
    let host = Setup::with(fake).authenticators(chain).start();
    let _client = host.connect().await;
    assert_eq!(asked.load(Ordering::SeqCst), 1, "nobody is asked after a grant");
    assert_eq!(seen.lock().unwrap().as_deref(), Some(&principal("ada")));
    let id = host.connections.ids()[0];
    assert_eq!(host.connections.principal_of(id).as_deref(), Some(&principal("ada")));
}

#[tokio::test(start_paused = true)]
async fn everybody_abstains() {
    let asked = Arc::new(AtomicUsize::new(0));
    let (head, host) = ask(vec![abstains(&asked), abstains(&asked)]).await;
    assert_eq!((head.status, &*head.body), (401, "authentication required\n"));
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    assert_eq!((outcome(&host, "unauthenticated"), host.log.events()), (1, vec![]));
}

#[tokio::test(start_paused = true)]
async fn a_denial_is_answered_as_it_is() {
    let asked = Arc::new(AtomicUsize::new(0));
    for status in [401, 403, 599] {
        let (head, host) = ask(vec![denies(status), abstains(&asked), Judge::grants(principal("ada"))]).await;
        assert_eq!((head.status, &*head.body), (status, "who?"));
        assert_eq!(head.field("www-authenticate"), Some("Basic realm=\"x\""));
        assert_eq!((outcome(&host, "denied"), host.log.events()), (1, vec![]));
    }
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn whatever_fails_does_not_grant() {
    for chain in [vec![denies(200)], vec![denies(101)], vec![fails()], vec![fails(), Judge::grants(principal("ada"))]] {
        let (head, host) = ask(chain).await;
        assert_eq!(head.status, 500);
        assert!(head.body.starts_with("server error, event "), "{head:?}");
        assert_eq!((outcome(&host, "plugin-failed"), host.log.events()), (1, vec![]));
    }
}

#[tokio::test(start_paused = true)]
async fn an_authenticator_that_panics_does_not_grant() {
    let (head, _) = ask(vec![Judge::says(|_| panic!("expected by the test")), Judge::grants(principal("ada"))]).await;
    assert_eq!(head.status, 500);
}

#[tokio::test(start_paused = true)]
async fn an_authenticator_that_never_answers_does_not_grant() {
    let started = Instant::now();
    let (head, host) = ask(vec![Judge::never(), Judge::grants(principal("ada"))]).await;
    assert_eq!((head.status, head.field("retry-after")), (503, Some("1")));
    assert!(started.elapsed() < 11 * SECOND, "{:?}", started.elapsed());
    assert_eq!(host.metric("socklet_limit_hits_total{limit=\"handshake_timeout\"}"), 1);
}
