//! The real program against the fakes on loopback, as an HTTP client sees it: start, first look, later looks, many
//! clients, and the memory that it takes.

use std::sync::LazyLock;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::bmc::Setup;
use crate::support::client::Client;
use crate::support::program::{Program, call, look};
use crate::support::rfb_encode::console;
use crate::support::world::World;

/// The program of this build, or that which IKVM_MCP names, such as the static one.
static PROGRAM: LazyLock<String> =
    LazyLock::new(|| std::env::var("IKVM_MCP").unwrap_or_else(|_| env!("CARGO_BIN_EXE_ikvm-mcp").to_owned()));
const LOOKS: usize = 300;
const PINGS: usize = 2_000;
/// The load of an agent in a hurry, and for how long.
const RATE: Duration = Duration::from_millis(50);
const LOAD: Duration = Duration::from_secs(60);
const SERVERS: usize = 16;
const CLIENTS: usize = 64;
const ROUNDS: usize = 4;

pub fn run() {
    start();
    guard();
    one_console();
    large_console();
    many();
}

fn start() {
    let times: Vec<Duration> = (0..9)
        .map(|_| {
            let begin = Instant::now();
            let program = Program::serve(&PROGRAM, &["--demo"], Vec::new());
            call(&mut program.client(), "list_servers", json!({}));
            begin.elapsed()
        })
        .collect();
    report("start to the first answer", times);
    let program = Program::serve(&PROGRAM, &["--demo"], Vec::new());
    let mut client = program.client();
    call(&mut client, "list_servers", json!({}));
    println!("{:60} {:8.1} MB idle", "memory, demo", mebibytes(program.status("VmRSS")));
    for server in ["demo-boot", "demo-grub", "demo-panic", "demo-off", "demo-sick"] {
        call(&mut client, "get_screenshot", json!({ "serverId": server }));
    }
    println!("{:60} {:8.1} MB peak", "memory, after a look at each demo server", mebibytes(program.status("VmHWM")));
}

