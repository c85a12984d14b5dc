//! The tests' fakes as a process: OVH's API and BMCs, to try the real program with by hand.
//!
//! ```text
//! cargo run --example fakes -- --servers 3 --change 5 > target/fakes.env &
//! source target/fakes.env && ikvm-mcp
//! ```
//!
//! Prints the environment that leads `ikvm-mcp` here, then, on stderr, what each BMC counts whenever that changes.

#[allow(dead_code, unused_imports)]
#[path = "../it/support/mod.rs"]
mod support;

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use ikvm_mcp::base::Frame;
use support::bmc::{Bmc, Setup, USER};
use support::read_png;
use support::rfb_encode::console;
use support::web::ca_file;
use support::world::World;

const USAGE: &str = "\
Usage: fakes [OPTION ...] [FILE.png ...]

  --servers N            ns1.example to nsN.example (1)
  --size WIDTHxHEIGHT    of the text consoles that are shown where no file is named (1024x768)
  --change SECONDS       shows the next file or text console so often; 0 never (0)
  --hosts FILE           also writes a hosts.toml that names the BMCs by their login
  --slow SECONDS         how long OVH takes to give access to a console (0)
";

/// How often the counts and the screens are looked at.
const TICK: Duration = Duration::from_millis(100);

struct Options {
    servers: usize,
    size: (usize, usize),
    change: Option<Duration>,
    slow: Duration,
    hosts: Option<PathBuf>,
    screens: Vec<Frame>,
}

fn main() {
    let Some(options) = parse(std::env::args().skip(1)) else {
        eprint!("{USAGE}");
        std::process::exit(2);
    };
    let world = World::start(options.servers, &Setup::ovh(), |number| screen(&options, number));
    world.ovh.state().task_time = options.slow;
    for (name, value) in world.environment() {
        println!("export {name}={value}");
    }
    if let Some(file) = &options.hosts {
        let mut open = OpenOptions::new();
        let mut file = open.write(true).create(true).truncate(true).mode(0o600).open(file).unwrap();
        file.write_all(hosts(&world).as_bytes()).unwrap();
    }

    let (mut changed, mut shown) = (Instant::now(), 0);
    let mut told = vec![String::new(); world.bmcs.len()];
    let mut complained = vec![0; world.bmcs.len()];
    loop {
        thread::sleep(TICK);
        if options.change.is_some_and(|pause| changed.elapsed() >= pause) {
            (changed, shown) = (Instant::now(), shown + 1);
            world.bmcs.iter().enumerate().for_each(|(number, bmc)| bmc.show(&screen(&options, number + shown)));
        }
        for (number, bmc) in world.bmcs.iter().enumerate() {
            let counts = bmc.counts();
            let line = format!(
                "{}: {} sessions, {} logged out; {} consoles opened, {} closed",
                World::name(number),
                counts.sessions,
                counts.logouts,
                counts.kvm_opens,
                counts.kvm_ends
            );
            if line != told[number] {
                eprintln!("{line}");
                told[number] = line;
            }
            let complaints = bmc.complaints();
            for complaint in &complaints[complained[number]..] {
                eprintln!("{}, against the protocol: {complaint}", World::name(number));
            }
            complained[number] = complaints.len();
        }
    }
}

/// A hosts.toml that names the BMCs by their login.
fn hosts(world: &World) -> String {
    let ca_file = ca_file().display().to_string();
    let entry = |(number, bmc): (usize, &Arc<Bmc>)| {
        format!(
            "[[server]]\nid = \"{}\"\nconsole = \"{}\"\nkind = \"ami\"\nuser = \"{}\"\npassword = \"{}\"\n\
             ca_file = \"{ca_file}\"\n",
            World::name(number),
            bmc.url(),
            USER.0,
            USER.1
        )
    };
    world.bmcs.iter().enumerate().map(entry).collect()
}

fn parse(mut args: impl Iterator<Item = String>) -> Option<Options> {
    let mut options =
        Options { servers: 1, size: (1024, 768), change: None, slow: Duration::ZERO, hosts: None, screens: Vec::new() };
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--servers" => options.servers = args.next()?.parse().ok()?,
            "--size" => {
                let size = args.next()?;
                let (width, height) = size.split_once('x')?;
                options.size = (width.parse().ok()?, height.parse().ok()?);
            }
            "--change" => options.change = seconds(&args.next()?)?,
            "--hosts" => options.hosts = Some(args.next()?.into()),
            "--slow" => options.slow = seconds(&args.next()?)?.unwrap_or_default(),
            file if !file.starts_with('-') => options.screens.push(read_png(Path::new(file))),
            _ => return None,
        }
    }
    Some(options)
}

/// A time; `None` for 0.
fn seconds(text: &str) -> Option<Option<Duration>> {
    let duration = Duration::try_from_secs_f64(text.parse().ok()?).ok()?;
    Some(Some(duration).filter(|duration| !duration.is_zero()))
}

/// The screen of that number: of the files, or a text console like no other.
fn screen(options: &Options, number: usize) -> Frame {
    match options.screens.as_slice() {
        [] => console(options.size.0, options.size.1, number as u64 + 1),
        screens => screens[number % screens.len()].clone(),
    }
}
