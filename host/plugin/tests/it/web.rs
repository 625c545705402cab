//! A web server that behaves badly, for plugins that send HTTP requests.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_util::task::AbortOnDropHandle;

/// A web server on this machine. What it does is up to the path.
pub(crate) struct Web {
    pub(crate) port: u16,
    seen: Arc<Seen>,
    _task: AbortOnDropHandle<()>,
}

#[derive(Default)]
struct Seen {
    all: AtomicUsize,
    now: AtomicUsize,
    asked: AtomicUsize,
    most: AtomicUsize,
}

struct Here(Arc<Seen>);

// === impl Web ===

impl Web {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::<Seen>::default();
        let counted = seen.clone();
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let here = Here::new(&counted);
                tokio::spawn(async move {
                    // Whoever goes away has seen enough.
                    let _ = serve(stream, port, &here.0).await;
                    drop(here);
                });
            }
        });
        Self { port, seen, _task: AbortOnDropHandle::new(task) }
    }

    /// Connections in all, and the most requests that were looked at, at a time.
    pub(crate) fn connections(&self) -> (usize, usize) {
        (self.seen.all.load(SeqCst), self.seen.most.load(SeqCst))
    }

    /// Connections now.
    pub(crate) fn open(&self) -> usize {
        self.seen.now.load(SeqCst)
    }
}

impl Here {
    fn new(seen: &Arc<Seen>) -> Self {
        seen.all.fetch_add(1, SeqCst);
        seen.now.fetch_add(1, SeqCst);
        Self(seen.clone())
    }
}

impl Drop for Here {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, SeqCst);
    }
}

async fn serve(mut stream: TcpStream, port: u16, seen: &Seen) -> std::io::Result<()> {
    let (mut head, mut buffer) = (Vec::new(), [0; 4096]);
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut buffer).await? {
            0 => return Ok(()),
            read => head.extend_from_slice(&buffer[..read]),
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let path = head.split(' ').nth(1).unwrap_or_default();
    let whole = |status: &str, more: &str, body: &str| {
        format!("HTTP/1.1 {status}\r\n{more}content-length: {}\r\n\r\n{body}", body.len())
    };
    match path {
        "/redirect" => {
            let to = format!("location: http://localhost:{port}/secret\r\n");
            stream.write_all(whole("302 Found", &to, "elsewhere").as_bytes()).await
        }
        "/huge" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await?;
            loop {
                stream.write_all(b"400\r\n").await?;
                stream.write_all(&[b'x'; 0x400]).await?;
                stream.write_all(b"\r\n").await?;
            }
        }
        "/promise" => stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n").await,
        "/head" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\n").await?;
            loop {
                stream.write_all(format!("x-field: {}\r\n", "x".repeat(1000)).as_bytes()).await?;
            }
        }
        "/upgrade" => stream.write_all(b"HTTP/1.1 101 Go\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n").await,
        "/nonsense" => stream.write_all(b"SSH-2.0-nonsense\r\n\r\n").await,
        // Until the other side goes away.
        "/never" => stream.read(&mut buffer).await.map(drop),
        "/drip" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await?;
            loop {
                stream.write_all(b"1\r\nx\r\n").await?;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        "/short" => stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort").await,
        _ => {
            // So that those who come together are here together. Before the answer: after that another one may come at once.
            seen.most.fetch_max(seen.asked.fetch_add(1, SeqCst) + 1, SeqCst);
            tokio::time::sleep(Duration::from_millis(20)).await;
            seen.asked.fetch_sub(1, SeqCst);
            stream.write_all(whole("200 OK", "", "hello").as_bytes()).await
        }
    }
}
