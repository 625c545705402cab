//! One `on-close` for every `on-open`, and the truth in it: where the host ends the connection.

use super::harness::{Host, Judge, MS, SECOND, Setup, done, echo, text, when_message};
use socklet_core::{Cause, Ending, Principal, Rate};
use std::time::{Duration, SystemTime};
use tokio::time::{Instant, sleep};

fn summary(ending: &Ending) -> (u16, Cause, bool) {
    (ending.frame.code().get(), ending.cause, ending.clean)
}

/// What a client sends, the close code, the cause.
#[tokio::test(start_paused = true)]
async fn what_breaks_the_protocol_or_a_limit() {
    let frames = |opcode: u8, fin: bool, payload: &[u8]| super::harness::encode(opcode, fin, payload);
    let mut fragments = frames(2, false, b"a");
    for _ in 0..8 {
        fragments.extend(frames(0, false, b"a"));
    }
    for (bytes, code, cause) in [
        (vec![0x81, 0x01, b'x'], 1002, Cause::Protocol),
        (frames(3, true, b""), 1002, Cause::Protocol),
        (frames(0, true, b""), 1002, Cause::Protocol),
        (frames(9, false, b""), 1002, Cause::Protocol),
        (vec![0xc1, 0x80, 0, 0, 0, 0], 1002, Cause::Protocol),
        (frames(8, true, &[3]), 1002, Cause::Protocol),
        (frames(8, true, &1005_u16.to_be_bytes()), 1002, Cause::Protocol),
        (frames(1, true, b"\xff"), 1007, Cause::Protocol),
        (frames(1, false, b"\xed\xa0"), 1007, Cause::Protocol),
        (frames(8, true, b"\x03\xe8\xff"), 1007, Cause::Protocol),
        (frames(2, true, &[0; 2001]), 1009, Cause::Limit),
        (vec![0x82, 0xff, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 1, 2, 3, 4], 1009, Cause::Limit),
        (fragments, 1008, Cause::Limit),
    ] {
        let limits = |limits: &mut crate::ConnectionLimits| {
            limits.max_frame_size = 2000;
            limits.max_message_size = 2000;
            limits.max_fragments = 8;
        };
        let host = Setup::new(|_, _| done()).limits(limits).start();
        let mut client = host.connect().await;
        client.text("fine").await;
        sleep(SECOND).await;
        client.write(&bytes).await;
        assert_eq!(client.next_close().await.0, code, "{bytes:02x?}");
        client.ends().await;
        drop(client);
        let ending = host.ending().await;
        assert_eq!(summary(&ending), (code, cause, false), "{bytes:02x?}");
        assert_eq!(ending.messages_received, 1);
        assert_eq!(host.log.messages(), [text("fine")]);
        assert!(host.metrics().contains("socklet_protocol_errors_total{kind="), "{}", host.metrics());
    }
}

#[tokio::test(start_paused = true)]
async fn too_fast() {
    type Change = fn(&mut crate::ConnectionLimits);
    let messages: Change = |limits| limits.messages_per_second = Some(Rate::per_second(5));
    let bytes: Change = |limits| limits.bytes_per_second = Some(20);
    let control: Change = |limits| limits.control_frame_rate = Rate::per_second(5);
    for (limit, change, opcode, allowed) in [
        ("messages_per_second", messages, 1, 5),
        ("bytes_per_second", bytes, 2, 5),
        ("control_frame_rate", control, 9, 5),
        ("control_frame_rate", control, 10, 5),
    ] {
        let host = Setup::new(|_, _| done()).limits(change).start();
        let mut client = host.connect().await;
        for _ in 0..3 {
            for _ in 0..allowed {
                client.frame(opcode, true, b"four").await;
            }
            sleep(SECOND).await;
        }
        for _ in 0..=allowed {
            client.frame(opcode, true, b"four").await;
        }
        let (code, reason) = loop {
            let frame = client.next().await.unwrap();
            if frame.opcode == 8 {
                break (u16::from_be_bytes([frame.payload[0], frame.payload[1]]), frame.payload[2..].to_vec());
            }
        };
        assert_eq!((code, &reason[..]), (1008, &b"rate limit exceeded"[..]));
        client.close(1008, "").await;
        client.ends().await;
        assert_eq!(summary(&host.ending().await), (1008, Cause::Limit, true));
        assert_eq!(host.log.messages().len(), if opcode < 8 { 4 * allowed } else { 0 });
        assert_eq!(host.metric(&format!("socklet_limit_hits_total{{limit=\"{limit}\"}}")), 1);
    }
}

