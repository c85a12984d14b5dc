//! What `--help` prints: all of it, or what one command does.

/// All commands, in the order of the help.
pub const COMMANDS: &[&str] = &[
    "serve",
    "stdio",
    "list",
    "screenshot",
    "text",
    "wait",
    "status",
    "check",
    "pin",
    "font",
    "login",
    "token",
    "unit",
    "completion",
    "help",
];

/// What a command does, as the help tells it, with what goes with every command; `None` where there is none of this name.
pub fn of(command: &str) -> Option<String> {
    let name = COMMANDS.iter().find(|name| **name == command)?;
    let mut sections = HELP.split_inclusive("\n\n");
    let mut section = |head: &str| sections.find(|section| section.starts_with(head)).unwrap_or_default();
    let usage = section("Usage:\n");
    let is_first =
        |line: &str| line.strip_prefix(PROGRAM).is_some_and(|rest| rest.trim_start_matches('[').starts_with(name));
    let rest: Vec<&str> = usage.split_inclusive('\n').skip_while(|line| !is_first(line)).collect();
    let length = rest.iter().skip(1).take_while(|line| !line.starts_with(PROGRAM)).count();
    let does = rest.get(..=length)?.concat();
    let server = section("SERVER ");
    let server = if does.contains("SERVER") { server } else { "" };
    Some(["Usage:\n", does.trim_end(), "\n\n", server, section("Options"), MORE].concat())
}

/// What the lines begin with that tell of a command.
const PROGRAM: &str = "  ikvm-mcp ";

const MORE: &str = "`ikvm-mcp --help` tells of all commands, the environment, files and the exit status.\n";

/// The whole help.
pub const HELP: &str = "\
ikvm-mcp: eyes on bare-metal server consoles for an AI agent

Usage:
  ikvm-mcp [serve]              serve MCP on http://localhost:3001/mcp until it is stopped; see PORT, IKVM_LISTEN and
                                IKVM_TOKEN. http://localhost:3001/health answers ok while it runs
  ikvm-mcp stdio                serve MCP on stdin and stdout, for clients that launch a command; ends with its input
  ikvm-mcp list [--json]        list the servers, as a table or as JSON; fails if a provider cannot be asked, and lists
                                those of the others
  ikvm-mcp screenshot SERVER    save a picture of a server's console as SERVER.png, and tell on stderr what is known of
                                the screen; one that is off or without signal gives no picture
      -o, --output FILE           save it there instead; - writes the PNG to stdout
      --raw                       the console's own pixels: not scaled, not brightened
      --region X,Y,WIDTH,HEIGHT   only this part of the screen, enlarged; in screen pixels
  ikvm-mcp text SERVER          print the text on a server's console, exactly or not at all; the first line says how
                                sure it is, or why there is none
      --image FILE                of a picture instead of a server: any PNG of a console's screen
      --json                      with its parts: status, font, cursor, what is selected or uncertain
      --attributes                with the colors of what stands out
      --frames                    the layout as it is: frames, empty rows, the indent
  ikvm-mcp wait SERVER          wait until the console shows something; exit status 1 if it does not. Exactly one of
      --text TEXT                 this text is there
      --regex REGEX               text that this regular expression matches is there
      --gone TEXT                 this text is not there any more
      --changed                   the screen is another than at the beginning
      --still SECONDS             the screen has not changed for so long (1 to 600)
      --power on|off              the server is switched on, or off
                                and perhaps
      --timeout SECONDS           how long to wait at most (120; 1 to 600)
  ikvm-mcp status SERVER        tell power, signal, who is viewing ... without a picture
  ikvm-mcp check [SERVER]       walk the whole way to a server's console, step by step, with times; without SERVER check
                                the settings, the lists, and whether your own servers can be reached. The first thing to
                                run when something fails
  ikvm-mcp pin HOST[:PORT]      print the line for hosts.toml that pins the certificate HOST shows now
  ikvm-mcp font learn -o FILE   make a font of a screen's picture and its text, for firmware whose font is unknown
      -o, --output FILE           the font, for the folder that IKVM_FONTS names: PSF
      --image FILE --text FILE    the PNG, not scaled, and its text, a line for each row; more pairs may follow
      --cell WIDTHxHEIGHT         the size of a character in pixels, where it is known (4 to 32 each)
  ikvm-mcp login                get an OVHcloud consumer key with exactly the rights needed; wants OVH_APPLICATION_KEY
  ikvm-mcp token                make a token for IKVM_TOKEN
  ikvm-mcp unit                 print a systemd unit, with what it says in its head to do
  ikvm-mcp completion SHELL     print completion for bash, zsh or fish, with where it says in its head to put it
  ikvm-mcp help [COMMAND]       print this help, or a command's part of it; COMMAND --help is the same

SERVER is an id of the list, or the URL of a console: vnc://HOST:PORT, vnc+tls://HOST:PORT, ws://..., wss://...,
https://BMC (with IKVM_CONSOLE_USER), https://... of a viewer page.

Options, with every command:
      --hosts FILE              your own servers: BMCs, virtual machines, cloud consoles
      --demo                    demo servers instead of your own: no credentials, no network
  -h, --help                    print this help, or a command's part of it
  -V, --version                 print the version
      --                        what follows is no option

