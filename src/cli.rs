//! The command line: what a person, a service manager or an MCP client starts.
//!
//! Results go to stdout, everything else to stderr. Exit status 0 done, 1 failed, 2 wrong usage.

mod args;
mod completion;
mod font;
mod help;
mod signals;
mod unit;

use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use args::{Command, Invocation, Source};
use signals::{exit_on_signals, on_signals};

use crate::base::{Error, Kind, Server, Url, Watch, access, log, random};
use crate::config::ovh::Application;
use crate::config::{Config, console};
use crate::mcp::{self, Mcp};
use crate::net::Trust;
use crate::net::tls::{self, Presented};
use crate::ops::check::Step;
use crate::ops::{Listing, Ops, ReadOptions, ScreenText, ScreenshotOptions, Settings, StatusOptions, WaitOptions};
use crate::provider::Provider;
use crate::provider::demo::Demo;
use crate::provider::hosts::{self, Hosts};
use crate::provider::ovh::{self, Ovh};
use crate::serve;
use crate::serve::audit::Audit;
use crate::text::{self, Library, RenderOptions};

/// How long `list` may take.
const LIST_LIMIT: Duration = Duration::from_secs(120);
/// How long a command at a console may take: an opening (5 min), and the longest wait (10 min) or a look.
const CONSOLE_LIMIT: Duration = Duration::from_secs(930);
/// How long `check` may take: a provider's task (2 min), then the stages of a slow BMC.
const CHECK_LIMIT: Duration = Duration::from_secs(300);
/// How long `pin` may take.
const PIN_LIMIT: Duration = Duration::from_secs(30);
/// How long `login` may take.
const LOGIN_LIMIT: Duration = Duration::from_secs(30);

/// Runs the program with the arguments behind its name.
pub fn run(args: Vec<OsString>) -> ExitCode {
    match args::parse(args).and_then(|invocation| perform(&invocation)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == Kind::Usage => {
            log::error(format_args!("{error} (ikvm-mcp --help)"));
            ExitCode::from(2)
        }
        Err(error) => {
            log::error(error);
            ExitCode::FAILURE
        }
    }
}

