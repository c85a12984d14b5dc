//! What follows the handshake: messages, the rectangles of an update, and everything that is read past.
//!
//! Source: RFC 6143 sections 7.6 to 7.8; rfbproto. Observed: updates that nobody asked for right after our first
//! messages (QEMU, TigerVNC, PiKVM); QEMU's rectangles that have the screen's size and no data; servers that change
//! their size without saying so (propolis); pseudo-rectangles of VMware.

use std::collections::VecDeque;

use super::encoding::{Decoder, Formats, Reader, Step, Streams};
use super::handshake::ServerInit;
use super::message::{self, ENCODINGS, Request, SIMPLE_ENCODINGS, ServerMessage};
use super::screen::{Rect, Screen, check_size};
use super::{Encoding, Event, Failure, Options, PixelFormat};
use crate::base::DecodeError;
use crate::base::bytes::groups;

/// Bytes of the longest thing that is read past: a clipboard, a pointer's picture, sound.
const MAX_SKIPPED: u64 = 16 << 20;

/// How often one update may paint the whole screen over. A server paints each pixel once or twice; without a limit
/// some bytes could ask for gigabytes of painting.
const MAX_LAYERS: usize = 32;

/// Pixels that an update may paint in any case, however small the screen.
const MIN_BUDGET: usize = 1 << 20;

/// What one FramebufferUpdate did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Update {
    /// Pixels that were painted for the first time since the size was set.
    pub painted: usize,
    /// Whether anything was painted at all.
    pub pixels: bool,
    /// Whether the screen got another size.
    pub resized: Option<Resize>,
    /// Whether an ExtendedDesktopSize was in it, as is in the answer to a full request.
    pub extended: bool,
}

/// How the screen got another size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resize {
    /// By DesktopSize, or by a rectangle larger than the screen.
    Plain,
    /// By ExtendedDesktopSize.
    Extended,
}

#[derive(Debug)]
enum State {
    Message,
    ColorMap {
        next: usize,
        left: usize,
        /// Whether an entry is another than before.
        is_new: bool,
    },
    /// Rectangles to come.
    Rectangles(u32),
    Rectangle {
        left: u32,
        rect: Rect,
        encoding: Encoding,
        /// Bytes received before it.
        begin: u64,
        decoder: Box<Decoder>,
    },
}

/// The state of the stream.
#[derive(Debug)]
pub struct Stream {
    screen: Screen,
    formats: Formats,
    pixel_size: usize,
    streams: Streams,
    state: State,
    /// Bytes to read past before anything else.
    skip: u64,
    /// The message that was read last.
    last: ServerMessage,
    update: Update,
    /// Pixels that the update may still paint.
    budget: usize,
    /// Whether the server ever told a size in an update.
    tells_size: bool,
    updates: u64,
}

/// Bytes used up, or `None` where more are needed.
type Used = Result<Option<usize>, Failure>;

impl Stream {
    /// Begins with our first messages, each to be sent by itself.
    pub fn new(init: &ServerInit, options: &Options, out: &mut VecDeque<Event>) -> Result<Self, Failure> {
        let keeps = options.simple || init.format.is_safe();
        let format = if keeps { init.format } else { PixelFormat::WANTED };
        if !keeps {
            out.push_back(Event::Send(message::set_pixel_format(&format)));
        }
        let encodings = if options.simple { &SIMPLE_ENCODINGS[..] } else { &ENCODINGS };
        out.push_back(Event::Send(message::set_encodings(encodings)));
        Ok(Self {
            screen: Screen::new(init.size.0, init.size.1).map_err(Failure::Handshake)?,
            formats: Formats::new(&format),
            pixel_size: format.bytes(),
            streams: Streams::default(),
            state: State::Message,
            skip: 0,
            last: ServerMessage::FRAMEBUFFER_UPDATE,
            update: Update::default(),
            budget: 0,
            tells_size: false,
            updates: 0,
        })
    }

    /// The screen as it is now; whole between two updates.
    pub fn screen(&self) -> &Screen {
        &self.screen
    }

    /// A request for all of the screen; `None` while it has no pixels: there are servers that close the
    /// connection when asked for nothing.
    pub fn request(&self, request: Request) -> Option<Vec<u8>> {
        let Rect { width, height, .. } = self.screen.rect();
        (width * height > 0).then(|| message::update_request(request, width, height))
    }

    /// What the end of the connection means now.
    pub fn closed(&self, received: u64) -> Failure {
        let at_first = self.updates == 0;
        let waiting = if at_first { "waiting for the first update" } else { "watching for updates" };
        Failure::Closed { waiting, received, at_first }
    }

