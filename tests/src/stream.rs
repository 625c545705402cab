//! Sockets to a listener, whichever kind it is.

use crate::within;
use socklet_server::Bind;
use std::fmt::Debug;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
};

/// A socket.
pub trait Stream: AsyncRead + AsyncWrite + Debug + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Debug + Send + Unpin> Stream for T {}

/// Connects to a listener.
///
/// # Panics
///
/// When nobody listens there.
pub async fn connect(to: &Bind) -> Box<dyn Stream> {
    let connect = async {
        match to {
            Bind::Tcp(address) => TcpStream::connect(address).await.map(|stream| {
                // A test that waits for an answer has no use for Nagle's delay; it is the default elsewhere.
                let _ = stream.set_nodelay(true);
                Box::new(stream) as Box<dyn Stream>
            }),
            Bind::Systemd(name) => panic!("{name} is no address"),
            Bind::Unix(path) => UnixStream::connect(path).await.map(|stream| Box::new(stream) as Box<dyn Stream>),
        }
    };
    within("connecting", connect).await.unwrap_or_else(|error| panic!("failed to connect to {to}: {error}"))
}
