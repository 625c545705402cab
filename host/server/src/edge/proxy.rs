//! The header of the PROXY protocol, versions 1 and 2: read before anything else, from trusted proxies.
//!
//! <https://www.haproxy.org/download/3.2/doc/proxy-protocol.txt>. The crate `ppp` understands it; here it is read without taking a
//! byte too many, within bounds, and its checksum is compared.

use super::ProxyProtocol;
use crate::listener::Origin;
use crc::{CRC_32_ISCSI, Crc};
use ppp::{v1, v2};
use std::{io, net::SocketAddr};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    time::{Instant, timeout_at},
};

/// What both versions have at least, and by which they are told apart.
const START: usize = 12;

/// The longest line of version 1, its end included.
const MAX_V1: usize = 107;

/// What version 2 begins with, its length included.
const START_V2: usize = 16;

/// The largest header of version 2 that is read.
const MAX_V2: usize = 4096;

const CRC32C: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);

/// What a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// Who the client is, and whom it called.
    Addresses {
        /// The client.
        client: SocketAddr,
        /// The address that it connected to.
        local: SocketAddr,
    },
    /// The client has no address that could be written: it came over a UNIX socket.
    Nameless,
    /// The proxy speaks for itself, or does not know: the socket's own addresses hold.
    Nothing,
}

/// Why a socket is not served.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Bad {
    #[error("not sent in time")]
    Timeout,
    #[error("the proxy hung up")]
    Closed,
    #[error("there is none; let the proxy send it, or set proxy_protocol = \"off\"")]
    Missing,
    #[error("it is of version {0}, which the listener does not take")]
    Version(u8),
    #[error("{0}")]
    Malformed(String),
}

/// Reads the header of a socket; from then on its origin is what that says.
///
/// # Errors
///
/// Whatever is not a whole header before the deadline.
pub(crate) async fn arrive(
    stream: &mut (impl AsyncRead + Unpin),
    origin: &mut Origin,
    deadline: Instant,
) -> Result<&'static str, Bad> {
    let said = timeout_at(deadline, read(stream, origin.via.edge.proxy_protocol)).await.map_err(|_| Bad::Timeout)??;
    let proxy = origin.client.map_or_else(|| "unix".to_owned(), |address| address.to_string());
    let via = &mut origin.via;
    via.unread = false;
    Ok(match said {
        Said::Addresses { client, local } => {
            (via.proxy, via.trusted) = (Some(proxy), via.edge.trusted.contain(Some(client.ip())));
            (origin.client, origin.local) = (Some(client), local.to_string());
            "ok"
        }
        Said::Nameless => {
            // Nobody has said that whoever may use that socket may speak for others.
            (via.proxy, via.trusted) = (Some(proxy), false);
            origin.client = None;
            "ok"
        }
        Said::Nothing => "local",
    })
}

async fn read(stream: &mut (impl AsyncRead + Unpin), versions: ProxyProtocol) -> Result<Said, Bad> {
    let mut header = Vec::with_capacity(64);
    more(stream, &mut header, START).await?;
    let version = match &header[..] {
        start if start == v2::PROTOCOL_PREFIX => 2,
        start if start.starts_with(b"PROXY ") => 1,
        _ => return Err(Bad::Missing),
    };
    match (version, versions) {
        (2, ProxyProtocol::V2 | ProxyProtocol::Any) => read_v2(stream, header).await,
        (1, ProxyProtocol::V1 | ProxyProtocol::Any) => read_v1(stream, header).await,
        _ => Err(Bad::Version(version)),
    }
}

/// Reads a line up to its end. What follows belongs to somebody else: each read takes as much as is certain to be part of the line.
async fn read_v1(stream: &mut (impl AsyncRead + Unpin), mut header: Vec<u8>) -> Result<Said, Bad> {
    let shortest = match &header[..] {
        start if start.starts_with(b"PROXY TCP4") => "PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n".len(),
        start if start.starts_with(b"PROXY TCP6") => "PROXY TCP6 :: :: 0 0\r\n".len(),
        _ => "PROXY UNKNOWN\r\n".len(),
    };
    let certain = shortest - header.len();
    more(stream, &mut header, certain).await?;
    while !header.contains(&b'\n') && header.len() < MAX_V1 {
        let certain = if header.ends_with(b"\r") { 1 } else { 2 };
        let certain = certain.min(MAX_V1 - header.len());
        more(stream, &mut header, certain).await?;
    }
    let line = v1::Header::try_from(&header[..]).map_err(|error| Bad::Malformed(error.to_string()))?;
    if line.header.len() != header.len() {
        return Err(Bad::Malformed("its line has an end within".to_owned()));
    }
    Ok(match line.addresses {
        v1::Addresses::Tcp4(ip) => {
            addresses((ip.source_address, ip.source_port).into(), (ip.destination_address, ip.destination_port).into())
        }
        v1::Addresses::Tcp6(ip) => {
            addresses((ip.source_address, ip.source_port).into(), (ip.destination_address, ip.destination_port).into())
        }
        v1::Addresses::Unknown => Said::Nothing,
    })
}