/// What the guard costs: the same question to the program and to tiny_http alone, in turns.
fn guard() {
    const PING: &str = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let bare = tiny_http::Server::http("127.0.0.1:0").expect("loopback has a port left");
    let port = bare.server_addr().to_ip().expect("it listens on TCP").port();
    let answering = thread::spawn(move || {
        for request in bare.incoming_requests().take(PINGS) {
            thread::spawn(move || {
                let answer = tiny_http::Response::from_string(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#);
                request.respond(answer).expect("the client waits for it");
            });
        }
    });
    let program = Program::serve(&PROGRAM, &["--demo"], Vec::new());
    let [mut direct, mut guarded] = [Client::connect(port), program.client()];
    let ping = |client: &mut Client| timed(|| assert_eq!(client.ask(PING, "").status, 200));
    let (direct, guarded): (Vec<_>, Vec<_>) = (0..PINGS).map(|_| (ping(&mut direct), ping(&mut guarded))).unzip();
    report("ping, tiny_http alone", direct);
    report("ping, through the guard", guarded);
    answering.join().expect("tiny_http answers");
}

fn one_console() {
    // The fakes take no time of their own.
    let setup = Setup { web_time: Duration::ZERO, ..Setup::ovh() };
    let world = World::start(1, &setup, |number| console(1024, 768, number as u64));
    let program = Program::serve(&PROGRAM, &[], world.environment());
    let mut client = program.client();
    let server = World::name(0);
    call(&mut client, "list_servers", json!({}));
    let mut first = || {
        call(&mut client, "release_console", json!({ "serverId": server }));
        timed(|| assert!(look(&mut client, &server).1))
    };
    report("cold look, 1024x768 text console", (0..9).map(|_| first()).collect());
    let mut again = || timed(|| assert!(look(&mut client, &server).1));
    report("warm look, screen unchanged", (0..LOOKS).map(|_| again()).collect());
    let mut changed = |number: usize| {
        world.bmcs[0].show(&console(1024, 768, number as u64 + 2));
        timed(|| assert!(look(&mut client, &server).1))
    };
    report("warm look, another screen each time", (0..LOOKS / 3).map(&mut changed).collect());
    let status = || timed(|| drop(call(&mut client, "console_status", json!({ "serverId": server }))));
    report("console_status, warm", std::iter::repeat_with(status).take(LOOKS).collect());

    let (begin, mut times, mut early) = (Instant::now(), Vec::new(), 0);
    while begin.elapsed() < LOAD {
        let next = begin + RATE * times.len() as u32;
        thread::sleep(next.saturating_duration_since(Instant::now()));
        times.push(timed(|| assert!(look(&mut client, &server).1)));
        if early == 0 && begin.elapsed() > LOAD / 6 {
            early = program.status("VmRSS");
        }
    }
    let (calls, late) = (times.len(), program.status("VmRSS"));
    report(&format!("warm look, {calls} at 20 a second"), times);
    println!("{:60} {:8.1} MB, at the end {:.1} MB", "memory after a sixth of that", mebibytes(early), mebibytes(late));
}

/// The memory of the largest screen that boards drive.
fn large_console() {
    let world = World::start(1, &Setup::ovh(), |number| console(1920, 1200, number as u64));
    let program = Program::serve(&PROGRAM, &[], world.environment());
    let mut client = program.client();
    for number in 1..=10 {
        assert!(look(&mut client, &World::name(0)).1);
        call(&mut client, "read_console", json!({ "serverId": World::name(0) }));
        world.bmcs[0].show(&console(1920, 1200, number));
    }
    let [warm, peak] = ["VmRSS", "VmHWM"].map(|name| mebibytes(program.status(name)));
    println!("{:60} {warm:8.1} MB, {peak:.1} MB peak", "memory, one warm console of 1920x1200");
}

fn many() {
    let world = World::start(SERVERS, &Setup::ovh(), |number| console(1920, 1080, number as u64));
    let program = Program::serve(&PROGRAM, &[], world.environment());
    call(&mut program.client(), "list_servers", json!({}));
    let begin = Instant::now();
    let times: Vec<Duration> = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let mut client = program.client();
                let look = move || {
                    let server = World::name(number % SERVERS);
                    (0..ROUNDS).map(|_| timed(|| assert!(look(&mut client, &server).1))).collect::<Vec<_>>()
                };
                scope.spawn(look)
            })
            .collect();
        clients.into_iter().flat_map(|client| client.join().expect("every call is answered")).collect()
    });
    let rate = times.len() as f64 / begin.elapsed().as_secs_f64();
    println!("{CLIENTS} clients on {SERVERS} servers with 1920x1080: {} calls, {rate:.0} a second", times.len());
    report("  the first look among them", times.iter().step_by(ROUNDS).copied().collect());
    report("  all looks", times);
    println!("{:60} {:8.1} MB peak", "  memory", mebibytes(program.status("VmHWM")));
    println!("{:60} {:8} threads, {} sockets", "  held while open", program.status("Threads"), program.sockets());
    let counts: Vec<_> = world.bmcs.iter().map(|bmc| bmc.counts()).collect();
    assert!(program.interrupt());
    world.bmcs.iter().for_each(|bmc| bmc.assert_all_closed());
    let opened: u32 = counts.iter().map(|counts| counts.kvm_opens).sum();
    println!("{:60} {opened:8} opened, all closed and logged out", "  consoles");
}

fn timed(work: impl FnOnce()) -> Duration {
    let begin = Instant::now();
    work();
    begin.elapsed()
}

fn report(name: &str, mut times: Vec<Duration>) {
    times.sort();
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    let (median, worst) = (times[times.len() / 2], times[times.len() - 1]);
    println!("{name:60} {:8.2} ms best {:8.2} ms median {:8.2} ms worst", ms(times[0]), ms(median), ms(worst));
}

fn mebibytes(kib: usize) -> f64 {
    kib as f64 / 1024.0
}