/// A client that reads nothing: `write` is how its host gets into trouble.
async fn stuck(host: &Host) -> super::harness::Client<tokio::io::DuplexStream> {
    let mut client = host.connect_with(1000).await;
    client.text("go").await;
    host.log.reaches(2).await;
    client
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_in_time() {
    let host = Setup::new(when_message(|guest, _| {
        guest.send(text(&"x".repeat(10_000))).unwrap();
        done()
    }))
    .start();
    let _client = stuck(&host).await;
    let ending = host.ending().await;
    assert_eq!(summary(&ending), (1013, Cause::SlowConsumer, false));
    assert_eq!(ending.frame.reason(), "send timed out");
    assert_eq!(ending.duration, 35 * SECOND, "send time-out and close time-out");
    assert_eq!(ending.messages_sent, 1);
    assert_eq!(host.metric("socklet_slow_consumers_total{action=\"timeout\"}"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_client_whose_queue_is_full() {
    let host = Setup::new(when_message(|guest, _| {
        let message = text(&"x".repeat(900));
        while guest.send(message.clone()).is_ok() {}
        done()
    }))
    .limits(|limits| limits.send_queue_max_bytes = 5000)
    .start();
    let mut client = stuck(&host).await;
    // What the socket was given before is written.
    for _ in 0..5 {
        assert_eq!(client.next_text().await.len(), 900);
    }
    assert_eq!(client.is_closed().await, (1013, "reading too slowly".to_owned()));
    let ending = host.ending().await;
    assert_eq!(summary(&ending), (1013, Cause::SlowConsumer, true));
    assert_eq!(ending.messages_sent, 5);
    assert_eq!(host.metric("socklet_slow_consumers_total{action=\"close\"}"), 1);
}

#[tokio::test(start_paused = true)]
async fn idle_for_too_long() {
    let host = Setup::new(echo).limits(|limits| limits.idle_timeout = Some(60 * SECOND)).start();
    let mut client = host.connect().await;
    // Heartbeats are answered, and keep nobody from being idle.
    let mut pings = 0;
    loop {
        let frame = client.next().await.unwrap();
        match frame.opcode {
            9 => {
                pings += 1;
                client.frame(10, true, &frame.payload).await;
                if pings == 2 {
                    sleep(10 * SECOND).await;
                    client.text("still here").await;
                }
            }
            1 => {}
            _ => break,
        }
    }
    client.close(1001, "").await;
    let ending = host.ending().await;
    assert_eq!(summary(&ending), (1001, Cause::Limit, true));
    assert_eq!((ending.frame.reason().as_ref(), ending.duration), ("idle for too long", 110 * SECOND));
}

#[tokio::test(start_paused = true)]
async fn too_old() {
    let host = Setup::new(echo).limits(|limits| limits.max_lifetime = Some(15 * SECOND)).start();
    let mut client = host.connect().await;
    for n in 0..14 {
        sleep(SECOND).await;
        client.text(&n.to_string()).await;
        assert_eq!(client.next_text().await, n.to_string());
    }
    assert_eq!(client.is_closed().await, (1001, "maximum connection age reached".to_owned()));
    let ending = host.ending().await;
    assert_eq!((summary(&ending), ending.duration), ((1001, Cause::Limit, true), 15 * SECOND));
}

fn expiring(at: SystemTime) -> Host {
    let at = at.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let principal = Principal::new("ada".into(), vec![], Some(at)).unwrap();
    Setup::new(|_, _| done()).authenticators(vec![Judge::grants(principal)]).start()
}

#[tokio::test(start_paused = true)]
async fn expired() {
    let host = expiring(SystemTime::now() + Duration::from_secs(10));
    let mut client = host.connect().await;
    assert_eq!(client.is_closed().await, (1008, "authorization expired".to_owned()));
    let ending = host.ending().await;
    assert_eq!(summary(&ending), (1008, Cause::Expired, true));
    // The end is told in whole seconds, and the clock on the wall runs.
    assert!(ending.duration > 7 * SECOND && ending.duration <= 10 * SECOND, "{:?}", ending.duration);
}

#[tokio::test(start_paused = true)]
async fn expired_already() {
    let host = expiring(SystemTime::now() - Duration::from_secs(10));
    let mut client = host.connect().await;
    assert_eq!(client.is_closed().await.0, 1008);
    assert!(host.ending().await.duration <= MS);
}

/// Whoever sends without a pause is subject to the clock, too.
#[tokio::test]
async fn a_client_that_never_stops_sending_grows_old_all_the_same() {
    use tokio::io::{AsyncReadExt, join, repeat, sink};
    let host = Setup::new(|_, _| done())
        .limits(|limits| {
            limits.max_lifetime = Some(100 * MS);
            limits.close_timeout = 100 * MS;
            limits.control_frame_rate = Rate::per_second(u32::MAX);
        })
        .start();
    let head = super::harness::Client::<tokio::io::DuplexStream>::handshake("/", &[]);
    // Fifteen bytes 0x89 are a frame: a ping, masked, of nine bytes.
    let endless = std::io::Cursor::new(head.into_bytes()).chain(repeat(0x89));
    let started = Instant::now();
    host.start(join(endless, sink()), "192.0.2.7:1");
    let ended = tokio::time::timeout(20 * SECOND, host.log.ends(1)).await;
    ended.expect("the connection ends");
    assert!(started.elapsed() < 10 * SECOND);
    assert_eq!(summary(&host.ending().await), (1001, Cause::Limit, false));
}