fn perform(invocation: &Invocation) -> Result<(), Error> {
    match &invocation.command {
        Command::Help { command } => {
            let asked = command.as_deref().and_then(help::of);
            print(asked.as_deref().unwrap_or(help::HELP).as_bytes())
        }
        Command::Version => print(concat!("ikvm-mcp ", env!("CARGO_PKG_VERSION"), "\n").as_bytes()),
        Command::Login => login(),
        Command::Token => print((random::hex::<32>()? + "\n").as_bytes()),
        Command::Unit => {
            let program = std::env::current_exe().map_err(|error| Error::new(Kind::Internal, error.to_string()))?;
            print(unit::unit(&program.display().to_string()).as_bytes())
        }
        Command::Completion(shell) => print(completion::script(*shell).as_bytes()),
        Command::Serve => {
            let (config, _, mcp) = service(invocation)?;
            let server = serve::http::Server::bind(&config.serving?)?;
            let stop = server.stop();
            on_signals(move || stop.stop());
            server.run(mcp)
        }
        Command::Stdio => {
            let (_, ops, mcp) = service(invocation)?;
            exit_on_signals(&ops, 0);
            serve::stdio::serve(mcp, io::stdin(), io::stdout())
        }
        Command::List { json } => {
            let ops = operations(&configuration(invocation)?, invocation.demo);
            let listing = watched("listing the servers", LIST_LIMIT, |watch| ops.list_servers(watch))?;
            let Listing { servers, failed } = listing;
            print(if *json { mcp::servers_json(&servers) + "\n" } else { table(&servers) }.as_bytes())?;
            // A list that is not whole is a failure to a script.
            let failed = failed.into_iter().map(|(provider, error)| Err(error.doing(format!("servers of {provider}"))));
            failed.collect()
        }
        Command::Screenshot { server, output, raw, region } => {
            let options = ScreenshotOptions { raw: *raw, region: *region, ..ScreenshotOptions::default() };
            let (shot, id) =
                at_console(invocation, server, |ops, server, watch| ops.screenshot(server, &options, watch))?;
            for line in shot.facts.lines() {
                log::line(line);
            }
            shot.png.map_or(Ok(()), |png| save(&png, &id, output.as_deref()))
        }
        Command::Check { server } => {
            let (ops, server) = match server {
                Some(server) => aimed_at(invocation, server).map(|(ops, id)| (ops, Some(id)))?,
                None => (operations(&configuration(invocation)?, invocation.demo), None),
            };
            let watch = Watch::new("checking", CHECK_LIMIT);
            let cancelled = watch.clone();
            on_signals(move || cancelled.cancel());
            // Where stdout is closed, the walk goes on: it must come back.
            let tell = Box::new(|step| _ = print(line(&step).as_bytes()));
            match server {
                Some(server) => ops.check(&server, tell, &watch),
                None => ops.check_all(tell, &watch),
            }
        }
        Command::Pin { host } => pin(host),
        Command::LearnFont(asked) => font::learn(asked),
        Command::Text { of, json, attributes, frames } => {
            let (attributes, frames) = (*attributes, *frames);
            let read = match of {
                Source::Image(image) => {
                    text_of(image, &RenderOptions { attributes, frames, ..RenderOptions::default() })?
                }
                Source::Server(server) => {
                    let options = ReadOptions { attributes, frames, ..ReadOptions::default() };
                    at_console(invocation, server, |ops, server, watch| ops.read(server, &options, watch))?.0
                }
            };
            match read.json.filter(|_| *json) {
                Some(value) => print(format!("{value}\n").as_bytes()),
                None => print(read.text.as_bytes()),
            }
        }
        Command::Wait { server, until, timeout } => {
            let options = WaitOptions { until: until.clone(), timeout: *timeout, patience: None };
            let (waited, _) = at_console(invocation, server, |ops, server, watch| ops.wait(server, &options, watch))?;
            print(waited.text.as_bytes())?;
            if waited.is_met {
                Ok(())
            } else {
                Err(Error::new(Kind::Timeout("waiting"), "what was waited for did not come"))
            }
        }
        Command::Status { server } => {
            let options = StatusOptions::default();
            let (facts, _) = at_console(invocation, server, |ops, server, watch| ops.status(server, &options, watch))?;
            print((facts + "\n").as_bytes())
        }
    }
}

/// The text of a picture. One without text is an answer too, which says why.
fn text_of(image: &Path, options: &RenderOptions) -> Result<ScreenText, Error> {
    let frame = font::picture(image)?;
    let added = font::library();
    let library = added.as_ref().unwrap_or_else(|| Library::shipped());
    let reading = text::read(&frame, library, None);
    Ok(ScreenText { text: reading.render(options), json: Some(reading.json(options)) })
}

/// What serves MCP, for a client and for an operator who reads the log, and what it works on.
fn service(invocation: &Invocation) -> Result<(Config, Arc<Ops>, Mcp), Error> {
    let config = configuration(invocation)?;
    log::add_times();
    let ops = operations(&config, invocation.demo);
    warn(&config, &ops, invocation.demo);
    let mcp = Mcp::new(Arc::clone(&ops));
    let mcp = match &config.audit {
        Some(log) => {
            let audit = Audit::open(log)?;
            mcp.with_account(Box::new(move |record| audit.write(record)))
        }
        None => mcp,
    };
    Ok((config, ops, mcp))
}

/// What works on one server, and what that is called there. `server` is an id, or the URL of a console, beside which
/// there is no other.
fn aimed_at(invocation: &Invocation, server: &str) -> Result<(Arc<Ops>, String), Error> {
    let mut config = configuration(invocation)?;
    let mut id = server.to_owned();
    let mut demo = invocation.demo;
    if let Some(host) = console::named(server)? {
        id.clone_from(&host.server.id);
        (config.hosts, config.ovh, demo) = (Ok(Some(vec![host])), Ok(None), false);
    }
    Ok((operations(&config, demo), id))
}

