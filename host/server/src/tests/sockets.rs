//! Real sockets: IPv4, IPv6 and UNIX.

use super::harness::{Client, Host, SECOND, Setup, done, echo, encode};
use crate::{Bind, Drain, ListenerConfig};
use socklet_core::Cause;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UnixStream},
    time::{sleep, timeout},
};

async fn tcp(bind: &Bind) -> Client<TcpStream> {
    let Bind::Tcp(address) = bind else { panic!("{bind}") };
    Client::new(TcpStream::connect(address).await.unwrap())
}

async fn echoes<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin>(client: &mut Client<S>) {
    for n in 0..10 {
        client.text(&n.to_string()).await;
        assert_eq!(client.next_text().await, n.to_string());
    }
}

fn limited() -> Host {
    Setup::new(echo).start()
}

#[tokio::test]
async fn several_listeners_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    let host = limited();
    let v4 = host.listen("127.0.0.1:0").await;
    let v6 = host.listen("[::1]:0").await;
    let unix = host.listen(&format!("unix:{}", path.display())).await;
    assert_eq!(unix.to_string(), format!("unix:{}", path.display()));
    let mut clients = [tcp(&v4).await.upgrade("/", &[]).await, tcp(&v6).await.upgrade("/", &[]).await];
    let mut local = Client::new(UnixStream::connect(&path).await.unwrap()).upgrade("/", &[]).await;
    for client in &mut clients {
        echoes(client).await;
    }
    echoes(&mut local).await;
    assert_eq!((host.server.connections(), host.metric("socklet_sockets")), (3, 3));

    let server = host.server.clone();
    let drain = tokio::spawn(async move { server.drain(Drain::default()).await });
    for client in &mut clients {
        assert_eq!(client.is_closed().await.0, 1012);
    }
    assert_eq!(local.is_closed().await.0, 1012);
    let report = drain.await.unwrap();
    assert_eq!((report.closed, report.forced), (3, 0));
    assert!(!path.exists(), "the socket's file is gone");
    for bind in [&v4, &v6] {
        let Bind::Tcp(address) = bind else { panic!() };
        assert!(TcpStream::connect(address).await.is_err(), "{bind} still listens");
    }
    assert!(UnixStream::connect(&path).await.is_err());
    host.settled().await;
}

#[tokio::test]
async fn idle_listeners_stop_at_once() {
    let host = limited();
    let bind = host.listen("127.0.0.1:0").await;
    let drained = timeout(5 * SECOND, host.server.drain(Drain::default())).await.unwrap();
    assert_eq!((drained.closed, drained.forced), (0, 0));
    let Bind::Tcp(address) = bind else { panic!() };
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn an_address_in_use_is_an_error_that_says_so() {
    let host = limited();
    let bind = host.listen("127.0.0.1:0").await;
    let config = ListenerConfig {
        name: "second".parse().unwrap(),
        bind: bind.clone(),
        tls: None,
        edge: crate::Edge::default(),
        reuse_port: false,
    };
    let error = host.server.bind(config, &[]).await.unwrap_err().to_string();
    assert!(error.starts_with(&format!("failed to bind listener second to {bind}: ")), "{error}");
}

/// The server closes while the client is in the middle of a message: a reset would take the close frame away.
#[tokio::test]
async fn a_client_in_the_middle_of_an_oversize_message_gets_the_close_frame() {
    let host = limited();
    let bind = host.listen("127.0.0.1:0").await;
    for _ in 0..5 {
        let client = tcp(&bind).await.upgrade("/", &[]).await;
        let (mut reader, mut writer) = client.stream.into_split();
        let writing = tokio::spawn(async move {
            writer.write_all(&encode(2, true, &vec![0; 256 * 1024])).await.unwrap();
            writer
        });
        let mut said = Vec::new();
        reader.read_to_end(&mut said).await.expect("no reset");
        assert_eq!(said.get(..4), Some(&[0x88, 17, 0x03, 0xf1][..]), "{said:?}");
        drop(writing.await.unwrap());
    }
    host.log.ends(5).await;
    host.settled().await;
    let limit = |ending: &socklet_core::Ending| ending.frame.code().get() == 1009 && ending.cause == Cause::Limit;
    assert!(host.log.endings().iter().all(limit));
}

#[tokio::test]
async fn a_client_that_resets_its_connection() {
    let host = Setup::new(|_, _| done()).start();
    let bind = host.listen("127.0.0.1:0").await;
    let mut client = tcp(&bind).await.upgrade("/", &[]).await;
    client.text("x").await;
    host.log.reaches(2).await;
    let stream = client.stream.into_std().unwrap();
    socket2::SockRef::from(&stream).set_linger(Some(std::time::Duration::ZERO)).unwrap();
    drop(stream);
    let ending = host.ending().await;
    assert_eq!((ending.frame.code().get(), ending.cause, ending.clean), (1006, Cause::Disconnected, false));
}

/// What a client said last is heard, though what it is sent cannot be delivered any more.
#[tokio::test]
async fn the_last_words_of_a_client_that_hangs_up_are_heard() {
    let host = Setup::new(super::harness::when_message(|guest, message| {
        let _ = guest.send(message.clone());
        super::harness::later(10 * super::harness::MS, done)
    }))
    .start();
    let bind = host.listen("127.0.0.1:0").await;
    let mut client = tcp(&bind).await.upgrade("/", &[]).await;
    for n in 0..50 {
        client.text(&format!("{n} {}", "x".repeat(1000))).await;
    }
    drop(client);
    let ending = host.ending().await;
    assert_eq!((ending.messages_received, ending.cause), (50, Cause::Disconnected));
    assert_eq!(host.log.messages().len(), 50);
}

#[tokio::test]
async fn many_connections_come_and_go() {
    let host = limited();
    let bind = host.listen("127.0.0.1:0").await;
    for round in 0..10 {
        let mut clients = Vec::new();
        for _ in 0..20 {
            clients.push(tcp(&bind).await.upgrade("/", &[]).await);
        }
        for (n, client) in clients.iter_mut().enumerate() {
            echoes(client).await;
            if n % 2 == 0 {
                client.close(1000, "").await;
                assert_eq!(client.next_close().await.0, 1000);
            }
        }
        drop(clients);
        host.log.ends((round + 1) * 20).await;
    }
    sleep(SECOND / 10).await;
    host.settled().await;
    assert_eq!(host.metric("socklet_connections_opened_total"), 200);
}
