//! hosts.toml: servers of one's own, each with the address of its console and what opens it.
//!
//! The file is the one that `--hosts` or `IKVM_HOSTS` names, else `~/.config/ikvm-mcp/hosts.toml`, else
//! `/etc/ikvm-mcp/hosts.toml`. It holds one `[[server]]` after another:
//!
//! | key | meaning |
//! |---|---|
//! | `id` | what calls name the server by |
//! | `name`, `datacenter`, `ip` | what the list tells of it; the name is the id where there is none |
//! | `console` | `https://` with `kind = "ami"`: a BMC that we log in to; without a kind: a viewer page that signs us on by itself; `vnc://`, `vnc+tls://`, `ws://`, `wss://`: RFB |
//! | `user`, and one of `password_env`, `password_file`, `password` | who logs in, and with what |
//! | `origin`, `subprotocol`, `headers` | what `ws://` and `wss://` send when they connect |
//! | one of `ca_file`, `tls_pin`, `tls = "insecure"` | how the certificate is checked, else by the usual authorities |
//!
//! A key that is not in the table is an error, so that a misspelled `tls_pin` is not simply missing.

mod entry;
mod table;

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::{Environment, File, Files};
use crate::base::{Error, Kind};
use crate::provider::hosts::Host;
use table::Table;

/// The file, and what its entries refer to.
struct Source<'a> {
    path: PathBuf,
    file: File,
    /// Where the file's lines end.
    line_feeds: Vec<usize>,
    environment: Environment<'a>,
    files: Files<'a>,
}

/// The servers of the file; `None` where there is no file and nobody names one. `Kind::Usage` names the line.
pub(super) fn read(
    given: Option<&Path>,
    environment: Environment<'_>,
    files: Files<'_>,
) -> Result<Option<Vec<Host>>, Error> {
    let named = environment("IKVM_HOSTS").filter(|name| !name.is_empty()).map(PathBuf::from);
    let given = given.map(Path::to_path_buf).or(named);
    let home = home(environment).map(|home| home.join(".config/ikvm-mcp/hosts.toml"));
    let places = match &given {
        Some(path) => [Some(path.clone()), None],
        None => [home, Some(PathBuf::from("/etc/ikvm-mcp/hosts.toml"))],
    };
    for path in places.into_iter().flatten() {
        match files(&path) {
            Ok(file) => {
                let line_feeds = file.text.match_indices('\n').map(|(at, _)| at).collect();
                return Source { path, file, line_feeds, environment, files }.hosts().map(Some);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound && given.is_none() => {}
            Err(error) => {
                let what = format!("cannot read {}: {error}", path.display());
                return Err(Error::new(Kind::Usage, what).hint("check the path and who may read it"));
            }
        }
    }
    Ok(None)
}

impl Source<'_> {
    fn hosts(&self) -> Result<Vec<Host>, Error> {
        let document = DeTable::parse(&self.file.text).map_err(|error| {
            let line = self.line(error.span().map_or(0, |span| span.start));
            self.wrong(line, error.message().to_owned())
        })?;
        let root = Table::new(self, document.get_ref(), 1);
        root.check_keys(&["server"])?;
        let mut hosts = Vec::new();
        let mut lines: HashMap<String, usize> = HashMap::new();
        for (table, line) in self.entries(document.get_ref())? {
            let host = entry::host(&Table::new(self, table, line))?;
            if let Some(first) = lines.insert(host.server.id.clone(), line) {
                let what = format!("the id {} is that of line {first} already", host.server.id);
                return Err(self.wrong(line, what).hint("give each server an id of its own"));
            }
            hosts.push(host);
        }
        Ok(hosts)
    }

    /// The tables called `[[server]]`, with their lines.
    fn entries<'t, 'i>(&self, root: &'t DeTable<'i>) -> Result<Vec<(&'t DeTable<'i>, usize)>, Error> {
        let Some((key, value)) = root.iter().next() else { return Ok(Vec::new()) };
        let wrong = |at: usize| {
            self.wrong(self.line(at), "server is not a list of tables".to_owned())
                .hint("begin each server with a line [[server]]")
        };
        let DeValue::Array(list) = value.get_ref() else { return Err(wrong(key.span().start)) };
        let tables = list.iter().map(|item| match item.get_ref() {
            DeValue::Table(table) => Ok((table, self.line(item.span().start))),
            _ => Err(wrong(item.span().start)),
        });
        tables.collect()
    }

    /// The line of a place in the file, from 1.
    fn line(&self, at: usize) -> usize {
        1 + self.line_feeds.partition_point(|&end| end < at)
    }

    fn wrong(&self, line: usize, what: String) -> Error {
        Error::new(Kind::Usage, what).doing(format!("{} line {line}", self.path.display()))
    }

    /// A path that the file names: relative ones begin in the file's folder, `~/` at home.
    fn resolve(&self, path: &str) -> PathBuf {
        match (path.strip_prefix("~/"), home(self.environment)) {
            (Some(rest), Some(home)) => home.join(rest),
            _ => self.path.parent().unwrap_or(Path::new("")).join(path),
        }
    }
}

fn home(environment: Environment<'_>) -> Option<PathBuf> {
    environment("HOME").filter(|home| !home.is_empty()).map(PathBuf::from)
}

/// The sentence for a file with secrets in it that everybody may read.
fn exposed(path: &Path) -> Error {
    let path = path.display();
    Error::new(Kind::Usage, format!("{path} holds a secret, and everybody on this machine may read it"))
        .hint(format!("run `chmod 600 {path}`"))
}

#[cfg(test)]
mod tests;