/// Does what opens a console, and closes it whatever comes of it; with the result comes what the server is called.
fn at_console<T>(
    invocation: &Invocation,
    server: &str,
    work: impl FnOnce(&Arc<Ops>, &str, &Watch) -> Result<T, Error>,
) -> Result<(T, String), Error> {
    let (ops, id) = aimed_at(invocation, server)?;
    exit_on_signals(&ops, 1);
    let result = watched("opening the console", CONSOLE_LIMIT, |watch| {
        catch_unwind(AssertUnwindSafe(|| work(&ops, &id, watch)))
            .unwrap_or_else(|_| Err(Error::new(Kind::Internal, "it panicked").hint("report this as a bug")))
    });
    ops.close();
    result.map(|result| (result, id))
}

/// The settings of this process.
fn configuration(invocation: &Invocation) -> Result<Config, Error> {
    Config::from_environment(invocation.hosts.as_deref())
}

/// The operations on the servers that are configured, or on the demo servers.
fn operations(config: &Config, demo: bool) -> Arc<Ops> {
    log::set_level(config.log);
    for note in &config.notes {
        log::warn(note);
    }
    let settings = Settings {
        max_edge: config.max_edge,
        idle: config.idle,
        max_consoles: config.max_consoles,
        trust: Trust::system(),
    };
    if demo {
        return Arc::new(Ops::new(vec![Box::new(Demo)], settings).with_fonts(font::library()));
    }
    let mut providers: Vec<Box<dyn Provider>> = Vec::new();
    let mut unusable = Vec::new();
    // What answers at once is asked first.
    match &config.hosts {
        Ok(Some(list)) => providers.push(Box::new(Hosts::new(list.clone()))),
        Ok(None) => {}
        Err(error) => unusable.push((hosts::NAME, error.clone())),
    }
    match &config.ovh {
        Ok(Some(ovh)) => providers.push(Box::new(Ovh::new(ovh.clone(), settings.trust.clone()))),
        Ok(None) => {}
        Err(error) => {
            let hint = "set what is missing, or start with --demo to try it without credentials";
            unusable.push((ovh::NAME, error.clone().hint(hint)));
        }
    }
    Arc::new(Ops::with_unusable(providers, unusable, settings).with_fonts(font::library()))
}

/// A server that cannot do everything starts all the same: its operator hears what it cannot do yet, and why.
fn warn(config: &Config, ops: &Ops, demo: bool) {
    let hosts = config.hosts.iter().flatten().flatten().filter(|_| !demo);
    for error in ops.unusable().iter().chain(hosts.filter_map(|host| host.access.as_ref().err())) {
        log::warn(error);
    }
}

/// Does `work` under a watch, telling a person at a terminal what it is at.
fn watched<T>(stage: &'static str, limit: Duration, work: impl FnOnce(&Watch) -> Result<T, Error>) -> Result<T, Error> {
    let watch = Watch::new(stage, limit);
    if !io::stderr().is_terminal() {
        return work(&watch);
    }
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let teller = scope.spawn(|| {
            let mut told = "";
            while !done.load(Ordering::SeqCst) {
                thread::park_timeout(Duration::from_millis(300));
                let stage = watch.stage();
                if stage != told && !done.load(Ordering::SeqCst) {
                    log::line(format_args!("{stage} ({:.0} s)", watch.elapsed().as_secs_f64()));
                    told = stage;
                }
            }
        });
        let result = work(&watch);
        done.store(true, Ordering::SeqCst);
        teller.thread().unpark();
        result
    })
}

/// Writes to stdout; a reader that went away is no error.
fn print(bytes: &[u8]) -> Result<(), Error> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::new(Kind::Internal, format!("cannot write to stdout: {error}")))
        }
        _ => Ok(()),
    }
}