async fn read_v2(stream: &mut (impl AsyncRead + Unpin), mut header: Vec<u8>) -> Result<Said, Bad> {
    more(stream, &mut header, START_V2 - START).await?;
    let length = usize::from(u16::from_be_bytes([header[14], header[15]]));
    if START_V2 + length > MAX_V2 {
        return Err(Bad::Malformed(format!("it has {} bytes, more than {MAX_V2}", START_V2 + length)));
    }
    more(stream, &mut header, length).await?;
    let parsed = v2::Header::try_from(&header[..]).map_err(|error| Bad::Malformed(error.to_string()))?;
    let said = match (parsed.command, parsed.protocol, parsed.addresses) {
        (v2::Command::Local, ..) | (_, _, v2::Addresses::Unspecified) => return Ok(Said::Nothing),
        (_, v2::Protocol::Datagram, _) => return Err(Bad::Malformed("it is of datagrams".to_owned())),
        (_, _, v2::Addresses::IPv4(ip)) => {
            addresses((ip.source_address, ip.source_port).into(), (ip.destination_address, ip.destination_port).into())
        }
        (_, _, v2::Addresses::IPv6(ip)) => {
            addresses((ip.source_address, ip.source_port).into(), (ip.destination_address, ip.destination_port).into())
        }
        (_, _, v2::Addresses::Unix(_)) => Said::Nameless,
    };
    check(&header, header.len() - parsed.tlv_bytes().len())?;
    Ok(said)
}

/// Goes through the extensions of a header, from where they begin, and compares the checksum where there is one. The others say
/// nothing that is used.
fn check(header: &[u8], start: usize) -> Result<(), Bad> {
    let mut at = start;
    let mut given = None;
    while at < header.len() {
        let Some(&[kind, high, low]) = header[at..].first_chunk() else {
            return Err(Bad::Malformed("an extension is cut off".to_owned()));
        };
        let (value, length) = (at + 3, usize::from(u16::from_be_bytes([high, low])));
        let Some(bytes) = header.get(value..value + length) else {
            return Err(Bad::Malformed("an extension is cut off".to_owned()));
        };
        if kind == v2::Type::CRC32C as u8 {
            let Ok(checksum) = bytes.try_into() else {
                return Err(Bad::Malformed("its checksum is not of 4 bytes".to_owned()));
            };
            if given.replace((value, u32::from_be_bytes(checksum))).is_some() {
                return Err(Bad::Malformed("it has two checksums".to_owned()));
            }
        }
        at = value + length;
    }
    let Some((value, checksum)) = given else { return Ok(()) };
    let mut digest = CRC32C.digest();
    digest.update(&header[..value]);
    digest.update(&[0; 4]);
    digest.update(&header[value + 4..]);
    if digest.finalize() == checksum { Ok(()) } else { Err(Bad::Malformed("its checksum is wrong".to_owned())) }
}

fn addresses(client: SocketAddr, local: SocketAddr) -> Said {
    Said::Addresses { client, local }
}

/// Reads so many more bytes.
async fn more(stream: &mut (impl AsyncRead + Unpin), header: &mut Vec<u8>, bytes: usize) -> Result<(), Bad> {
    let start = header.len();
    header.resize(start + bytes, 0);
    match stream.read_exact(&mut header[start..]).await {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(Bad::Closed),
        Err(error) => Err(Bad::Malformed(error.to_string())),
    }
}

// === impl Bad ===

impl Bad {
    /// Why, as metrics call it.
    pub(crate) fn outcome(&self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Closed => "closed",
            Self::Missing => "missing",
            Self::Version(_) | Self::Malformed(_) => "malformed",
        }
    }
}

#[cfg(test)]
mod tests;
