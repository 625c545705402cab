//! Sockets that whoever started the process has bound already: socket activation, as systemd does it (`sd_listen_fds(3)`).

use listenfd::ListenFd;
use std::{env, io, net, os::unix::net as unix, sync::OnceLock};

/// What the process was given, by name. The environment that says so is one for the whole process, and so is this.
static SOCKETS: OnceLock<Vec<(String, Inherited)>> = OnceLock::new();

/// A listening socket that was passed to the process.
#[derive(Debug)]
pub(crate) enum Inherited {
    Tcp(net::TcpListener),
    Unix(unix::UnixListener),
}

/// Takes over the sockets that the environment speaks of (`LISTEN_FDS`, `LISTEN_PID`, `LISTEN_FDNAMES`), for listeners that bind
/// `systemd:NAME`. To be called once, before there are threads, since it takes these variables out of the environment.
///
/// # Errors
///
/// When something was passed that is not a listening TCP or UNIX socket.
pub fn inherit_sockets() -> io::Result<()> {
    let names = env::var("LISTEN_FDNAMES").unwrap_or_default();
    let mut passed = ListenFd::from_env();
    let sockets = zip_names(&names, passed.len()).map(|(number, name)| Ok((name, take(&mut passed, number)?)));
    let sockets = sockets.collect::<io::Result<Vec<_>>>()?;
    let _ = SOCKETS.set(sockets); // the second time there is nothing in the environment
    Ok(())
}

/// A socket that was passed, by its name. It stays with the process, for the next listener of this name.
///
/// # Errors
///
/// When there is none of this name, or more than one.
pub(crate) fn socket(name: &str) -> io::Result<Inherited> {
    let sockets = SOCKETS.get().map(Vec::as_slice).unwrap_or_default();
    find(sockets, name).map_err(io::Error::other)?.again()
}

fn find<'s>(sockets: &'s [(String, Inherited)], name: &str) -> Result<&'s Inherited, String> {
    let mut found = sockets.iter().filter(|(other, _)| other == name);
    match (found.next(), found.next()) {
        (Some((_, socket)), None) => Ok(socket),
        (Some(_), Some(_)) => Err(format!("several sockets called {name} were passed; give each a FileDescriptorName")),
        (None, _) if sockets.is_empty() => {
            Err("no socket was passed: the server was not started by a socket unit".to_owned())
        }
        (None, _) => {
            let names: Vec<_> = sockets.iter().map(|(name, _)| name.as_str()).collect();
            Err(format!("no socket called {name} was passed, but {}", names.join(", ")))
        }
    }
}

/// So many sockets with their names; those without one are `unknown`, as in `sd_listen_fds_with_names(3)`.
fn zip_names(names: &str, count: usize) -> impl Iterator<Item = (usize, String)> {
    let names: Vec<_> = names.split(':').map(str::to_owned).collect();
    (0..count).map(move |number| {
        let name = names.get(number).filter(|name| !name.is_empty());
        (number, name.cloned().unwrap_or_else(|| "unknown".to_owned()))
    })
}

fn take(passed: &mut ListenFd, number: usize) -> io::Result<Inherited> {
    if let Ok(Some(socket)) = passed.take_tcp_listener(number) {
        return Ok(Inherited::Tcp(socket));
    }
    match passed.take_unix_listener(number)? {
        Some(socket) => Ok(Inherited::Unix(socket)),
        None => Err(io::ErrorKind::NotFound.into()),
    }
}

// === impl Inherited ===

impl Inherited {
    /// The same socket once more.
    fn again(&self) -> io::Result<Self> {
        match self {
            Self::Tcp(socket) => socket.set_nonblocking(true).and_then(|()| socket.try_clone()).map(Self::Tcp),
            Self::Unix(socket) => socket.set_nonblocking(true).and_then(|()| socket.try_clone()).map(Self::Unix),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_found_by_name() {
        let tcp = || Inherited::Tcp(net::TcpListener::bind("127.0.0.1:0").unwrap());
        let sockets = [("a".to_owned(), tcp()), ("b".to_owned(), tcp()), ("b".to_owned(), tcp())];
        assert!(find(&sockets, "a").is_ok());
        let why = |sockets, name| find(sockets, name).unwrap_err();
        assert_eq!(why(&sockets, "b"), "several sockets called b were passed; give each a FileDescriptorName");
        assert_eq!(why(&sockets, "c"), "no socket called c was passed, but a, b, b");
        assert_eq!(why(&[], "c"), "no socket was passed: the server was not started by a socket unit");
    }

    #[test]
    fn names_belong_to_numbers() {
        let zipped = |names, count| zip_names(names, count).map(|(_, name)| name).collect::<Vec<_>>();
        assert_eq!(zipped("a:b", 2), ["a", "b"]);
        assert_eq!(zipped("a::c", 4), ["a", "unknown", "c", "unknown"]);
        assert_eq!(zipped("", 1), ["unknown"]);
        assert_eq!(zipped("a", 0), [""; 0]);
    }
}
