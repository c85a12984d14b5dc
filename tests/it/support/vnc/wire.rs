//! The fake server's end of a connection: bytes over TCP, over TLS begun inside it, or over WebSocket.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use rustls::{ServerConnection, StreamOwned};

use crate::support::bmc::link::{Cut, Link, Received};
use crate::support::web::server_config;

/// How long a read waits before the fake looks whether there is something to push.
const TURN: Duration = Duration::from_millis(3);

/// The client is gone.
#[derive(Debug)]
pub struct Gone;

pub struct Wire<'a> {
    carrier: Option<Carrier<'a>>,
    received: Vec<u8>,
}

enum Carrier<'a> {
    Tcp(TcpStream),
    Tls(Box<StreamOwned<ServerConnection, TcpStream>>),
    Web(Box<Link<'a>>),
}

pub fn tcp(socket: TcpStream) -> Wire<'static> {
    socket.set_read_timeout(Some(TURN)).unwrap();
    socket.set_nodelay(true).unwrap();
    Wire { carrier: Some(Carrier::Tcp(socket)), received: Vec::new() }
}

pub fn web(link: Link<'_>) -> Wire<'_> {
    Wire { carrier: Some(Carrier::Web(Box::new(link))), received: Vec::new() }
}

impl Wire<'_> {
    /// Sends; that the client is gone is seen at the next read.
    pub fn send(&mut self, bytes: &[u8]) {
        match &mut self.carrier {
            Some(Carrier::Tcp(socket)) => _ = socket.write_all(bytes),
            Some(Carrier::Tls(stream)) => _ = stream.write_all(bytes).and_then(|()| stream.flush()),
            Some(Carrier::Web(link)) => {
                link.send(bytes);
                // Messages of any size: RFB is a stream.
                while !link.is_idle() {
                    link.flush(Cut::Random(7));
                }
            }
            None => {}
        }
    }

    /// Waits for a turn; whether there is anything to read.
    pub fn has_some(&mut self) -> Result<bool, Gone> {
        if self.received.is_empty() {
            self.read()?;
        }
        Ok(!self.received.is_empty())
    }

    /// The next `count` bytes.
    pub fn need(&mut self, count: usize) -> Result<Vec<u8>, Gone> {
        while self.received.len() < count {
            self.read()?;
        }
        Ok(self.received.drain(..count).collect())
    }

    fn read(&mut self) -> Result<(), Gone> {
        let mut bytes = [0; 4096];
        let read = match &mut self.carrier {
            Some(Carrier::Tcp(socket)) => socket.read(&mut bytes),
            Some(Carrier::Tls(stream)) => stream.read(&mut bytes),
            Some(Carrier::Web(link)) => match link.receive() {
                Received::Bytes(more) => {
                    self.received.extend(more);
                    return Ok(());
                }
                Received::Nothing => return Ok(()),
                Received::Goodbye | Received::Gone => return Err(Gone),
                Received::Wrong(what) => panic!("{what}"),
            },
            None => return Err(Gone),
        };
        match read {
            Ok(0) => Err(Gone),
            Ok(count) => {
                self.received.extend_from_slice(&bytes[..count]);
                Ok(())
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Ok(()),
            Err(_) => Err(Gone),
        }
    }

    /// TLS begins, with a certificate of testdata/tls.
    pub fn start_tls(&mut self, certificate: &str) {
        let Some(Carrier::Tcp(socket)) = self.carrier.take() else { panic!("TLS inside of something else") };
        assert!(self.received.is_empty(), "the client did not wait for TLS: {:?}", self.received);
        let session = ServerConnection::new(server_config(certificate).into()).unwrap();
        self.carrier = Some(Carrier::Tls(Box::new(StreamOwned::new(session, socket))));
    }

    pub fn close(&mut self) {
        match &mut self.carrier {
            Some(Carrier::Tcp(socket)) => _ = socket.shutdown(Shutdown::Both),
            Some(Carrier::Tls(stream)) => {
                stream.conn.send_close_notify();
                let _ = stream.flush();
                let _ = stream.sock.shutdown(Shutdown::Both);
            }
            Some(Carrier::Web(link)) => link.close(),
            None => {}
        }
    }
}
