//! The command line, parsed: which command, with what options. Pure.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use super::completion::Shell;
use super::font::Learn;
use super::help;
use crate::base::{Error, Kind, Power};
use crate::ops::{MAX_WAIT, Region, Until};
use crate::text::learn::CELL_RANGE;

/// How long `wait` waits where nobody says.
const USUAL_WAIT: Duration = Duration::from_secs(120);

/// A command with its options.
#[derive(Debug, PartialEq)]
pub struct Invocation {
    /// What to do.
    pub command: Command,
    /// Demo servers instead of one's own.
    pub demo: bool,
    /// The file of one's own servers, where the arguments name one.
    pub hosts: Option<PathBuf>,
}

impl Invocation {
    /// A command without options.
    fn of(command: Command) -> Self {
        Self { command, demo: false, hosts: None }
    }
}

/// What to do.
#[derive(Debug, PartialEq)]
pub enum Command {
    /// Serve MCP over HTTP.
    Serve,
    /// Serve MCP on stdin and stdout.
    Stdio,
    /// List the servers.
    List {
        /// As JSON.
        json: bool,
    },
    /// Save a picture of a console.
    Screenshot {
        /// The server's id.
        server: String,
        /// Where to; `-` is stdout, `None` a file named after the server.
        output: Option<PathBuf>,
        /// The console's own pixels.
        raw: bool,
        /// A part of the screen.
        region: Option<Region>,
    },
    /// Print the text on a console.
    Text {
        /// Where it stands.
        of: Source,
        /// As JSON.
        json: bool,
        /// With the colors of what stands out.
        attributes: bool,
        /// The layout as it is.
        frames: bool,
    },
    /// Wait until a console shows something.
    Wait {
        /// The server's id.
        server: String,
        /// For what.
        until: Until,
        /// For how long.
        timeout: Duration,
    },
    /// Tell what is known of a console without a picture.
    Status {
        /// The server's id.
        server: String,
    },
    /// Walk the way to a console.
    Check {
        /// The server's id; `None` checks the settings and what they lead to.
        server: Option<String>,
    },
    /// Print the pin of a certificate.
    Pin {
        /// A name or an address, with a port or without; or a URL.
        host: String,
    },
    /// Make a font of pictures and their texts.
    LearnFont(Learn),
    /// Ask OVHcloud for a consumer key.
    Login,
    /// Make a token.
    Token,
    /// Print a systemd unit.
    Unit,
    /// Print what completes commands in a shell.
    Completion(Shell),
    /// Print the help.
    Help {
        /// That of one command alone.
        command: Option<String>,
    },
    /// Print the version.
    Version,
}

/// Where text stands.
#[derive(Debug, PartialEq)]
pub enum Source {
    /// On the console of the server with this id.
    Server(String),
    /// On the picture in this PNG file.
    Image(PathBuf),
}

/// Options that stand alone.
pub const FLAGS: &[&str] = &["--demo", "--json", "--raw", "--attributes", "--frames", "--changed"];
/// Options with a value behind them.
pub const VALUES: &[&str] = &[
    "--hosts",
    "--output",
    "--region",
    "--image",
    "--cell",
    "--text",
    "--regex",
    "--gone",
    "--still",
    "--power",
    "--timeout",
];

