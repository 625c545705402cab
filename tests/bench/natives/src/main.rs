//! `natives LIBRARY echo|fanout`: servers without plugins, each written as its library's own examples are, on one current-thread
//! runtime. Says where it listens; ends with its standard input.

mod fanout;
mod fast;
mod tokio_ws;
mod tungstenite;

use std::{error::Error, future::Future, io, process::ExitCode};
use tokio::{
    io::{AsyncReadExt, stdin},
    net::{TcpListener, TcpStream},
};

/// Whatever ends a connection. Clients of a benchmark vanish all the time: it is nothing to speak of.
type Ended = Result<(), Box<dyn Error + Send + Sync>>;

const USAGE: &str =
    "natives tungstenite|tungstenite-tuned|fastwebsockets|tokio-websockets echo, or natives tungstenite fanout";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let served = match tokio::runtime::Builder::new_current_thread().enable_io().build() {
        Ok(runtime) => runtime.block_on(serve(&arguments)),
        Err(error) => Err(error),
    };
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("natives: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(arguments: &[String]) -> io::Result<()> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["tungstenite", "echo"] => accept(tungstenite::echo).await,
        ["tungstenite-tuned", "echo"] => accept(tungstenite::echo_tuned).await,
        ["tungstenite", "fanout"] => {
            let room = fanout::Room::default();
            accept(move |stream| fanout::serve(stream, room.clone())).await
        }
        ["fastwebsockets", "echo"] => accept(fast::echo).await,
        ["tokio-websockets", "echo"] => accept(tokio_ws::echo).await,
        _ => Err(io::Error::other(USAGE)),
    }
}

/// Accepts until the standard input ends.
async fn accept<F: Future<Output = Ended> + Send + 'static>(serve: impl Fn(TcpStream) -> F) -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on {}", listener.local_addr()?);
    let (mut input, mut ignored) = (stdin(), [0; 64]);
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (stream, _) = accepted?;
                stream.set_nodelay(true)?;
                let connection = serve(stream);
                tokio::spawn(async move { drop(connection.await) });
            }
            read = input.read(&mut ignored) => {
                if read? == 0 {
                    return Ok(());
                }
            }
        }
    }
}