    /// Reads one item from the start of `input`, which begins at byte `at` of the connection.
    pub fn step(&mut self, input: &[u8], at: u64, out: &mut VecDeque<Event>) -> Used {
        if self.skip > 0 {
            let skipped = self.skip.min(input.len() as u64);
            self.skip -= skipped;
            return Ok((skipped > 0).then_some(skipped as usize));
        }
        match &mut self.state {
            State::Message => self.message(input, at, out),
            State::ColorMap { next, left, is_new } => {
                let count = (input.len() / 6).min(*left);
                for [red, _, green, _, blue, _] in groups(input).take(count) {
                    *is_new |= self.formats.set_entry(*next, [red, green, blue]);
                    *next += 1;
                }
                *left -= count;
                if *left == 0 {
                    // A server that sends its map with each picture would be asked for ever.
                    let is_new = *is_new;
                    self.state = State::Message;
                    if is_new {
                        self.repaint(out);
                    }
                    return Ok(Some(count * 6));
                }
                Ok((count > 0).then_some(count * 6))
            }
            State::Rectangles(0) => {
                self.state = State::Message;
                self.updates += 1;
                out.push_back(Event::Updated(self.update));
                Ok(Some(0))
            }
            State::Rectangles(left) => {
                let left = *left - 1;
                self.rectangle(input, left, at)
            }
            State::Rectangle { left, rect, encoding, begin, decoder } => {
                let mut canvas = self.screen.canvas(*rect);
                let step = decoder.decode(input, &mut canvas, &self.formats, &mut self.streams);
                let Step { used, done } =
                    step.map_err(|error| broken(format!("a rectangle in {encoding}"), error, *begin))?;
                if done {
                    self.update.painted += self.screen.cover(*rect);
                    self.update.pixels |= rect.area() > 0;
                    self.state = State::Rectangles(*left);
                }
                Ok((done || used > 0).then_some(used))
            }
        }
    }

    /// What was painted through an older color map is wrong now.
    fn repaint(&mut self, out: &mut VecDeque<Event>) {
        if self.screen.coverage().missing() < self.screen.coverage().total() {
            self.screen.uncover();
            out.extend(self.request(Request::Full).map(Event::Send));
        }
    }

    fn message(&mut self, input: &[u8], at: u64, out: &mut VecDeque<Event>) -> Used {
        let mut reader = Reader::new(input);
        let Some(kind) = reader.byte() else {
            return Ok(None);
        };
        let kind = ServerMessage(kind);
        if !kind.is_known() {
            return Err(Failure::UnknownMessage { kind: kind.0, after: self.last, at });
        }
        match self.body(kind, &mut reader, out) {
            None => Ok(None),
            Some(Err(error)) => Err(broken(kind.to_string(), error, at)),
            Some(Ok(())) => {
                self.last = kind;
                Ok(Some(input.len() - reader.rest.len()))
            }
        }
    }

    /// Reads a message's body, or its head where the rest is long; `None` where more bytes are needed.
    fn body(
        &mut self,
        kind: ServerMessage,
        reader: &mut Reader,
        out: &mut VecDeque<Event>,
    ) -> Option<Result<(), DecodeError>> {
        match kind {
            ServerMessage::FRAMEBUFFER_UPDATE => {
                reader.byte()?;
                self.state = State::Rectangles(reader.u16()? as u32);
                self.update = Update::default();
                self.budget = (self.screen.rect().area() * MAX_LAYERS).max(MIN_BUDGET);
            }
            ServerMessage::SET_COLOR_MAP_ENTRIES => {
                reader.byte()?;
                let next = reader.u16()?;
                self.state = State::ColorMap { next, left: reader.u16()?, is_new: false };
            }
            ServerMessage::SERVER_CUT_TEXT => {
                reader.take(3)?;
                // A negative length is an extended clipboard's.
                let length = (reader.u32()? as i32).unsigned_abs();
                return Some(self.skip(length.into()));
            }
            ServerMessage::SERVER_FENCE => {
                const ANSWER: u32 = 1 << 31;
                const MAX_PAYLOAD: u8 = 64;
                reader.take(3)?;
                let flags = reader.u32()? as u32;
                let length = reader.byte()?;
                if length > MAX_PAYLOAD {
                    return Some(Err(DecodeError::Malformed { what: "a payload too long" }));
                }
                let payload = reader.take(length.into())?;
                if flags & ANSWER != 0 {
                    out.push_back(Event::Send(message::fence_answer(flags, payload)));
                }
            }
            ServerMessage::XVP => _ = reader.take(3)?,
            ServerMessage::QEMU => {
                const AUDIO: u8 = 1;
                const AUDIO_DATA: usize = 2;
                if reader.byte()? != AUDIO {
                    return Some(Err(DecodeError::Malformed { what: "not about audio" }));
                }
                if reader.u16()? == AUDIO_DATA {
                    let length = reader.u32()?;
                    return Some(self.skip(length as u64));
                }
            }
            // Bell and EndOfContinuousUpdates.
            _ => {}
        }
        Some(Ok(()))
    }

    fn skip(&mut self, length: u64) -> Result<(), DecodeError> {
        if length > MAX_SKIPPED {
            return Err(DecodeError::TooLarge { what: "bytes to skip", got: length, max: MAX_SKIPPED });
        }
        self.skip = length;
        Ok(())
    }

