//! A provider that does what a test tells it to, and the operations on its servers.

use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ikvm_mcp::base::{Access, Error, Kind, Power, Server, Watch};
use ikvm_mcp::config::serving::{Listen, Serving};
use ikvm_mcp::net::Trust;
use ikvm_mcp::ops::{Ops, Settings};
use ikvm_mcp::provider::{Provider, Wanted};

/// What listing the servers does.
pub enum Listing {
    /// Answers at once.
    Known(Vec<Server>),
    /// Fails like this.
    Fails(Error),
    /// Never ends by itself.
    Waits(Waits),
    /// A bug.
    Panics,
}

/// Tells the test what happens to a wait.
pub struct Waits {
    begun: Mutex<Sender<()>>,
    ended: Mutex<Sender<Kind>>,
}

/// A provider whose servers have no console.
pub struct Scripted(pub Listing);

impl Provider for Scripted {
    fn name(&self) -> &'static str {
        "scripted"
    }

    fn servers(&self, watch: &Watch) -> Result<Vec<Server>, Error> {
        match &self.0 {
            Listing::Known(servers) => Ok(servers.clone()),
            Listing::Fails(error) => Err(error.clone()),
            Listing::Waits(waits) => {
                watch.enter("waiting for the test");
                waits.begun.lock().unwrap().send(()).unwrap();
                let error = watch.sleep(Duration::from_secs(3600)).unwrap_err();
                // The test may have seen enough.
                let _ = waits.ended.lock().unwrap().send(error.kind());
                Err(error)
            }
            Listing::Panics => panic!("a bug in a provider: this panic belongs to the test"),
        }
    }

    fn access(&self, _: &str, _: Wanted, _: &Watch) -> Result<Access, Error> {
        Err(Error::new(Kind::NotFound, "no such server"))
    }

    fn power(&self, _: &str, _: &Watch) -> Result<Option<Power>, Error> {
        Ok(None)
    }
}

/// A listing that waits; the receivers hear when one begins, and how it ends.
pub fn waiting() -> (Listing, Receiver<()>, Receiver<Kind>) {
    let (begun, begins) = mpsc::channel();
    let (ended, ends) = mpsc::channel();
    (Listing::Waits(Waits { begun: Mutex::new(begun), ended: Mutex::new(ended) }), begins, ends)
}

/// The operations on the servers of one provider.
pub fn ops(provider: impl Provider + 'static) -> Arc<Ops> {
    ops_of(vec![Box::new(provider)])
}

/// The operations on the servers of several.
pub fn ops_of(providers: Vec<Box<dyn Provider>>) -> Arc<Ops> {
    Arc::new(Ops::new(providers, settings()))
}

/// Settings that no test waits for.
pub fn settings() -> Settings {
    Settings { max_edge: 2000, idle: Duration::from_secs(60), max_consoles: 8, trust: Trust::system() }
}

/// A server of which everything is known, and one of which little is.
pub fn two_servers() -> Vec<Server> {
    let known = Server {
        id: "ns1.example".to_owned(),
        name: "the first".to_owned(),
        provider: "scripted",
        datacenter: Some("sbg3".to_owned()),
        ip: Some("192.0.2.1".to_owned()),
        state: Some("ok".to_owned()),
        power: Some(Power::On),
        os: Some("debian12_64".to_owned()),
    };
    let unknown = Server { datacenter: None, ip: None, state: None, power: None, os: None, ..known.clone() };
    vec![known, Server { id: "ns2.example".to_owned(), name: "the second".to_owned(), ..unknown }]
}

/// A free port of the loopback interface, for everybody on this machine.
pub fn loopback() -> Serving {
    Serving { listen: Listen::Loopback(0), token: None, hosts: Vec::new(), origins: Vec::new() }
}
