//! tiny_http on a socket of our own: what the guard let through is parsed and answered there.
//!
//! The socket is made in a folder that only we may enter, opened, and the folder removed where that is possible: then it
//! has no name by the time anybody could call it, and a killed process leaves nothing behind. Where its name has to stay,
//! the next process removes it.
//!
//! Each connection carries one request and ends with its answer. That makes harmless what tiny_http 0.12 does with
//! more: it queues what is pipelined without end, and lets a connection wait behind another one of its pool's threads.
//! Its accept loop ends for good on one error, such as having no descriptor left, or panics on it: then a new server is
//! started.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tiny_http::{Request, Server};

use super::super::Stop;
use crate::base::{Error, Kind, log, random};

/// Where the socket may be made.
const FOLDERS: [&str; 4] = ["/tmp", "/dev/shm", "/run", "."];
/// How the folder of the socket is called, with 16 hexadecimal digits behind.
const FOLDER: &str = "ikvm-mcp-";
/// What the socket is called in it.
const SOCKET: &str = "http";
/// A folder without anybody in it is left over when it is older than this: a process may be about to listen there.
const LEFT_OVER: Duration = Duration::from_secs(60);
/// Linux' O_PATH: a file as a place, neither read nor written.
const PLACE: i32 = 0o10_000_000;
/// Between two attempts to start again.
const RETRY: Duration = Duration::from_millis(200);

/// The server that is running at the moment.
pub(super) struct Backend {
    running: Mutex<Arc<Running>>,
}

struct Running {
    // Dropped first: then a last visitor at the door finds it closed, and its accept loop ends.
    server: Server,
    door: Door,
}

/// Where to connect to.
struct Door {
    path: PathBuf,
    /// What the path stands for, where the socket has no name any more.
    socket: Option<File>,
}

impl Door {
    fn connect(&self) -> io::Result<UnixStream> {
        UnixStream::connect(&self.path)
    }

    /// Removes a name that had to stay.
    fn clear(&self) {
        if self.socket.is_none() {
            remove(&self.path);
        }
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        drop(self.connect());
        self.clear();
    }
}

/// Removes a socket's name and its folder. Not all at once: that would take a descriptor, and there may be none.
fn remove(name: &Path) {
    let _ = fs::remove_file(name);
    let _ = name.parent().map(fs::remove_dir);
}

/// Removes the folders beside `own` that killed processes left: made as ours is, by our user, and nobody listens there.
fn clear_beside(own: &Path) -> io::Result<()> {
    let made = own.symlink_metadata()?;
    let is_left_over = |other: &Metadata| {
        let age = made.modified().ok().zip(other.modified().ok()).and_then(|(ours, its)| ours.duration_since(its).ok());
        other.is_dir() && other.uid() == made.uid() && age.is_some_and(|age| age > LEFT_OVER)
    };
    for entry in own.parent().unwrap_or(own).read_dir()?.flatten() {
        let name = entry.file_name();
        let digits = name.to_str().and_then(|name| name.strip_prefix(FOLDER)).unwrap_or_default();
        if digits.len() == 16
            && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
            && entry.metadata().is_ok_and(|other| is_left_over(&other))
        {
            let socket = entry.path().join(SOCKET);
            let is_there = UnixStream::connect(&socket);
            if is_there.is_err_and(|error| matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::NotFound)) {
                remove(&socket);
            }
        }
    }
    Ok(())
}

impl Backend {
    pub(super) fn start() -> Result<Self, Error> {
        let running = Running::start().map_err(|error| {
            Error::new(Kind::Internal, format!("no socket of our own: {error}"))
                .doing("listening")
                .hint(format!("make one of {} writable", FOLDERS.join(", ")))
        })?;
        Ok(Self { running: Mutex::new(Arc::new(running)) })
    }

    fn running(&self) -> MutexGuard<'_, Arc<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection for one request.
    pub(super) fn connect(&self) -> io::Result<UnixStream> {
        let running = Arc::clone(&self.running());
        let connected = running.door.connect();
        // Its accept loop has panicked, and told nobody; or somebody cleared the folder with its name.
        let is_closed = |error: &io::Error| matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::NotFound);
        if connected.as_ref().is_err_and(is_closed) {
            running.server.unblock();
        }
        connected
    }

    /// Hands every request to `dispatch`, until stopped.
    pub(super) fn run(&self, dispatch: impl Fn(Request), stop: &Stop) {
        loop {
            let running = Arc::clone(&self.running());
            let mut error = loop {
                match running.server.recv() {
                    Ok(request) => dispatch(request),
                    Err(error) => break error,
                }
            };
            drop(running);
            // `unblock` makes the end of the program an error, too.
            loop {
                if stop.wait_for(RETRY) {
                    return;
                }
                log::error(format_args!("answering requests failed, starting again: {error}"));
                match Running::start() {
                    Ok(next) => break *self.running() = Arc::new(next),
                    Err(next) => error = next,
                }
            }
        }
    }

    /// Makes `run` look whether it was stopped; nobody connects any more.
    pub(super) fn close(&self) {
        let running = self.running();
        running.door.clear();
        running.server.unblock();
    }
}