/// The servers in columns as wide as they need.
fn table(servers: &[Server]) -> String {
    let or_dash = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
    let head = ["ID", "DATACENTER", "IP", "STATE", "POWER", "NAME"].map(str::to_owned);
    let rows: Vec<[String; 6]> = servers
        .iter()
        .map(|server| {
            let power = server.power.map_or("-", |power| power.name()).to_owned();
            let (datacenter, ip, state) = (or_dash(&server.datacenter), or_dash(&server.ip), or_dash(&server.state));
            [server.id.clone(), datacenter, ip, state, power, server.name.clone()]
        })
        .collect();
    let mut text = String::new();
    for row in std::iter::once(&head).chain(&rows) {
        for (column, cell) in row.iter().enumerate() {
            if column + 1 == row.len() {
                text.push_str(cell);
            } else {
                let width = std::iter::once(&head).chain(&rows).map(|row| row[column].chars().count()).max();
                // Writing to a String cannot fail.
                let _ = write!(text, "{cell:<0$}  ", width.unwrap_or(0));
            }
        }
        text.push('\n');
    }
    text
}

/// Saves a picture, by default beside us under the server's name, and says on stdout where.
fn save(png: &[u8], server: &str, output: Option<&Path>) -> Result<(), Error> {
    let file = match output {
        Some(file) if file == Path::new("-") => return print(png),
        Some(file) => file.to_path_buf(),
        None => {
            let is_plain = |c: char| c.is_alphanumeric() || ".-_".contains(c);
            PathBuf::from(server.replace(|c| !is_plain(c), "_") + ".png")
        }
    };
    std::fs::write(&file, png).map_err(|error| {
        Error::new(Kind::Internal, format!("cannot write {}: {error}", file.display()))
            .hint("name another file with -o, or - for stdout")
    })?;
    print(format!("{}\n", file.display()).as_bytes())
}

/// A step of a check as a line.
fn line(Step { name, took, outcome }: &Step) -> String {
    let (word, found) = match outcome {
        Ok(found) => ("ok", found.clone()),
        Err(error) => ("FAILED", error.to_string()),
    };
    let colon = if found.is_empty() { "" } else { ": " };
    format!("{word:<6} {:>6.2} s  {name}{colon}{found}\n", took.as_secs_f64())
}

/// Prints the line that pins the certificate which a host shows now, and beside it what to compare before using it.
fn pin(host: &str) -> Result<(), Error> {
    let url = if host.contains("://") { host.to_owned() } else { format!("https://{host}") };
    let url = Url::parse(&url)?;
    let port = url.explicit_port.unwrap_or(443);
    let Presented { certificate, fault } =
        watched("reading the certificate", PIN_LIMIT, |watch| tls::presented(&url.host, port, watch))?;
    log::line(&match fault {
        None => format!("the {certificate}; it is believed without a pin"),
        Some(fault) => format!("the {certificate}; it {fault}, so compare it with what the machine's own page shows"),
    });
    print((access::pin::line(&certificate.sha256) + "\n").as_bytes())
}

/// Asks for a consumer key, and says what to do with it.
fn login() -> Result<(), Error> {
    let Application { endpoint, key } = Application::from_environment()?;
    let granted = watched("asking OVHcloud for a consumer key", LOGIN_LIMIT, |watch| {
        ovh::request_consumer_key(&endpoint, &key, Trust::system(), watch)
    })?;
    let text = format!(
        "Open this address, sign in, and choose for how long the key shall be valid:\n\n  {}\n\n\
         Then put these lines into the environment, beside OVH_APPLICATION_SECRET:\n\n\
         export OVH_ENDPOINT={}\nexport OVH_APPLICATION_KEY={}\nexport OVH_CONSUMER_KEY={}\n",
        granted.validation_url.reveal(),
        endpoint.name(),
        key.reveal(),
        granted.key.reveal(),
    );
    print(text.as_bytes())
}