/// Parses the arguments behind the program's name.
pub fn parse(args: Vec<OsString>) -> Result<Invocation, Error> {
    let (mut words, mut options) = (Vec::new(), Options::default());
    let mut args = args.into_iter();
    let mut only_words = false;
    while let Some(arg) = args.next() {
        let text = arg.to_str().ok_or_else(|| usage(format!("{} is not UTF-8", arg.to_string_lossy())))?;
        match text {
            "" => return Err(usage("an argument is empty").hint("check the variables that it is made of")),
            _ if only_words || !text.starts_with('-') => words.push(text.to_owned()),
            "-h" | "--help" => return Ok(Invocation::of(help(words.first())?)),
            "-V" | "--version" => return Ok(Invocation::of(Command::Version)),
            "--" => only_words = true,
            _ => options.push(text, &mut args)?,
        }
    }
    let (demo, hosts) = (options.flag("--demo"), options.value("--hosts").map(PathBuf::from));
    let (command, operands) = words.split_first().map_or(("serve", &[][..]), |(first, rest)| (first.as_str(), rest));
    let command = match (command, operands) {
        ("serve", []) => Command::Serve,
        ("stdio", []) => Command::Stdio,
        ("list", []) => Command::List { json: options.flag("--json") },
        ("check", []) => Command::Check { server: None },
        ("check", [server]) => Command::Check { server: Some(server.clone()) },
        ("pin", [host]) => Command::Pin { host: host.clone() },
        ("pin", []) => return Err(usage("pin needs a host").hint("write `ikvm-mcp pin bmc7.example`")),
        ("login", []) => Command::Login,
        ("token", []) => Command::Token,
        ("unit", []) => Command::Unit,
        ("completion", [shell]) => Command::Completion(
            Shell::named(shell)
                .ok_or_else(|| usage(format!("completion for {shell} is not known")).hint("name bash, zsh or fish"))?,
        ),
        ("completion", []) => return Err(usage("completion needs a shell").hint("name bash, zsh or fish")),
        ("help", [] | [_]) => help(operands.first())?,
        ("screenshot", [server]) => Command::Screenshot {
            server: server.clone(),
            output: options.value("--output").map(PathBuf::from),
            raw: options.flag("--raw"),
            region: options.text("--region")?.map(|place| place_of(&place)).transpose()?,
        },
        ("text", [] | [_]) => Command::Text {
            of: match (operands, options.value("--image")) {
                ([server], None) => Source::Server(server.clone()),
                ([], Some(image)) => Source::Image(PathBuf::from(image)),
                _ => return Err(usage("text needs a server, or a PNG file with --image")),
            },
            json: options.flag("--json"),
            attributes: options.flag("--attributes"),
            frames: options.flag("--frames"),
        },
        ("wait", [server]) => Command::Wait {
            server: server.clone(),
            until: options.until()?,
            timeout: options.seconds("--timeout")?.unwrap_or(USUAL_WAIT),
        },
        ("status", [server]) => Command::Status { server: server.clone() },
        ("font", [what]) if what == "learn" => {
            let (images, texts) = (options.files("--image"), options.files("--text"));
            if images.is_empty() || images.len() != texts.len() {
                return Err(usage("font learn needs pictures and as many texts").hint("give --image FILE --text FILE"));
            }
            let output = options.value("--output").map(PathBuf::from).ok_or_else(|| {
                usage("font learn needs a file for the font").hint("name it with -o, such as aptio.psf")
            })?;
            Command::LearnFont(Learn {
                images,
                texts,
                output,
                cell: options.text("--cell")?.map(|size| cell_of(&size)).transpose()?,
            })
        }
        ("font", _) => return Err(usage("font knows only `ikvm-mcp font learn`")),
        ("screenshot" | "wait" | "status", []) => {
            return Err(usage(format!("{command} needs a server")).hint("`ikvm-mcp list` shows them"));
        }
        (known, [.., last]) if help::of(known).is_some() => {
            return Err(usage(format!("{last} is one word too many for {known}")));
        }
        _ => return Err(no_command(command)),
    };
    match options.0.first() {
        Some((left, _)) => Err(usage(format!("{left} does not go with this command"))),
        None => Ok(Invocation { command, demo, hosts }),
    }
}

