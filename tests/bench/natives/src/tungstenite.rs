//! tokio-tungstenite: as it comes, and with what makes it fast.

use crate::Ended;
use futures_util::{FutureExt, SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::{accept_async, accept_async_with_config, tungstenite::protocol::WebSocketConfig};

/// The default is 128 KiB, filled with zeros before every read.
const READ_BUFFER: usize = 4 << 10;

/// One answer, one flush.
pub(crate) async fn echo(stream: TcpStream) -> Ended {
    let mut socket = accept_async(stream).await?;
    while let Some(message) = socket.next().await {
        let message = message?;
        if message.is_text() || message.is_binary() {
            socket.send(message).await?;
        }
    }
    Ok(())
}

/// A small read buffer, and one flush for everything that one wake-up brought.
pub(crate) async fn echo_tuned(stream: TcpStream) -> Ended {
    let config = WebSocketConfig::default().read_buffer_size(READ_BUFFER);
    let mut socket = accept_async_with_config(stream, Some(config)).await?;
    while let Some(message) = socket.next().await {
        let mut next = Some(message);
        while let Some(message) = next {
            let message = message?;
            if message.is_text() || message.is_binary() {
                socket.feed(message).await?;
            }
            next = socket.next().now_or_never().flatten();
        }
        socket.flush().await?;
    }
    Ok(())
}
