//! A small real web server for fakes: HTTP/1.1 on loopback, plain or with the test certificates of testdata/tls.
//!
//! One thread a connection, keep-alive. Deliberately absent: chunked request bodies (411), `Expect: 100-continue`.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tungstenite::handshake::derive_accept_key;
use tungstenite::protocol::{Role, WebSocket};

const MAX_HEAD: usize = 64 * 1024;
const MAX_BODY: usize = 16 * 1024 * 1024;
const HEADERS: usize = 100;

/// The listener. Dropping it shuts every connection down and joins every thread; a handler that panicked makes
/// the test fail then. A handler that waits for anything but its stream must end that wait by itself.
pub struct Web {
    address: SocketAddr,
    scheme: &'static str,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

/// What the listener's thread and `drop` share.
struct Shared {
    handler: Box<Handler>,
    tls: Option<Arc<ServerConfig>>,
    /// Whether the handler gets each connection from its first byte.
    is_raw: bool,
    state: Mutex<State>,
}

type Handler = dyn Fn(&Request, &mut dyn Stream) -> Reply + Send + Sync;

#[derive(Default)]
struct State {
    stopping: bool,
    accepted: usize,
    open: HashMap<usize, TcpStream>,
    threads: Vec<JoinHandle<()>>,
}

/// A request, its body read.
#[derive(Clone, Debug, Default)]
pub struct Request {
    pub method: String,
    /// Path and query, as sent.
    pub target: String,
    /// In the order and the case they were sent in.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// What the server does after the handler.
pub enum Reply {
    /// Sends this, with Content-Length, and reads the next request.
    Answer { status: u16, headers: Vec<(String, String)>, body: Vec<u8> },
    /// The handler wrote to the stream itself, or wrote nothing: the connection closes.
    Taken,
}

/// The connection, below HTTP and above TLS.
pub trait Stream: Read + Write + Send {
    /// How long a read waits before it fails with `WouldBlock`; `None` is for ever.
    fn set_read_timeout(&mut self, limit: Option<Duration>);
    /// Ends the connection at once, without a goodbye from TLS.
    fn shut_down(&mut self);
}

impl Web {
    /// Serves `http://127.0.0.1:PORT`.
    pub fn http(handler: impl Fn(&Request, &mut dyn Stream) -> Reply + Send + Sync + 'static) -> Self {
        Self::start("http", None, Box::new(handler))
    }

    /// Serves every connection with `handler`, from its first byte; with TLS, or without.
    pub fn raw(tls: bool, handler: impl Fn(&mut dyn Stream) + Send + Sync + 'static) -> Self {
        let handler = move |_: &Request, stream: &mut dyn Stream| {
            handler(stream);
            Reply::Taken
        };
        let config = tls.then(|| Arc::new(server_config("server")));
        let scheme = if tls { "tls" } else { "tcp" };
        Self::start_as(Ipv4Addr::LOCALHOST.into(), scheme, config, true, Box::new(handler))
    }

    /// Serves `https://127.0.0.1:PORT` with a certificate that [`ca_file`] vouches for.
    pub fn https(handler: impl Fn(&Request, &mut dyn Stream) -> Reply + Send + Sync + 'static) -> Self {
        Self::https_as("server", handler)
    }

    /// Serves `https://[::1]:PORT` with that certificate.
    pub fn https_v6(handler: impl Fn(&Request, &mut dyn Stream) -> Reply + Send + Sync + 'static) -> Self {
        let config = Some(Arc::new(server_config("server")));
        Self::start_as(Ipv6Addr::LOCALHOST.into(), "https", config, false, Box::new(handler))
    }

    /// Serves `https://127.0.0.1:PORT` with another certificate of testdata/tls: `expired`, `self-signed` ...
    pub fn https_as(
        certificate: &str,
        handler: impl Fn(&Request, &mut dyn Stream) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::start("https", Some(Arc::new(server_config(certificate))), Box::new(handler))
    }

    /// Serves `hello` with the certificate of one PEM file and the key of another.
    pub fn https_with(certificate: &[u8], key: &[u8]) -> Self {
        let handler = |_: &Request, _: &mut dyn Stream| Reply::ok("text/plain", "hello");
        Self::start("https", Some(Arc::new(mismatched_config(certificate, key))), Box::new(handler))
    }