/// The options that were given; a command takes those that it knows.
#[derive(Default)]
struct Options(Vec<(&'static str, OsString)>);

impl Options {
    /// Adds an option as it was written, with its value from `args` where it has one.
    fn push(&mut self, written: &str, args: &mut impl Iterator<Item = OsString>) -> Result<(), Error> {
        let (name, value) = match written.split_once('=') {
            Some((name, value)) => (name, Some(OsString::from(value))),
            None if written == "-o" => ("--output", None),
            None => (written, None),
        };
        let known = |names: &[&'static str]| names.iter().copied().find(|known| *known == name);
        match (known(FLAGS), known(VALUES), value) {
            (Some(flag), _, None) => self.0.push((flag, OsString::new())),
            (_, Some(name), value) => {
                // An empty one is some script's variable that is not set: waiting for no text would end at once.
                let value = value.or_else(|| args.next()).filter(|value| !value.is_empty());
                self.0.push((name, value.ok_or_else(|| usage(format!("{written} needs a value")))?));
            }
            _ => return Err(usage(format!("there is no option {written}"))),
        }
        Ok(())
    }

    /// Takes a flag: whether it was there.
    fn flag(&mut self, name: &str) -> bool {
        self.value(name).is_some()
    }

    /// Takes a value; the last one counts.
    fn value(&mut self, name: &str) -> Option<OsString> {
        let last = self.0.iter().rev().find(|(given, _)| *given == name).map(|(_, value)| value.clone());
        self.0.retain(|(given, _)| *given != name);
        last
    }

    /// Takes all files of that name, in order.
    fn files(&mut self, name: &str) -> Vec<PathBuf> {
        let given = self.0.iter().filter(|(given, _)| *given == name);
        let files = given.map(|(_, file)| PathBuf::from(file)).collect();
        self.0.retain(|(given, _)| *given != name);
        files
    }

    fn text(&mut self, name: &str) -> Result<Option<String>, Error> {
        let text = |value: OsString| {
            value.into_string().map_err(|value| usage(format!("{} is not UTF-8", value.to_string_lossy())))
        };
        self.value(name).map(text).transpose()
    }

    fn seconds(&mut self, name: &str) -> Result<Option<Duration>, Error> {
        let most = MAX_WAIT.as_secs();
        let seconds = |text: String| match text.parse() {
            Ok(seconds) if (1..=most).contains(&seconds) => Ok(Duration::from_secs(seconds)),
            _ => Err(usage(format!("{name} {text} is no time")).hint(format!("write whole seconds, 1 to {most}"))),
        };
        self.text(name)?.map(seconds).transpose()
    }

    /// Takes what is waited for.
    fn until(&mut self) -> Result<Until, Error> {
        let power = |word: String| match word.as_str() {
            "on" => Ok(Until::Power(Power::On)),
            "off" => Ok(Until::Power(Power::Off)),
            _ => Err(usage(format!("--power {word} is neither on nor off"))),
        };
        let given = [
            self.text("--text")?.map(Until::Text),
            self.text("--regex")?.map(Until::Regex),
            self.text("--gone")?.map(Until::Gone),
            self.flag("--changed").then_some(Until::Changed(None)),
            self.seconds("--still")?.map(Until::Still),
            self.text("--power")?.map(power).transpose()?,
        ];
        let mut given = given.into_iter().flatten();
        match (given.next(), given.next()) {
            (Some(until), None) => Ok(until),
            _ => Err(usage("wait needs exactly one thing to wait for")
                .hint("give --text, --regex, --gone, --changed, --still or --power")),
        }
    }
}

/// A region as people write it: `X,Y,WIDTH,HEIGHT`.
fn place_of(text: &str) -> Result<Region, Error> {
    let numbers: Option<Vec<usize>> = text.split(',').map(|number| number.trim().parse().ok()).collect();
    match numbers.as_deref() {
        Some(&[x, y, width, height]) if width > 0 && height > 0 => Ok(Region { x, y, width, height }),
        _ => Err(usage(format!("{text:?} is no region")).hint("write X,Y,WIDTH,HEIGHT in screen pixels")),
    }
}

/// The size of a cell as people write it: `WIDTHxHEIGHT`.
fn cell_of(text: &str) -> Result<(usize, usize), Error> {
    let side = |text: &str| text.parse().ok().filter(|side| CELL_RANGE.contains(side));
    let sides = text.split_once('x').and_then(|(width, height)| Some((side(width)?, side(height)?)));
    let (least, most) = (CELL_RANGE.start(), CELL_RANGE.end());
    sides.ok_or_else(|| {
        usage(format!("--cell {text} is no size")).hint(format!("write WIDTHxHEIGHT, each {least} to {most} pixels"))
    })
}

/// The help, or a command's part of it.
fn help(command: Option<&String>) -> Result<Command, Error> {
    match command {
        Some(command) if help::of(command).is_none() => Err(no_command(command)),
        _ => Ok(Command::Help { command: command.cloned() }),
    }
}

fn no_command(name: &str) -> Error {
    usage(format!("there is no command {name}"))
}

fn usage(what: impl Into<String>) -> Error {
    Error::new(Kind::Usage, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Invocation, Error> {
        parse(line.split_whitespace().map(OsString::from).collect())
    }

    #[test]
    fn options_may_stand_anywhere() {
        let region = Some(Region { x: 8, y: 0, width: 80, height: 25 });
        let expected = Command::Screenshot { server: "ns1".into(), output: Some("x.png".into()), raw: true, region };
        for line in [
            "--demo screenshot ns1 -o x.png --raw --region 8,0,80,25",
            "screenshot --raw --region=8,0,80,25 --output=x.png --demo -- ns1",
        ] {
            let invocation = parsed(line).unwrap();
            assert!(invocation.demo && invocation.command == expected, "{line}: {invocation:?}");
        }
        assert_eq!(parsed("").unwrap().command, Command::Serve);
        for line in ["--hosts x.toml stdio", "stdio --hosts=x.toml"] {
            assert_eq!(parsed(line).unwrap().hosts, Some("x.toml".into()), "{line}");
        }
        assert_eq!(parsed("list --json").unwrap().command, Command::List { json: true });
        assert_eq!(parsed("list --nonsense --help").unwrap_err().kind(), Kind::Usage);
        let of = Source::Image("a.png".into());
        let text = Command::Text { of, json: true, attributes: false, frames: false };
        assert_eq!(parsed("text --json --image=a.png").unwrap().command, text);
        assert_eq!(parsed("--image a.png text --json").unwrap().command, text);
        assert_eq!(parsed("check ns1").unwrap().command, Command::Check { server: Some("ns1".into()) });
        assert_eq!(parsed("check").unwrap().command, Command::Check { server: None });
        assert_eq!(parsed("pin [::1]:443").unwrap().command, Command::Pin { host: "[::1]:443".into() });
        assert_eq!(parsed("status ns1").unwrap().command, Command::Status { server: "ns1".into() });
    }

    #[test]
    fn a_font_is_learned_from_pairs() {
        let Command::LearnFont(learn) =
            parsed("font learn --image a --text b --image=c --text=d -o f --cell 8x19").unwrap().command
        else {
            panic!("another command");
        };
        assert_eq!((learn.images, learn.texts), (vec!["a".into(), "c".into()], vec!["b".into(), "d".into()]));
        assert_eq!((learn.output, learn.cell), ("f".into(), Some((8, 19))));
    }

    #[test]
    fn a_wait_is_for_one_thing_and_for_so_long() {
        let wait = |line: &str| match parsed(line).unwrap().command {
            Command::Wait { server, until, timeout } => (server, until, timeout.as_secs()),
            other => panic!("{other:?}"),
        };
        assert_eq!(wait("wait ns1 --text=login:"), ("ns1".into(), Until::Text("login:".into()), 120));
        let still = Until::Still(Duration::from_secs(9));
        assert_eq!(wait("wait --still 9 ns1 --timeout 600"), ("ns1".into(), still, 600));
        assert_eq!(wait("wait ns1 --power off").1, Until::Power(Power::Off));
        assert_eq!(wait("wait ns1 --changed").1, Until::Changed(None));
    }

    #[test]
    fn what_makes_no_sense_is_one_sentence() {
        for (line, sentence) in [
            ("font", "font knows only `ikvm-mcp font learn`"),
            ("font learn --image a", "font learn needs pictures and as many texts; give --image FILE --text FILE"),
            (
                "font learn --image a --text b",
                "font learn needs a file for the font; name it with -o, such as aptio.psf",
            ),
            (
                "font learn --image a --text b -o c --cell 8x99",
                "--cell 8x99 is no size; write WIDTHxHEIGHT, each 4 to 32 pixels",
            ),
            ("frobnicate", "there is no command frobnicate"),
            ("frobnicate --help", "there is no command frobnicate"),
            ("--frobnicate", "there is no option --frobnicate"),
            ("screenshot", "screenshot needs a server; `ikvm-mcp list` shows them"),
            ("screenshot a b", "b is one word too many for screenshot"),
            ("screenshot a -o", "-o needs a value"),
            ("wait a --text=", "--text= needs a value"),
            ("list --raw", "--raw does not go with this command"),
            ("list --json=yes", "there is no option --json=yes"),
            (
                "wait a",
                "wait needs exactly one thing to wait for; give --text, --regex, --gone, --changed, --still or --power",
            ),
            (
                "wait a --text b --changed",
                "wait needs exactly one thing to wait for; give --text, --regex, --gone, --changed, --still or --power",
            ),
            ("wait a --power up", "--power up is neither on nor off"),
            ("wait a --still 601", "--still 601 is no time; write whole seconds, 1 to 600"),
            ("text a --raw", "--raw does not go with this command"),
            ("status", "status needs a server; `ikvm-mcp list` shows them"),
            ("status a --region 0,0,1,1", "--region does not go with this command"),
            ("screenshot a --region 1,2,3", "\"1,2,3\" is no region; write X,Y,WIDTH,HEIGHT in screen pixels"),
            ("screenshot a --region=0,0,0,9", "\"0,0,0,9\" is no region; write X,Y,WIDTH,HEIGHT in screen pixels"),
            ("stdio --json", "--json does not go with this command"),
        ] {
            assert_eq!(parsed(line).unwrap_err().to_string(), sentence);
        }
        let error = parse(vec!["check".into(), OsString::new()]).unwrap_err().to_string();
        assert_eq!(error, "an argument is empty; check the variables that it is made of");
    }

    #[test]
    fn every_command_and_option_is_known_and_in_the_help() {
        for command in help::COMMANDS {
            let told = parsed(command).err().map(|error| error.to_string()).unwrap_or_default();
            assert!(!told.contains("there is no"), "{told}");
            for line in [format!("{command} --raw --help --json"), format!("help {command}")] {
                let help = Command::Help { command: Some((*command).to_owned()) };
                assert_eq!(parsed(&line).unwrap().command, help, "{line}");
            }
        }
        assert_eq!(parsed("--help wait").unwrap().command, Command::Help { command: None });
        for &option in FLAGS.iter().chain(VALUES) {
            let told = parsed(option).err().map(|error| error.to_string()).unwrap_or_default();
            assert!(!told.contains("there is no"), "{told}");
            assert!(help::HELP.contains(option), "{option}");
        }
    }
}
