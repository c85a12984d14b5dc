//! The picture of a console as a PNG made for reading, with the facts that go with it.

use std::time::Duration;

use super::Ops;
use super::look::{Facts, Looked, seconds};
use crate::base::{Error, Kind, Watch, clock};
use crate::image::{self, Options, Scale};

pub use crate::image::Region;

/// How the picture is wanted.
#[derive(Clone, Debug, Default)]
pub struct ScreenshotOptions {
    /// The console's own pixels instead of a picture made for reading.
    pub raw: bool,
    /// A part of the screen, enlarged as far as the limits allow; `None`: all of it.
    pub region: Option<Region>,
    /// A picture id: while the screen is as it was then, the answer is that nothing changed.
    pub if_changed_since: Option<String>,
    /// How long an opening is waited for before the answer is that it still goes on; `None`: to the end.
    pub patience: Option<Duration>,
}

/// What a look at a console came to.
#[derive(Clone, Debug)]
pub struct Screenshot {
    /// The picture as PNG; `None` when there is nothing (new) to see, and the facts say why.
    pub png: Option<Vec<u8>>,
    /// What is known about the picture and the server, one `name: value` a line.
    pub facts: String,
}

impl Ops {
    /// Looks at the console of `server`: opens it where it is not open, and takes its current picture.
    pub fn screenshot(&self, server: &str, options: &ScreenshotOptions, watch: &Watch) -> Result<Screenshot, Error> {
        self.picture(server, options, watch).map_err(|error| error.doing(format!("screenshot of {server}")))
    }

    fn picture(&self, server: &str, options: &ScreenshotOptions, watch: &Watch) -> Result<Screenshot, Error> {
        let look = match self.look(server, options.patience, watch)? {
            Looked::At(look) => look,
            Looked::Opening(facts) => return Ok(Screenshot { png: None, facts }),
        };
        let mut facts = Facts::default();
        facts.add("server", server);
        let unchanged = options.if_changed_since.as_ref().is_some_and(|id| look.is_unchanged_since(id));
        let png = match &look.snapshot.frame {
            Some(_) if unchanged => {
                facts.add("image", "none: the screen has not changed since that picture");
                None
            }
            Some(frame) => {
                watch.enter("encoding the picture");
                let region = options.region;
                let image =
                    Options { raw: options.raw, max_edge: self.settings.max_edge, region, ..Options::default() };
                let make = || self.workers.work(|| image::render(frame, &image));
                let picture = look.lease.memory.picture(frame, &image, make).ok_or_else(|| {
                    let what = format!("the region lies outside the screen of {} x {}", frame.width, frame.height);
                    Error::new(Kind::Usage, what).hint("choose one that overlaps it, or leave the region out")
                })?;
                let scale = match picture.scale {
                    Scale::Up(1) => "not scaled".to_owned(),
                    Scale::Up(factor) => format!("scaled up {factor}x"),
                    Scale::Down(_) => {
                        format!("scaled down to {}: small text may be lost, raw shows all pixels", picture.scale)
                    }
                };
                let brightened = if options.raw { "colors as they are" } else { "brightened" };
                let size = format!("{} x {} pixels", picture.width, picture.height);
                facts.add("image", format!("{size}, {scale}, {brightened}"));
                if region.is_some() {
                    let Region { x, y, width, height } = picture.region;
                    facts.add("region", format!("{width} x {height} pixels of the screen, from x {x}, y {y}"));
                }
                for note in &picture.notes {
                    facts.add("note", note);
                }
                Some(picture.png.clone())
            }
            None => None,
        };
        look.describe(&mut facts);
        self.tell_scene(&look, &mut facts);
        facts.add("taken", format!("{}, in {}", clock::utc(), seconds(watch.elapsed())));
        Ok(Screenshot { png, facts: facts.text })
    }
}
