//! A connection that has nothing to do does nothing.

use super::harness::{Client, SECOND, Setup, done, later, when_message};
use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf, duplex},
    time::sleep,
};

/// A stream that counts how often anybody looks at it.
struct Counting {
    stream: DuplexStream,
    polls: Arc<AtomicUsize>,
}

impl AsyncRead for Counting {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.polls.fetch_add(1, Ordering::SeqCst);
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Counting {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.polls.fetch_add(1, Ordering::SeqCst);
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

async fn polls_in_an_hour(setup: Setup, before: impl AsyncFnOnce(&mut Client<DuplexStream>), answers: bool) -> usize {
    let host = setup.start();
    let (ours, theirs) = duplex(64 * 1024);
    let polls = Arc::new(AtomicUsize::new(0));
    host.start(Counting { stream: theirs, polls: polls.clone() }, "192.0.2.7:1");
    let mut client = Client::new(ours).upgrade("/", &[]).await;
    before(&mut client).await;
    sleep(SECOND).await;
    polls.store(0, Ordering::SeqCst);
    let answering = async {
        loop {
            let frame = client.next().await.unwrap();
            if answers && frame.opcode == 9 {
                client.frame(10, true, &frame.payload).await;
            }
        }
    };
    let _: Result<(), _> = tokio::time::timeout(3600 * SECOND, answering).await;
    polls.load(Ordering::SeqCst)
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_wakes_for_its_heartbeat_alone() {
    let polls = polls_in_an_hour(Setup::new(|_, _| done()), async |_| {}, true).await;
    // 180 pings and pongs; a few looks for each.
    assert!((180..180 * 10).contains(&polls), "{polls}");
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_waits_for_its_guest_does_not_spin() {
    let setup = Setup::new(when_message(|_, _| later(7200 * SECOND, done)));
    let full = async |client: &mut Client<DuplexStream>| {
        client.text("call").await;
        client.text("wait").await;
    };
    let polls = polls_in_an_hour(setup, full, true).await;
    assert!(polls < 180 * 10, "{polls}");
}
