//! MCP over a pair of pipes: one message a line, in and out.
//!
//! One thread reads and answers what is quick, so that a ping or a cancellation is served while calls are at work;
//! each call has a thread that reports its progress. Whoever writes a line holds the output until it is whole.
//! Source: MCP, "stdio". Nothing but messages goes to the output.

use std::io::{BufRead, BufReader, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use super::{BEAT, Gate, MAX_CALLS, MAX_MESSAGE, Stop};
use crate::base::{Error, Kind, log};
use crate::mcp::{Mcp, Received, Running, Step, Work};

/// What is at work when the input ends may still be answered for so long: `echo ... | ikvm-mcp stdio` is a client too.
const LAST_ANSWERS: Duration = Duration::from_millis(800);

/// Serves until the input ends or nobody reads the output any more; then closes what is open, within 3 s.
pub fn serve<R, W>(mcp: Mcp, input: R, output: W) -> Result<(), Error>
where
    R: Read + Send + 'static,
    W: Write + Send + 'static,
{
    let session =
        Arc::new(Session { mcp, output: Mutex::new(output), calls: Gate::new(MAX_CALLS), stop: Stop::default() });
    let reader = Arc::clone(&session);
    let read = move || {
        reader.read(BufReader::with_capacity(64 << 10, input));
        reader.calls.wait_empty(LAST_ANSWERS);
        reader.stop.stop();
    };
    let no_thread = |error| Error::new(Kind::Internal, format!("no thread to read messages: {error}"));
    thread::Builder::new().name("stdin".into()).spawn(read).map_err(no_thread)?;
    session.stop.wait();
    session.mcp.close();
    Ok(())
}

struct Session<W> {
    mcp: Mcp,
    output: Mutex<W>,
    calls: Arc<Gate>,
    stop: Stop,
}

impl<W: Write + Send + 'static> Session<W> {
    fn read(self: &Arc<Self>, mut input: impl BufRead) {
        let mut line = Vec::new();
        loop {
            let received = match next_line(&mut input, &mut line) {
                Line::End => return,
                Line::Whole if line.trim_ascii().is_empty() => continue,
                Line::Whole => self.mcp.receive(&line, None),
                Line::TooLong => self.mcp.refuse(&format!("a message of more than {MAX_MESSAGE} bytes")),
            };
            match received {
                Received::Nothing => {}
                Received::Answer(answer) => self.write(&answer.message),
                Received::Work(work) => self.work(work),
            }
        }
    }

    fn work(self: &Arc<Self>, work: Work) {
        let Some(permit) = self.calls.try_enter() else {
            let answer =
                work.refuse(&format!("{MAX_CALLS} calls are at work, the limit; call again when one has ended"));
            return self.write(&answer);
        };
        let (session, permit) = (Arc::clone(self), Arc::new(permit));
        let running = work.begin(Arc::clone(&permit));
        let report = move || {
            let _until_answered = permit;
            session.report(running);
        };
        if let Err(error) = thread::Builder::new().name("report".into()).spawn(report) {
            log::error(format_args!("no thread to answer a call: {error}"));
        }
    }

    fn report(&self, mut running: Running) {
        loop {
            match running.wait(BEAT) {
                Step::Working => {
                    if let Some(progress) = running.progress() {
                        self.write(&progress);
                    }
                }
                Step::Done(answer) => {
                    if let Some(answer) = answer {
                        self.write(&answer);
                    }
                    return;
                }
            }
        }
    }

    fn write(&self, message: &Value) {
        let line = format!("{message}\n");
        let mut output = self.output.lock().unwrap_or_else(PoisonError::into_inner);
        if output.write_all(line.as_bytes()).and_then(|()| output.flush()).is_err() {
            // Nobody reads any more.
            self.stop.stop();
        }
    }
}

enum Line {
    /// A line, or what came before the end of the input.
    Whole,
    /// More than a message may have, skipped up to its end.
    TooLong,
    /// The input is at its end.
    End,
}

/// Reads up to the next line feed, keeping at most `MAX_MESSAGE` bytes.
fn next_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> Line {
    line.clear();
    let mut is_too_long = false;
    loop {
        let piece = match input.fill_buf() {
            Ok(piece) => piece,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(_) => return Line::End,
        };
        if piece.is_empty() && line.is_empty() {
            return Line::End;
        }
        let end = piece.iter().position(|&byte| byte == b'\n');
        let (used, is_end) = end.map_or((piece.len(), piece.is_empty()), |end| (end + 1, true));
        if line.len() + used > MAX_MESSAGE + 1 {
            is_too_long = true;
        } else if !is_too_long {
            line.extend_from_slice(&piece[..used]);
        }
        input.consume(used);
        if is_end {
            return if is_too_long { Line::TooLong } else { Line::Whole };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    fn lines(bytes: &[u8], piece: usize) -> Vec<Option<Vec<u8>>> {
        let mut input = BufReader::with_capacity(piece, Cursor::new(bytes));
        let (mut lines, mut line) = (Vec::new(), Vec::new());
        loop {
            match next_line(&mut input, &mut line) {
                Line::Whole => lines.push(Some(line.trim_ascii().to_vec())),
                Line::TooLong => lines.push(None),
                Line::End => return lines,
            }
        }
    }

    #[test]
    fn lines_are_the_same_however_the_input_is_cut() {
        let wanted = vec![Some(b"one".to_vec()), Some(Vec::new()), Some(b"three".to_vec()), Some(b"rest".to_vec())];
        for piece in [1, 2, 3, 7, 64] {
            assert_eq!(lines(b"one\r\n\nthree\nrest", piece), wanted, "{piece}");
        }
    }

    #[test]
    fn a_line_that_is_too_long_is_skipped_and_the_next_is_read() {
        let longest = vec![b'x'; MAX_MESSAGE];
        let input = [&longest[..], b"\n", &longest, b"x\n", b"next\n", &longest, b"xx"].concat();
        let lines = lines(&input, 64 << 10);
        assert_eq!(lines.len(), 4);
        assert_eq!(lines[0].as_ref().map(Vec::len), Some(MAX_MESSAGE));
        assert_eq!(lines[1..], [None, Some(b"next".to_vec()), None]);
    }
}
