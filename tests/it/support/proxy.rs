//! A real HTTP proxy that knows CONNECT alone: it leads everybody to one place, or refuses them.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

/// What it does with whoever wants to go somewhere.
#[derive(Clone, Copy, Debug)]
pub enum Manner {
    /// Leads to this port of 127.0.0.1, whatever the name.
    To(u16),
    /// Wants other credentials.
    Refuses,
}

pub struct Proxy {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
    stopping: Arc<AtomicBool>,
    accepting: Option<JoinHandle<()>>,
}

impl Proxy {
    pub fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let (heads, stopping) = (Arc::<Mutex<Vec<String>>>::default(), Arc::<AtomicBool>::default());
        let (seen, stopped) = (Arc::clone(&heads), Arc::clone(&stopping));
        let accepting = thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                let seen = Arc::clone(&seen);
                // Ends with its connection.
                thread::spawn(move || serve(socket, manner, &seen));
            }
        });
        Self { address, heads, stopping, accepting: Some(accepting) }
    }

    /// For HTTPS_PROXY, with this user and password.
    pub fn url(&self, credentials: &str) -> String {
        format!("http://{credentials}@{}", self.address)
    }

    /// `127.0.0.1:PORT`
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// The head of each request so far.
    pub fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

fn serve(mut client: TcpStream, manner: Manner, heads: &Mutex<Vec<String>>) -> io::Result<()> {
    let mut head = Vec::new();
    // What follows the head belongs into the tunnel.
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    heads.lock().unwrap().push(String::from_utf8(head).unwrap());
    let port = match manner {
        Manner::To(port) => port,
        Manner::Refuses => return client.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"),
    };
    let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
    let (mut from, mut to) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || {
        let _ = io::copy(&mut from, &mut to);
        to.shutdown(Shutdown::Both)
    });
    let _ = io::copy(&mut server, &mut client);
    client.shutdown(Shutdown::Both)
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address); // wakes the listener's thread
        let sound = self.accepting.take().is_none_or(|thread| thread.join().is_ok());
        assert!(sound || thread::panicking(), "the proxy panicked");
    }
}