impl Running {
    fn start() -> io::Result<Self> {
        let mut failed = io::Error::from(ErrorKind::NotFound);
        for folder in FOLDERS {
            match Self::start_in(Path::new(folder)) {
                Ok(running) => return Ok(running),
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    fn start_in(folder: &Path) -> io::Result<Self> {
        let folder = folder.join(format!("{FOLDER}{}", random::hex::<8>().map_err(io::Error::other)?));
        DirBuilder::new().mode(0o700).create(&folder)?;
        // Not to be able to look beside it is no reason not to serve.
        let _ = clear_beside(&folder);
        let name = folder.join(SOCKET);
        let bound = Self::bind(&name);
        if !bound.as_ref().is_ok_and(|(_, door)| door.socket.is_none()) {
            remove(&name);
        }
        let (listener, door) = bound?;
        // Where the system has no thread left, this panics instead of failing.
        let started = catch_unwind(AssertUnwindSafe(|| Server::from_listener(listener, None)));
        let server = started.map_err(|_| io::Error::other("no thread"))?.map_err(io::Error::other)?;
        Ok(Self { server, door })
    }

    fn bind(path: &Path) -> io::Result<(UnixListener, Door)> {
        let listener = UnixListener::bind(path)?;
        // With musl, std takes this flag for a part of the access mode and leaves it out, and a socket cannot be opened
        // otherwise. There, and where there is no /proc, the name is the only way to it, and stays until the end.
        let socket = OpenOptions::new().read(true).custom_flags(PLACE).open(path).ok();
        let nameless = socket.as_ref().map(|socket| PathBuf::from(format!("/proc/self/fd/{}", socket.as_raw_fd())));
        let door = match nameless.filter(|path| path.exists()) {
            Some(path) => Door { path, socket },
            None => Door { path: path.to_owned(), socket: None },
        };
        Ok((listener, door))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    #[test]
    fn a_name_that_somebody_removed_is_made_anew() {
        let mut running = Running::start().unwrap();
        running.door = Door { path: "/nowhere/http".into(), socket: None };
        let backend = Arc::new(Backend { running: Mutex::new(Arc::new(running)) });
        let (stop, (heard, requests)) = (Stop::default(), mpsc::channel());
        let server = thread::spawn({
            let (backend, stop) = (Arc::clone(&backend), stop.clone());
            move || backend.run(|request| heard.send(request).unwrap(), &stop)
        });
        let mut client = loop {
            match backend.connect() {
                Ok(client) => break client,
                Err(error) => assert_eq!(error.kind(), ErrorKind::NotFound),
            }
            thread::yield_now();
        };
        io::Write::write_all(&mut client, b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        assert_eq!(requests.recv().unwrap().url(), "/health");
        stop.stop();
        backend.close();
        server.join().unwrap();
    }

    #[test]
    fn what_a_killed_process_left_is_removed_and_nothing_else() {
        let parent = std::env::temp_dir().join(format!("ikvm-mcp-left-over-{}", std::process::id()));
        let _ = fs::remove_dir_all(&parent);
        let age = |path: &Path, seconds: u64| {
            let folder = File::open(path).unwrap();
            let made = folder.metadata().unwrap().modified().unwrap();
            folder.set_modified(made - Duration::from_secs(seconds)).unwrap();
        };
        let make = |name: &str, seconds: u64| {
            let folder = parent.join(name);
            fs::create_dir_all(&folder).unwrap();
            let listener = UnixListener::bind(folder.join(SOCKET)).unwrap();
            age(&folder, seconds);
            (folder, listener)
        };
        let [lives, killed, starts, foreign] = [
            ("ikvm-mcp-0123456789abcdef", 3_600),
            ("ikvm-mcp-00000000000000ff", 3_600),
            ("ikvm-mcp-00000000000000fe", 0),
            ("ikvm-mcp-something-else", 3_600),
        ]
        .map(|(name, seconds)| make(name, seconds));
        let (own, _listener) = make("ikvm-mcp-00000000000000aa", 0);
        let [killed, starts, foreign] = [killed, starts, foreign].map(|(folder, _)| folder);
        let empty = parent.join("ikvm-mcp-00000000000000fd");
        fs::create_dir(&empty).unwrap();
        age(&empty, 3_600);

        clear_beside(&own).unwrap();
        assert!(!killed.exists() && !empty.exists());
        for folder in [&lives.0, &starts, &foreign, &own] {
            assert!(folder.join(SOCKET).exists(), "{}", folder.display());
        }
        fs::remove_dir_all(&parent).unwrap();
    }
}
