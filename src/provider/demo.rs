//! Demo servers: recorded tile streams that go through the real session, decoder and tools. No network.
//!
//! The recordings are the streams in testdata/ast2500, each a full frame or the differences to the one before.

use std::sync::Arc;

use super::{Provider, Wanted};
use crate::base::{Access, Certificate, Error, Kind, Power, Recording, Route, Server, Watch};

/// One recorded frame: its 86-byte header, and the tile stream behind it.
type Recorded = (&'static [u8], &'static [u8]);

macro_rules! recorded {
    ($name:literal) => {
        (
            include_bytes!(concat!("../../testdata/ast2500/", $name, ".hdr")),
            include_bytes!(concat!("../../testdata/ast2500/", $name, ".bin")),
        )
    };
}

const BIOS: Recorded = recorded!("screen-seabios-720x400");
const GRUB: Recorded = recorded!("screen-grub-720x400");
const BOOT: [Recorded; 3] =
    [recorded!("sequence-scroll-0"), recorded!("sequence-scroll-1"), recorded!("sequence-scroll-2")];
const LOGIN: Recorded = recorded!("screen-login-1280x800");
const PANIC: Recorded = recorded!("screen-panic-720x400-420");

/// What a demo server shows.
enum Show {
    /// Each look the next of these, over and over.
    Screens(&'static [Recorded]),
    /// A host that is switched off.
    Off,
    /// A BMC that lets nobody in.
    Sick,
}

struct DemoServer {
    id: &'static str,
    name: &'static str,
    ip: &'static str,
    show: Show,
}

static SERVERS: [DemoServer; 5] = [
    DemoServer {
        id: "demo-boot",
        name: "boots again and again: the screen changes at each look",
        ip: "192.0.2.1",
        show: Show::Screens(&[BIOS, GRUB, BOOT[0], BOOT[1], BOOT[2], LOGIN]),
    },
    DemoServer { id: "demo-grub", name: "waits in its boot menu", ip: "192.0.2.2", show: Show::Screens(&[GRUB]) },
    DemoServer { id: "demo-panic", name: "hangs in a kernel panic", ip: "192.0.2.3", show: Show::Screens(&[PANIC]) },
    DemoServer { id: "demo-off", name: "is switched off", ip: "192.0.2.4", show: Show::Off },
    DemoServer { id: "demo-sick", name: "has a BMC whose session table is full", ip: "192.0.2.5", show: Show::Sick },
];

/// Servers to try the program with: no credentials, no network.
#[derive(Debug)]
pub struct Demo;

impl Provider for Demo {
    fn name(&self) -> &'static str {
        "demo"
    }

    fn servers(&self, _: &Watch) -> Result<Vec<Server>, Error> {
        Ok(SERVERS.iter().map(describe).collect())
    }

    fn access(&self, server: &str, _: Wanted, _: &Watch) -> Result<Access, Error> {
        let recording = Arc::new(record(&find(server)?.show));
        Ok(Access {
            route: Route::Recording(recording),
            certificate: Certificate::default(),
            expires: None,
            notes: Vec::new(),
        })
    }

    fn power(&self, server: &str, _: &Watch) -> Result<Option<Power>, Error> {
        Ok(describe(find(server)?).power)
    }
}

fn find(id: &str) -> Result<&'static DemoServer, Error> {
    SERVERS.iter().find(|server| server.id == id).ok_or_else(|| Error::new(Kind::NotFound, "no such server"))
}

fn describe(server: &DemoServer) -> Server {
    Server {
        id: server.id.to_owned(),
        name: format!("{}, {}", server.id, server.name),
        provider: "demo",
        datacenter: Some("demo1".to_owned()),
        ip: Some(server.ip.to_owned()),
        state: Some("ok".to_owned()),
        power: Some(if matches!(server.show, Show::Off) { Power::Off } else { Power::On }),
        os: None,
    }
}

// IVTP as a BMC sends it (AMI MegaRAC: IVTP header and commands).
const BLANK_SCREEN: u16 = 9;
const VALIDATED_VIDEO_SESSION: u16 = 19;
const MAX_SESSION_CLOSE: u16 = 22;
const CONNECTION_ALLOWED: u16 = 23;
const VIDEO_PACKETS: u16 = 25;
const POWER_STATUS: u16 = 34;
/// Status of a greeting: an Aspeed chip.
const SOC_ASPEED: u16 = 2;
/// What a BMC puts into one video packet.
const FRAGMENT: usize = 30_000;
const LAST_FRAGMENT: u16 = 1 << 15;

fn record(show: &Show) -> Recording {
    let greeting = match show {
        Show::Sick => packet(MAX_SESSION_CLOSE, 0, &[]),
        Show::Screens(_) | Show::Off => packet(CONNECTION_ALLOWED, SOC_ASPEED, &[]),
    };
    let looks = match show {
        Show::Screens(screens) => screens.iter().map(video).collect(),
        Show::Off => vec![packet(BLANK_SCREEN, 0, &[])],
        Show::Sick => Vec::new(),
    };
    let is_on = !matches!(show, Show::Off);
    Recording {
        greeting,
        validated: packet(VALIDATED_VIDEO_SESSION, 0, &[1, 0]),
        power: packet(POWER_STATUS, is_on.into(), &[]),
        looks,
    }
}

fn video((header, stream): &Recorded) -> Vec<u8> {
    let frame = [*header, *stream].concat();
    let last = frame.len().div_ceil(FRAGMENT) - 1;
    let fragments = frame.chunks(FRAGMENT).enumerate().map(|(number, data)| {
        let flag = if number == last { LAST_FRAGMENT } else { 0 };
        let number = (number as u16 | flag).to_le_bytes();
        packet(VIDEO_PACKETS, 0, &[&number[..], data].concat())
    });
    fragments.flatten().collect()
}

fn packet(command: u16, status: u16, payload: &[u8]) -> Vec<u8> {
    let length = payload.len() as u32;
    [&command.to_le_bytes()[..], &length.to_le_bytes(), &status.to_le_bytes(), payload].concat()
}