    fn start(scheme: &'static str, tls: Option<Arc<ServerConfig>>, handler: Box<Handler>) -> Self {
        Self::start_as(Ipv4Addr::LOCALHOST.into(), scheme, tls, false, handler)
    }

    fn start_as(
        ip: IpAddr,
        scheme: &'static str,
        tls: Option<Arc<ServerConfig>>,
        is_raw: bool,
        handler: Box<Handler>,
    ) -> Self {
        let listener = TcpListener::bind((ip, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared { handler, tls, is_raw, state: Mutex::default() });
        let accepting = std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || accept(&listener, &shared)
        });
        Self { address, scheme, shared, accepting: Some(accepting) }
    }

    /// `http://127.0.0.1:PORT`, or with `https`.
    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// How many connections were accepted so far.
    pub fn accepted(&self) -> usize {
        self.shared.state().accepted
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        self.shared.state().stopping = true;
        let _ = TcpStream::connect(self.address); // wakes the listener's thread
        let mut sound = self.accepting.take().is_none_or(|thread| thread.join().is_ok());
        let (open, threads) = {
            let mut state = self.shared.state();
            (std::mem::take(&mut state.open), std::mem::take(&mut state.threads))
        };
        for socket in open.values() {
            let _ = socket.shutdown(Shutdown::Both);
        }
        for thread in threads {
            sound &= thread.join().is_ok();
        }
        assert!(sound || std::thread::panicking(), "a handler of the fake panicked");
    }
}

impl Shared {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for (id, socket) in listener.incoming().enumerate() {
        let mut state = shared.state();
        if state.stopping {
            return;
        }
        let Ok(socket) = socket else { continue };
        state.accepted += 1;
        state.open.insert(id, socket.try_clone().unwrap());
        let for_thread = Arc::clone(shared);
        state.threads.push(std::thread::spawn(move || {
            // What a client does to the connection is never the fake's failure.
            let _ = serve(&for_thread, socket);
            for_thread.state().open.remove(&id);
        }));
    }
}

fn serve(shared: &Shared, socket: TcpStream) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let wire: Box<dyn Wire> = match &shared.tls {
        None => Box::new(socket),
        Some(config) => {
            let session = ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
            Box::new(StreamOwned::new(session, socket))
        }
    };
    let mut connection = Connection { wire, pending: Vec::new() };
    if shared.is_raw {
        (shared.handler)(&Request::default(), &mut connection);
        connection.wire.goodbye();
        return Ok(());
    }
    while let Some(request) = connection.request()? {
        match (shared.handler)(&request, &mut connection) {
            Reply::Taken => break,
            Reply::Answer { status, headers, body } => {
                let mut answer = head(status, &headers, body.len()).into_bytes();
                if request.method != "HEAD" {
                    answer.extend_from_slice(&body);
                }
                connection.write_all(&answer)?;
                connection.flush()?;
                if request.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close")) {
                    break;
                }
            }
        }
    }
    connection.wire.goodbye();
    Ok(())
}

fn head(status: u16, headers: &[(String, String)], length: usize) -> String {
    let mut head = format!("HTTP/1.1 {status} Whatever\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head + &format!("Content-Length: {length}\r\n\r\n")
}

impl Request {
    /// The first header of this name, in whatever case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The body as text; what is not UTF-8 is replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The target without its query.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// Answers 101 and speaks WebSocket from here on; the handler then returns [`Reply::Taken`].
    pub fn upgrade<'a>(&self, stream: &'a mut dyn Stream, subprotocol: Option<&str>) -> WebSocket<&'a mut dyn Stream> {
        let key = self.header("sec-websocket-key").unwrap_or_default();
        let mut head = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {}\r\n",
            derive_accept_key(key.as_bytes())
        );
        if let Some(subprotocol) = subprotocol {
            head.push_str(&format!("Sec-WebSocket-Protocol: {subprotocol}\r\n"));
        }
        // A client that left is seen at the first read.
        let _ = stream.write_all((head + "\r\n").as_bytes()).and_then(|()| stream.flush());
        WebSocket::from_raw_socket(stream, Role::Server, None)
    }
}

impl Reply {
    /// 200 with a body.
    pub fn ok(content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self::status(200, body).header("Content-Type", content_type)
    }

    /// Any status, with a body.
    pub fn status(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self::Answer { status, headers: Vec::new(), body: body.into() }
    }

    /// One header more.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        if let Self::Answer { headers, .. } = &mut self {
            headers.push((name.to_owned(), value.into()));
        }
        self
    }
}

