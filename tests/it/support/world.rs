//! OVH's API and the BMCs of its servers, all fakes: what the real program needs to work as with real ones.

use std::sync::Arc;

use ikvm_mcp::base::Frame;

use super::bmc::{Bmc, Setup};
use super::ovh::FakeOvh;
use super::web::ca_file;

/// An API and its servers, `ns1.example` first.
pub struct World {
    pub ovh: FakeOvh,
    pub bmcs: Vec<Arc<Bmc>>,
}

impl World {
    /// So many servers with these screens.
    pub fn start(servers: usize, setup: &Setup, screen: impl Fn(usize) -> Frame) -> Self {
        let ovh = FakeOvh::start_tls();
        let bmcs: Vec<Arc<Bmc>> = (0..servers).map(|_| Arc::new(Bmc::start(setup.clone()))).collect();
        for (number, bmc) in bmcs.iter().enumerate() {
            bmc.show(&screen(number));
            let bmc = Arc::clone(bmc);
            ovh.state().add(&Self::name(number)).viewer = Some(Arc::new(move || bmc.viewer_url()));
        }
        Self { ovh, bmcs }
    }

    /// The id of a server, counted from 0.
    pub fn name(number: usize) -> String {
        format!("ns{}.example", number + 1)
    }

    /// The environment that leads the program here.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let mut environment = self.ovh.environment();
        environment.push(("SSL_CERT_FILE", ca_file().display().to_string()));
        environment
    }
}
