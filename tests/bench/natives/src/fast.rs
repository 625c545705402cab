//! fastwebsockets, as its own echo server, with the upgrade by hyper.

use crate::Ended;
use fastwebsockets::{FragmentCollector, OpCode, WebSocketError, upgrade};
use http_body_util::Empty;
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// Serves a connection.
pub(crate) async fn echo(stream: TcpStream) -> Ended {
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(upgrade));
    Ok(connection.with_upgrades().await?)
}

async fn upgrade(mut request: Request<Incoming>) -> Result<Response<Empty<Bytes>>, WebSocketError> {
    let (response, upgrade) = upgrade::upgrade(&mut request)?;
    tokio::spawn(async move { drop(tokio::task::unconstrained(messages(upgrade)).await) });
    Ok(response)
}

async fn messages(upgrade: upgrade::UpgradeFut) -> Result<(), WebSocketError> {
    let mut socket = FragmentCollector::new(upgrade.await?);
    loop {
        let frame = socket.read_frame().await?;
        match frame.opcode {
            OpCode::Close => return Ok(()),
            OpCode::Text | OpCode::Binary => socket.write_frame(frame).await?,
            _ => {}
        }
    }
}