    fn rectangle(&mut self, input: &[u8], left: u32, at: u64) -> Used {
        let Some(head) = input.first_chunk::<12>() else {
            return Ok(None);
        };
        let (rect, encoding) = message::parse_rectangle(head);
        let mut reader = Reader::new(&input[head.len()..]);
        let wrong = |error| broken(format!("a rectangle in {encoding}"), error, at);
        if let Some(decoder) = Decoder::new(encoding) {
            self.begin_rectangle(rect).map_err(wrong)?;
            self.state = State::Rectangle { left, rect, encoding, begin: at, decoder: Box::new(decoder) };
            return Ok(Some(head.len()));
        }
        match self.pseudo_rectangle(rect, encoding, &mut reader) {
            None => Ok(None),
            Some(Err(error)) => Err(wrong(error)),
            Some(Ok(Pseudo::Unknown)) => Err(Failure::UnknownEncoding { encoding, at }),
            Some(Ok(pseudo)) => {
                self.state = State::Rectangles(if pseudo == Pseudo::Last { 0 } else { left });
                Ok(Some(input.len() - reader.rest.len()))
            }
        }
    }

    fn begin_rectangle(&mut self, rect: Rect) -> Result<(), DecodeError> {
        check_size("rectangle in pixels", rect.width, rect.height)?;
        let whole = self.screen.rect();
        let is_larger = rect.width >= whole.width && rect.height >= whole.height && rect != whole;
        if (rect.x, rect.y) == (0, 0) && is_larger && !self.tells_size {
            self.resize(rect, Resize::Plain)?;
            self.budget = self.budget.max(rect.area() * MAX_LAYERS);
        }
        let over = DecodeError::Malformed { what: "the update paints the screen over and over" };
        self.budget = self.budget.checked_sub(rect.area()).ok_or(over)?;
        Ok(())
    }

    fn resize(&mut self, rect: Rect, how: Resize) -> Result<(), DecodeError> {
        let Rect { width, height, .. } = self.screen.rect();
        if (rect.width, rect.height) != (width, height) {
            self.screen.resize(rect.width, rect.height)?;
            self.update.resized = Some(how);
            self.update.painted = 0;
        }
        Ok(())
    }

    /// A rectangle that is none; `None` where more bytes are needed.
    fn pseudo_rectangle(
        &mut self,
        rect: Rect,
        encoding: Encoding,
        reader: &mut Reader,
    ) -> Option<Result<Pseudo, DecodeError>> {
        let [width, height] = [rect.width, rect.height].map(|length| length as u64);
        let pixels = width * height * self.pixel_size as u64;
        let mask = width.div_ceil(8) * height;
        let skip = match encoding {
            Encoding::LAST_RECT => return Some(Ok(Pseudo::Last)),
            Encoding::DESKTOP_SIZE => {
                self.tells_size = true;
                return Some(self.resize(rect, Resize::Plain).map(|()| Pseudo::Harmless));
            }
            Encoding::EXTENDED_DESKTOP_SIZE => {
                const BY_US: usize = 1;
                let screens = reader.take(4)?[0];
                self.skip = u64::from(screens) * 16;
                self.tells_size = true;
                self.update.extended = true;
                let is_refusal = rect.x == BY_US && rect.y != 0;
                let resized = if is_refusal { Ok(()) } else { self.resize(rect, Resize::Extended) };
                return Some(resized.map(|()| Pseudo::Harmless));
            }
            Encoding::CURSOR => pixels + mask,
            Encoding::X_CURSOR => {
                if mask == 0 {
                    0
                } else {
                    6 + 2 * mask
                }
            }
            Encoding::POINTER_POS
            | Encoding::QEMU_POINTER
            | Encoding::QEMU_KEYS
            | Encoding::QEMU_AUDIO
            | Encoding::EXTENDED_MOUSE
            | Encoding::VMWARE_CURSOR_POSITION => 0,
            Encoding::LED_STATE => 1,
            Encoding::DESKTOP_NAME => reader.u32()? as u64,
            Encoding::VMWARE_CURSOR => match reader.take(2)?[0] {
                0 => 2 * pixels,
                _ => width * height * 4,
            },
            Encoding::VMWARE_CURSOR_STATE | Encoding::VMWARE_MACHINE_STATE => 2,
            Encoding::VMWARE_KEY_REPEAT => 10,
            Encoding::VMWARE_LED_STATE => 4,
            Encoding::VMWARE_MODE => PixelFormat::SIZE as u64,
            Encoding::H264 => {
                let length = reader.u32()?;
                reader.u32()?;
                length as u64
            }
            _ => return Some(Ok(Pseudo::Unknown)),
        };
        Some(self.skip(skip).map(|()| Pseudo::Harmless))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pseudo {
    /// Nothing to do but to skip its data.
    Harmless,
    /// The update ends here.
    Last,
    /// Its length is not known.
    Unknown,
}

fn broken(what: String, error: DecodeError, at: u64) -> Failure {
    Failure::Broken { what, error, at }
}

#[cfg(test)]
mod tests;
