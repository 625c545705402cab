//! Addresses: can they be bound?

use super::Finding;
use crate::Config;
use socket2::{Domain, SockAddr, Socket, Type};
use socklet_server::Bind;
use std::{io, net::SocketAddr, os::unix::net::UnixStream, path::Path};

pub(super) fn examine(config: &Config) -> Vec<Finding> {
    let listeners =
        config.listeners.iter().map(|listener| (format!("listener {}", listener.name), listener.bind.clone()));
    let ops = config.ops.map(|address| ("ops.bind".to_owned(), Bind::Tcp(address)));
    let admin = config.admin.as_ref().map(|plan| ("admin.bind".to_owned(), plan.bind.clone()));
    let all = listeners.chain(ops).chain(admin);
    all.map(|(about, bind)| match &bind {
        Bind::Tcp(address) => tcp(&about, *address),
        Bind::Unix(path) => unix(&about, path),
        Bind::Systemd(_) => Finding::ok(&about, format!("{bind} is there when a socket unit starts the server")),
    })
    .collect()
}

fn tcp(about: &str, address: SocketAddr) -> Finding {
    match try_bind(address) {
        Ok(()) => Finding::ok(about, format!("{address} is free")),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => in_use(about, &address.to_string()),
        Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => Finding::problem(
            about,
            format!("{address} is no address of this machine"),
            "see `ip address`; \":8080\" is all of them",
        ),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Finding::problem(
            about,
            format!("this user may not bind {address}"),
            "give it CAP_NET_BIND_SERVICE (AmbientCapabilities), or take a port from 1024 on",
        ),
        Err(error) => Finding::problem(about, format!("{address}: {error}"), "take another address"),
    }
}

fn try_bind(address: SocketAddr) -> io::Result<()> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    // As the server does: what is left of old connections does not count.
    socket.set_reuse_address(true)?;
    if let SocketAddr::V6(v6) = address {
        socket.set_only_v6(!v6.ip().is_unspecified())?;
    }
    socket.bind(&SockAddr::from(address))?;
    // Two may bind with the option above, one may listen.
    socket.listen(1)
}

fn unix(about: &str, path: &Path) -> Finding {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if UnixStream::connect(path).is_ok() {
        return in_use(about, &path.display().to_string());
    }
    if let Err(error) = rustix::fs::access(folder, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK) {
        let found = format!("this user cannot make a socket in {}: {error}", folder.display());
        return Finding::problem(about, found, "make the folder for the server's user (RuntimeDirectory)");
    }
    Finding::ok(about, format!("{} is free", path.display()))
}

fn in_use(about: &str, address: &str) -> Finding {
    Finding::warning(about, format!("{address} is in use"), "by this server, if it runs already: then all is well")
}

#[cfg(test)]
mod tests {
    use super::{super::Verdict, *};
    use std::{net::TcpListener, os::unix::net::UnixListener};

    #[test]
    fn addresses_are_tried() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        assert_eq!(tcp("a", address).verdict, Verdict::Warning);
        drop(taken);
        assert_eq!(tcp("a", address).verdict, Verdict::Ok);
        // TEST-NET-1 of RFC 5737.
        assert_eq!(tcp("a", "192.0.2.1:80".parse().unwrap()).verdict, Verdict::Problem);
    }

    #[test]
    fn paths_are_tried() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let taken = UnixListener::bind(&path).unwrap();
        assert_eq!(unix("a", &path).verdict, Verdict::Warning);
        drop(taken);
        assert_eq!(unix("a", &path).verdict, Verdict::Ok, "nobody listens there any more");
        assert_eq!(unix("a", &folder.path().join("not/there")).verdict, Verdict::Problem);
    }
}