Environment; an empty variable counts as none:
  OVH_ENDPOINT                  eu (default), ca, us, kimsufi-eu, kimsufi-ca, soyoustart-eu, soyoustart-ca, or the API's
                                URL
  OVH_APPLICATION_KEY, OVH_APPLICATION_SECRET, OVH_CONSUMER_KEY
                                credentials (see `ikvm-mcp login`); or
  OVH_CLIENT_ID, OVH_CLIENT_SECRET
                                an OAuth2 service account; or
  OVH_ACCESS_TOKEN              a bearer token; or one of these in ovh.conf
  IKVM_HOSTS                    the same as --hosts
  IKVM_CONSOLE_USER, IKVM_CONSOLE_PASSWORD
                                who logs in to a console that is named by its URL, and with what
  IKVM_CONSOLE_TLS              sha256:... pins its certificate, insecure leaves it unchecked; else a file of
                                authorities
  PORT                          port to serve on (3001; 0 takes a free one)
  IKVM_LISTEN                   ADDRESS[:PORT] to serve on (127.0.0.1 and [::1]); others need a token
  IKVM_TOKEN, IKVM_TOKEN_FILE   what every client has to show (Authorization: Bearer TOKEN), at least 16 characters; or
                                a file with it, which nobody else may read
  IKVM_ALLOWED_HOSTS            names that clients call it by besides localhost, with commas between
  IKVM_ALLOWED_ORIGINS          web pages that may call it, such as https://page.example, with commas between
  IKVM_FONTS                    folder of more fonts to read screens with: *.psf, *.psfu, also with .gz; at most 64
  IKVM_MAX_EDGE                 longest edge of a picture in pixels (2000; 256 to 8000)
  IKVM_PUBLIC_IP                IPv4 address that BMCs see us from (default: OVHcloud is asked)
  IKVM_IDLE_SECONDS             how long an unused console stays open (120; up to 86400; 0 closes it after each look)
  IKVM_MAX_CONSOLES             how many consoles may be open at once (32; 1 to 256)
  IKVM_LOG                      error, warn, info (default) or debug: what is written to stderr
  IKVM_AUDIT                    a file, or stderr: one JSON line for each tool call
  HTTPS_PROXY, NO_PROXY         HTTP proxy for the provider's API, and where it is not used; consoles are reached
                                directly. ALL_PROXY goes before HTTPS_PROXY, HTTP_PROXY behind it
  SSL_CERT_FILE, SSL_CERT_DIR   certificate authorities to trust instead of the system's, besides those built in

Files:
  hosts.toml                    your own servers: the file of --hosts or IKVM_HOSTS, else the first there is of
                                ~/.config/ikvm-mcp/hosts.toml and /etc/ikvm-mcp/hosts.toml. A [[server]] after another:
      id                          what calls name it by
      name, datacenter, ip        what the list tells of it
      console                     https://BMC with kind = \"ami\"; https://... of a viewer page; vnc://, vnc+tls://,
                                  ws://, wss://
      user; password_env, password_file or password
                                  who logs in, and with what
      origin, subprotocol, headers
                                  what ws:// and wss:// send when they connect
      ca_file, tls_pin or tls = \"insecure\"
                                  where no known authority signed the certificate
  ovh.conf                      OVHcloud's credentials, in the format of its own clients, for what the environment does
                                not say: ./ovh.conf, ~/.ovh.conf, /etc/ovh.conf

Signals:
  SIGINT, SIGTERM, SIGHUP       close and log out what is open, then end, within 3 s; only after that another one ends
                                it at once. SIGHUP does nothing where it is ignored, as nohup has it

Exit status: 0 done, 1 failed, 2 wrong usage or settings. Results go to stdout, everything else to stderr.

Examples:
  ikvm-mcp --demo                                         serve demo servers, to try a client with
  ikvm-mcp screenshot demo-panic --demo -o panic.png      look at one of them
  ikvm-mcp wait rack7 --text login: --timeout 600         wait for the end of a boot
  ikvm-mcp text vnc://127.0.0.1:5901                      read the screen of a virtual machine
  IKVM_LISTEN=10.0.0.5 IKVM_TOKEN_FILE=token ikvm-mcp     serve a network; `ikvm-mcp token > token` makes the token
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_commands_part_begins_with_its_name_and_ends_before_the_next() {
        for name in COMMANDS {
            let part = of(name).unwrap();
            let first = if *name == "serve" { "[serve]" } else { name };
            assert!(part.starts_with(&format!("Usage:\n  ikvm-mcp {first}")), "{part}");
            assert_eq!(part.matches("\n  ikvm-mcp ").count(), 1, "{part}");
            assert!(part.contains("\n\nOptions, with every command:\n      --hosts FILE"), "{part}");
        }
        assert!(of("wait").unwrap().contains("SERVER is an id") && !of("list").unwrap().contains("SERVER is an id"));
        assert_eq!(of("frobnicate"), None);
    }

    #[test]
    fn a_terminal_of_120_columns_holds_every_line() {
        let widest = HELP.lines().max_by_key(|line| line.len()).unwrap();
        assert!(widest.len() <= 120, "{widest}");
    }
}
