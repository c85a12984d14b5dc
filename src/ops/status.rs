//! What is known about a console without looking at its pixels.

use std::time::Duration;

use super::Ops;
use super::look::{Facts, Looked};
use crate::base::{Error, Watch};

/// What is asked.
#[derive(Clone, Debug, Default)]
pub struct StatusOptions {
    /// A picture id: the answer says whether the screen has changed since.
    pub if_changed_since: Option<String>,
    /// How long an opening is waited for before the answer is that it still goes on; `None`: to the end.
    pub patience: Option<Duration>,
}

impl Ops {
    /// What is on the screen of `server` as far as no picture is needed to tell, one `name: value` a line: power,
    /// signal, blank or not, since when unchanged, who is viewing. Opens the console where it is not open.
    pub fn status(&self, server: &str, options: &StatusOptions, watch: &Watch) -> Result<String, Error> {
        let looked = self.look(server, options.patience, watch);
        let look = match looked.map_err(|error| error.doing(format!("status of {server}")))? {
            Looked::At(look) => look,
            Looked::Opening(facts) => return Ok(facts),
        };
        let mut facts = Facts::default();
        facts.add("server", server);
        if let Some(id) = &options.if_changed_since {
            let changed = if look.is_unchanged_since(id) { "no" } else { "yes" };
            facts.add("changed since that picture", changed);
        }
        look.describe(&mut facts);
        self.tell_scene(&look, &mut facts);
        Ok(facts.text)
    }
}
