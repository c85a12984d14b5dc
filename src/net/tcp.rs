//! Names to addresses to connected sockets, each wait bounded and ended by its watch.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use super::failure::{self, Unresolvable};
use crate::base::{Error, Kind, Watch};

/// From the first address to the end of the TLS handshake; as long for the name before.
pub(super) const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// All addresses of a host, at least one, in the order in which they are tried.
pub(super) fn addresses(host: &str, port: u16, watch: &Watch) -> Result<Vec<SocketAddr>, Error> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![(address, port).into()]);
    }
    let name = host.to_owned();
    let watch = watch.within("resolving the name", CONNECT_LIMIT);
    match detached(&watch, move || resolve(&name, port)) {
        Ok(found) => found.map_err(failure::explain),
        Err(error) if matches!(error.kind(), Kind::Timeout(_)) => Err(error.hint(failure::UNRESOLVED)),
        Err(error) => Err(error),
    }
}

/// Connects to the first address that accepts; TCP_NODELAY is set.
pub(super) fn connect(addresses: &[SocketAddr], watch: &Watch) -> Result<TcpStream, Error> {
    let mut last = None;
    for (index, address) in addresses.iter().copied().enumerate() {
        // An address that swallows packets must leave time for the next ones.
        let share = watch.left()? / (addresses.len() - index) as u32;
        match detached(watch, move || TcpStream::connect_timeout(&address, share))? {
            Ok(socket) => {
                socket.set_nodelay(true).map_err(failure::explain)?;
                return Ok(socket);
            }
            Err(error) if error.kind() == io::ErrorKind::TimedOut => last = Some(watch.timeout()),
            Err(error) => last = Some(failure::explain(error)),
        }
    }
    Err(last.unwrap_or_else(|| watch.timeout()))
}

/// The same, as long as the system's resolver likes.
pub(super) fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let unresolvable = |cause: String| io::Error::other(Unresolvable { host: host.to_owned(), cause });
    let found = (host, port).to_socket_addrs().map_err(|error| unresolvable(error.to_string()))?;
    let addresses: Vec<_> = found.collect();
    if addresses.is_empty() { Err(unresolvable("the name exists, but has none".to_owned())) } else { Ok(addresses) }
}

/// Does work that nothing can interrupt (resolving, connecting) on a thread of its own, and stops waiting for it
/// when the watch ends; what the work still yields then is dropped.
pub(super) fn detached<T: Send + 'static>(
    watch: &Watch,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    let left = watch.left()?;
    let (sender, receiver) = mpsc::channel();
    let _hook = watch.on_cancel({
        let sender = sender.clone();
        move || _ = sender.send(None)
    });
    std::thread::Builder::new()
        .name("net".to_owned())
        .spawn(move || _ = sender.send(Some(work())))
        .map_err(|error| Error::new(Kind::Internal, format!("no thread to be had: {error}")))?;
    match receiver.recv_timeout(left) {
        Ok(Some(result)) => Ok(result),
        Ok(None) => Err(watch.left().err().unwrap_or_else(|| Error::new(Kind::Cancelled, "cancelled"))),
        Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => Err(watch.timeout()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cancelling_ends_the_wait_for_work_that_cannot_be_interrupted() {
        let watch = Watch::new("resolving", Duration::from_secs(60));
        let (release, blocked) = mpsc::channel::<()>();
        let (begun, begins) = mpsc::channel();
        let canceller = watch.clone();
        std::thread::spawn(move || {
            begins.recv().unwrap();
            canceller.cancel();
        });
        let error = detached(&watch, move || {
            begun.send(()).unwrap();
            blocked.recv()
        });
        assert_eq!(error.unwrap_err().kind(), Kind::Cancelled);
        assert_eq!(detached(&watch, || ()).unwrap_err().kind(), Kind::Cancelled);
        drop(release);
    }

    #[test]
    fn only_a_name_is_resolved_as_a_stage_of_its_own() {
        let watch = Watch::new("connecting", CONNECT_LIMIT);
        assert_eq!(addresses("::1", 5900, &watch).unwrap(), ["[::1]:5900".parse().unwrap()]);
        assert_eq!(watch.stage(), "connecting");
        let none_left = watch.within("connecting", Duration::ZERO);
        let error = addresses("localhost", 5900, &none_left).unwrap_err();
        assert_eq!(error.kind(), Kind::Timeout("resolving the name"));
        assert!(error.to_string().ends_with("; check the name and this machine's DNS"), "{error}");
    }

    #[test]
    fn a_wait_that_ends_without_its_work_names_its_stage() {
        let (release, blocked) = mpsc::channel::<()>();
        let watch = Watch::new("resolving", Duration::from_millis(5));
        let error = detached(&watch, move || blocked.recv()).unwrap_err();
        assert_eq!(error.kind(), Kind::Timeout("resolving"));
        drop(release);
    }
}