/// The file that vouches for [`Web::https`]: for SSL_CERT_FILE of a process under test.
pub fn ca_file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/tls/ca.pem")
}

pub fn server_config(certificate: &str) -> ServerConfig {
    let path = ca_file().with_file_name(format!("{certificate}.pem"));
    let chain = CertificateDer::pem_file_iter(&path).unwrap().collect::<Result<_, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_file(&path).unwrap();
    ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap()
}

/// rustls checks that a key belongs to its certificate, but not where it is resolved for each connection.
fn mismatched_config(certificate: &[u8], key: &[u8]) -> ServerConfig {
    let provider = rustls::crypto::ring::default_provider();
    let key = provider.key_provider.load_private_key(PrivateKeyDer::from_pem_slice(key).unwrap()).unwrap();
    let chain = vec![CertificateDer::from_pem_slice(certificate).unwrap()];
    let resolver = SingleCertAndKey::from(CertifiedKey::new(chain, key));
    ServerConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(resolver))
}

/// A socket, with or without TLS.
trait Wire: Read + Write + Send {
    fn socket(&self) -> &TcpStream;
    /// Says that nothing will follow, in the carrier's way.
    fn goodbye(&mut self);
}

impl Wire for TcpStream {
    fn socket(&self) -> &TcpStream {
        self
    }

    fn goodbye(&mut self) {
        let _ = TcpStream::shutdown(self, Shutdown::Both);
    }
}

impl Wire for StreamOwned<ServerConnection, TcpStream> {
    fn socket(&self) -> &TcpStream {
        &self.sock
    }

    fn goodbye(&mut self) {
        self.conn.send_close_notify();
        let _ = self.flush();
        let _ = self.sock.shutdown(Shutdown::Both);
    }
}

/// A connection and what was read of it beyond the last request.
struct Connection {
    wire: Box<dyn Wire>,
    pending: Vec<u8>,
}

impl Connection {
    /// Reads one request; `None` when the client closed between two.
    fn request(&mut self) -> io::Result<Option<Request>> {
        let (mut request, length) = loop {
            let mut headers = [httparse::EMPTY_HEADER; HEADERS];
            let mut parsed = httparse::Request::new(&mut headers);
            match parsed.parse(&self.pending).map_err(io::Error::other)? {
                httparse::Status::Complete(length) => break (to_request(&parsed), length),
                httparse::Status::Partial if self.pending.len() > MAX_HEAD => return Err(io::Error::other("head")),
                httparse::Status::Partial => {}
            }
            if self.more()? == 0 {
                return Ok(None);
            }
        };
        self.pending.drain(..length);
        if request.header("transfer-encoding").is_some() {
            self.wire.write_all(head(411, &[], 0).as_bytes())?;
            return Err(io::Error::other("a chunked request"));
        }
        let length = request.header("content-length").map_or(Ok(0), str::parse).map_err(io::Error::other)?;
        if length > MAX_BODY {
            return Err(io::Error::other("a huge request"));
        }
        while self.pending.len() < length {
            if self.more()? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        request.body = self.pending.drain(..length).collect();
        Ok(Some(request))
    }

    fn more(&mut self) -> io::Result<usize> {
        let mut bytes = [0; 16 * 1024];
        let count = self.wire.read(&mut bytes)?;
        self.pending.extend_from_slice(&bytes[..count]);
        Ok(count)
    }
}

fn to_request(parsed: &httparse::Request<'_, '_>) -> Request {
    let header =
        |header: &httparse::Header<'_>| (header.name.to_owned(), String::from_utf8_lossy(header.value).into_owned());
    Request {
        method: parsed.method.unwrap_or_default().to_owned(),
        target: parsed.path.unwrap_or_default().to_owned(),
        headers: parsed.headers.iter().map(header).collect(),
        body: Vec::new(),
    }
}

impl Read for Connection {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.pending.is_empty() {
            return self.wire.read(buffer);
        }
        let count = self.pending.as_slice().read(buffer)?;
        self.pending.drain(..count);
        Ok(count)
    }
}

impl Write for Connection {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.wire.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.wire.flush()
    }
}

impl Stream for Connection {
    fn set_read_timeout(&mut self, limit: Option<Duration>) {
        self.wire.socket().set_read_timeout(limit).unwrap();
    }

    fn shut_down(&mut self) {
        let _ = self.wire.socket().shutdown(Shutdown::Both);
    }
}
