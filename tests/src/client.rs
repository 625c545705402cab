//! A WebSocket client: tungstenite, with a deadline on everything.

use crate::{Stream, within};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::Response;
use serde_json::Value;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Message,
        error::Error,
        protocol::{CloseFrame, WebSocketConfig, frame::coding::CloseCode},
    },
};

/// An open connection. Pings are answered by the library, whenever something is read.
#[derive(Debug)]
pub struct Client {
    socket: WebSocketStream<Box<dyn Stream>>,
    response: Response<()>,
    pings: Vec<Bytes>,
    pongs: Vec<Bytes>,
}

/// How the library is set up.
pub(crate) fn settings() -> WebSocketConfig {
    WebSocketConfig::default().max_message_size(Some(64 << 20)).max_frame_size(Some(64 << 20))
}

impl Client {
    pub(crate) fn new(socket: WebSocketStream<Box<dyn Stream>>, response: Response<()>) -> Self {
        Self { socket, response, pings: Vec::new(), pongs: Vec::new() }
    }

    /// A header field of the 101; empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        self.response.headers().get(name).map_or("", |value| value.to_str().expect("the tests use text only"))
    }

    /// The payloads of the pings that came so far.
    pub fn pings(&self) -> &[Bytes] {
        &self.pings
    }

    /// Sends a message, or a ping.
    pub async fn send(&mut self, message: impl Into<Message>) {
        self.try_send(message).await.expect("the connection takes a message");
    }

    /// Sends a message to a connection that may have ended.
    ///
    /// # Errors
    ///
    /// When it has.
    pub async fn try_send(&mut self, message: impl Into<Message>) -> Result<(), Error> {
        within("sending", self.socket.send(message.into())).await
    }

    /// The next text or binary message.
    ///
    /// # Panics
    ///
    /// When the connection ends instead.
    pub async fn receive(&mut self) -> Message {
        match self.next("a message").await {
            Ok(message @ (Message::Text(_) | Message::Binary(_))) => message,
            other => panic!("expected a message: {other:?}"),
        }
    }

    /// The next message, which is a text.
    pub async fn text(&mut self) -> String {
        match self.receive().await {
            Message::Text(text) => text.to_string(),
            other => panic!("expected a text: {other:?}"),
        }
    }

    /// The next message is this text.
    pub async fn expect_text(&mut self, text: &str) {
        assert_eq!(self.text().await, text);
    }

    /// The next message has these bytes.
    pub async fn expect_binary(&mut self, bytes: &[u8]) {
        match self.receive().await {
            Message::Binary(received) => assert_eq!(&received[..], bytes),
            other => panic!("expected bytes: {other:?}"),
        }
    }

    /// Sends a text and returns the next message.
    pub async fn ask(&mut self, text: &str) -> String {
        self.send(text).await;
        self.text().await
    }

    /// Sends a command to the guest `reporter` and returns its answer's value.
    ///
    /// # Panics
    ///
    /// When the answer is an error.
    pub async fn command(&mut self, command: &str) -> Value {
        let mut answer = self.answer(command).await;
        assert!(answer.get("ok").is_some(), "{command}: {answer}");
        answer["ok"].take()
    }

    /// Sends a command to the guest `reporter` and returns its answer's error.
    ///
    /// # Panics
    ///
    /// When the answer is not an error.
    pub async fn command_error(&mut self, command: &str) -> String {
        let answer = self.answer(command).await;
        answer["error"].as_str().unwrap_or_else(|| panic!("{command}: {answer}")).to_owned()
    }

    /// Sends a ping and waits for its pong.
    pub async fn ping(&mut self, payload: &[u8]) {
        let payload = Bytes::copy_from_slice(payload);
        self.send(Message::Ping(payload.clone())).await;
        while !self.pongs.contains(&payload) {
            match within("a pong", self.socket.next()).await {
                Some(Ok(Message::Pong(pong))) => self.pongs.push(pong),
                other => panic!("expected a pong: {other:?}"),
            }
        }
    }

    /// Waits for the next ping; returns its payload.
    pub async fn expect_ping(&mut self) -> Bytes {
        match within("a ping", self.socket.next()).await {
            Some(Ok(Message::Ping(payload))) => payload,
            other => panic!("expected a ping: {other:?}"),
        }
    }

    /// The server closes next, with this code; returns the reason. Completes the closing handshake.
    pub async fn expect_close(&mut self, code: u16) -> String {
        let what = format!("a close with {code}");
        let (closed, reason) = self.closed(&what).await;
        assert_eq!(closed, code, "{reason}");
        reason
    }

    /// Skips messages until the server closes; returns code and reason. Completes the closing handshake.
    pub async fn closed_after_messages(&mut self) -> (u16, String) {
        loop {
            match self.next("a close").await {
                Ok(Message::Close(frame)) => return self.ended(frame).await,
                Ok(_) => {}
                Err(error) => panic!("expected a close frame: {error}"),
            }
        }
    }

    /// Waits until the server closes with 1012; returns the texts that came before.
    pub async fn drained(&mut self) -> Vec<String> {
        let mut texts = Vec::new();
        loop {
            match self.next("a close with 1012").await {
                Ok(Message::Text(text)) => texts.push(text.to_string()),
                Ok(Message::Close(frame)) => {
                    assert_eq!(self.ended(frame).await.0, 1012);
                    return texts;
                }
                other => panic!("expected a close with 1012: {other:?}"),
            }
        }
    }

    /// Closes, and skips messages that were on their way; returns the code and the reason that the server answered with.
    pub async fn close(mut self, code: u16, reason: &str) -> (u16, String) {
        let frame = CloseFrame { code: CloseCode::from(code), reason: reason.into() };
        self.send(Message::Close(Some(frame))).await;
        self.closed_after_messages().await
    }

    /// Whatever comes next, however long it takes. Cancel-safe.
    pub(crate) async fn next_of_any_kind(&mut self) -> Option<Result<Message, Error>> {
        self.socket.next().await
    }

    /// Hangs up without a closing handshake.
    pub fn vanish(self) {}

    async fn answer(&mut self, command: &str) -> Value {
        let answer = self.ask(command).await;
        serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{command}: {error}: {answer}"))
    }

    async fn closed(&mut self, what: &str) -> (u16, String) {
        match self.next(what).await {
            Ok(Message::Close(frame)) => self.ended(frame).await,
            other => panic!("expected {what}: {other:?}"),
        }
    }

    /// Reads to the end, which completes the closing handshake.
    async fn ended(&mut self, frame: Option<CloseFrame>) -> (u16, String) {
        while let Some(Ok(_)) = within("the end of the connection", self.socket.next()).await {}
        frame.map_or((1005, String::new()), |frame| (frame.code.into(), frame.reason.to_string()))
    }

    /// The next of what is not a ping or a pong; heartbeats in between do not make the wait longer.
    async fn next(&mut self, what: &str) -> Result<Message, Error> {
        let next = async {
            loop {
                match self.socket.next().await {
                    Some(Ok(Message::Ping(payload))) => self.pings.push(payload),
                    Some(Ok(Message::Pong(payload))) => self.pongs.push(payload),
                    Some(next) => return next,
                    None => return Err(Error::ConnectionClosed),
                }
            }
        };
        within(what, next).await
    }
}
