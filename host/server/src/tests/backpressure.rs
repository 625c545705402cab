//! Who does not read is not listened to; nobody is closed for it who reads in the end.

use super::harness::{MS, SECOND, Setup, echo, encode};
use crate::ConnectionLimits;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::sleep,
};

/// Sends so many messages of a size to an echo before it reads anything, then reads everything.
async fn pipelines(count: usize, size: usize, buffer: usize, limits: fn(&mut ConnectionLimits)) {
    let host = Setup::new(echo).limits(limits).start();
    let client = host.connect_with(buffer).await;
    let (mut reader, mut writer) = tokio::io::split(client.stream);
    let writing = tokio::spawn(async move {
        for n in 0..count {
            let payload = vec![n as u8; size];
            writer.write_all(&encode(2, true, &payload)).await.unwrap();
        }
        writer
    });
    sleep(10 * SECOND).await;
    assert!(!writing.is_finished(), "the pipe is full, and nothing is read");
    let header = match size {
        0..=125 => 2,
        126..=0xffff => 4,
        _ => 10,
    };
    let mut frame = vec![0; header + size];
    for n in 0..count {
        reader.read_exact(&mut frame).await.unwrap_or_else(|error| panic!("{n}: {error}"));
        assert!(frame[0] == 0x82 && frame[header..].iter().all(|byte| *byte == n as u8), "{n}: {:?}", &frame[..8]);
    }
    let mut writer = writing.await.unwrap();
    writer.write_all(&encode(8, true, &1000_u16.to_be_bytes())).await.unwrap();
    let ending = host.ending().await;
    assert_eq!((ending.messages_received, ending.messages_sent), (count as u64, count as u64));
    assert!(ending.clean);
}

#[tokio::test(start_paused = true)]
async fn ten_mebibytes_ahead_in_large_messages() {
    pipelines(160, 64 * 1024, 64 * 1024, |_| {}).await;
}

#[tokio::test(start_paused = true)]
async fn ten_mebibytes_ahead_in_small_messages() {
    pipelines(80_000, 128, 64 * 1024, |_| {}).await;
}

/// What was read already must not overrun a small outbox either.
#[tokio::test(start_paused = true)]
async fn an_outbox_smaller_than_what_is_read_at_a_time() {
    pipelines(600, 20_000, 256 * 1024, |limits| limits.send_queue_max_bytes = 64 * 1024).await;
    pipelines(20_000, 100, 64 * 1024, |limits| limits.send_queue_max_bytes = 1000).await;
}

#[tokio::test(start_paused = true)]
async fn pongs_do_not_pile_up_for_a_client_that_does_not_read() {
    let host =
        Setup::new(echo).limits(|limits| limits.control_frame_rate = socklet_core::Rate::per_second(1_000_000)).start();
    let client = host.connect_with(1000).await;
    let (_reader, mut writer) = tokio::io::split(client.stream);
    let ping = encode(9, true, &[0; 125]);
    let mut written = 0;
    while tokio::time::timeout(100 * MS, writer.write_all(&ping)).await.is_ok() {
        written += ping.len();
        assert!(written < 200_000, "{written} bytes were read, and the answers kept");
    }
    assert!(written > 100_000, "{written}");
}
