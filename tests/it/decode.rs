//! The video decoder on whole streams: recorded ones to the bit, cut ones, damaged ones.
//!
//! The synthetic streams are in testdata/ast2500. Those captured from real boards are not ours to ship: the variable
//! IKVM_CAPTURES names the folder where they are.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ikvm_mcp::ast2500::{Decoder, Header, Subsampling, Update};
use ikvm_mcp::base::{DecodeError, Frame};

use crate::support::read_png;

/// One frame of a recording: what was sent, and what it makes of the picture.
struct Vector {
    name: String,
    header: Vec<u8>,
    stream: Vec<u8>,
    picture: Frame,
}

impl Vector {
    fn read(path: &Path) -> Self {
        let read = |extension| fs::read(path.with_extension(extension)).unwrap();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        Self { name, header: read("hdr"), stream: read("bin"), picture: read_png(&path.with_extension("png")) }
    }

    fn header(&self) -> Header {
        let (header, length) = Header::parse(&self.header).unwrap().unwrap();
        assert_eq!(length, self.header.len());
        header
    }

    fn decode(&self, decoder: &mut Decoder) -> Result<Update, DecodeError> {
        decoder.decode(&self.header(), &self.stream)
    }
}

/// The recordings of a folder, each a session of one or more frames: NAME, or NAME-0, NAME-1, ...
fn sessions(folder: &Path) -> Vec<Vec<Vector>> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "hdr"));
    paths.sort();
    let mut sessions: BTreeMap<String, Vec<Vector>> = BTreeMap::new();
    for path in paths {
        let vector = Vector::read(&path);
        let session = match vector.name.rsplit_once('-') {
            Some((session, _)) if session.starts_with("sequence-") => session.to_owned(),
            _ => vector.name.clone(),
        };
        sessions.entry(session).or_default().push(vector);
    }
    sessions.into_values().collect()
}

fn synthetic() -> Vec<Vec<Vector>> {
    sessions(&Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/ast2500"))
}

/// The first difference between two pictures, for a message.
fn difference(decoded: &Frame, expected: &Frame) -> String {
    if (decoded.width, decoded.height) != (expected.width, expected.height) {
        return format!("{} x {}, not {} x {}", decoded.width, decoded.height, expected.width, expected.height);
    }
    let at = decoded.pixels.iter().zip(&expected.pixels).position(|(a, b)| a != b).unwrap();
    let (x, y) = (at % decoded.width, at / decoded.width);
    format!("at {x}, {y}: {:?} instead of {:?}", decoded.pixels[at], expected.pixels[at])
}

fn assert_decodes_exactly(session: &[Vector], decoder: &mut Decoder) {
    for (number, vector) in session.iter().enumerate() {
        let update = vector.decode(decoder).unwrap_or_else(|error| panic!("{}: {error}", vector.name));
        assert_eq!(update.reset, number == 0, "{}", vector.name);
        let frame = decoder.frame();
        assert!(*frame == vector.picture, "{}: {}", vector.name, difference(&frame, &vector.picture));
    }
}

#[test]
fn every_synthetic_stream_decodes_to_its_picture_exactly() {
    let sessions = synthetic();
    assert_eq!(sessions.iter().map(Vec::len).sum::<usize>(), 32);
    for session in sessions {
        assert_decodes_exactly(&session, &mut Decoder::new());
    }
}

#[test]
fn every_captured_stream_decodes_to_its_picture_exactly() {
    let Some(folder) = std::env::var_os("IKVM_CAPTURES") else {
        eprintln!("IKVM_CAPTURES is not set: captured streams are not tested");
        return;
    };
    let sessions = sessions(Path::new(&folder));
    assert!(!sessions.is_empty());
    for session in sessions {
        assert_decodes_exactly(&session, &mut Decoder::new());
    }
}

#[test]
fn a_decoder_that_showed_something_else_before_decodes_the_same() {
    // One decoder for all, its picture white before each full frame of the same size: a pixel nobody wrote shows.
    let mut decoder = Decoder::new();
    for session in synthetic() {
        let header = session[0].header();
        let full = Decoder::new().decode(&header, &session[0].stream).unwrap();
        if !full.complete || header.subsampling == Subsampling::Quarter {
            continue;
        }
        // 0101 001: one block, all of the cache's color 1; with 1001 behind the last one.
        let blocks = header.width.div_ceil(8) * header.height.div_ceil(8);
        decoder.decode(&header, &words(&("0101001".repeat(blocks) + "1001"))).unwrap();
        let white = decoder.frame();
        assert!(white.rgb().iter().all(|&byte| byte == 255));
        for vector in &session {
            vector.decode(&mut decoder).unwrap();
            assert!(*decoder.frame() == vector.picture, "{}", vector.name);
        }
        assert!(white.rgb().iter().all(|&byte| byte == 255), "a held picture changed");
    }
}

/// A stream out of its bits.
fn words(bits: &str) -> Vec<u8> {
    let mut digits: Vec<u32> = bits.bytes().map(|digit| u32::from(digit - b'0')).collect();
    digits.resize(digits.len().next_multiple_of(32), 0);
    digits.chunks(32).flat_map(|word| word.iter().fold(0, |word, bit| word << 1 | bit).to_le_bytes()).collect()
}

#[test]
fn a_stream_cut_anywhere_before_its_last_needed_word_is_truncated() {
    let truncated = Err(DecodeError::Malformed { what: "the video stream is truncated" });
    let mut cuts = 0;
    for session in synthetic() {
        let vector = &session[0];
        if vector.picture.width * vector.picture.height > 100 * 100 {
            continue;
        }
        // The padding behind the end code may be missing.
        let is_whole = |length: usize| Decoder::new().decode(&vector.header(), &vector.stream[..length]).is_ok();
        let words = (0..=vector.stream.len() / 4).find(|&words| is_whole(words * 4)).unwrap();
        assert!(words * 4 + 8 >= vector.stream.len(), "{}: {words} words are enough", vector.name);
        for length in 0..words * 4 {
            let update = Decoder::new().decode(&vector.header(), &vector.stream[..length]);
            assert_eq!(update, truncated, "{} cut at {length}", vector.name);
            cuts += 1;
        }
    }
    assert!(cuts > 10_000, "{cuts} cuts");
}

#[test]
fn damage_never_panics_and_never_leaves_a_wrong_size() {
    let sessions = synthetic();
    let mut seed = 0x1c0d_ec5e_ed01_u64;
    let mut random = move |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % below
    };
    let (mut refused, mut accepted) = (0, 0);
    let end = Instant::now() + Duration::from_secs(1);
    let mut decoder = Decoder::new();
    while Instant::now() < end {
        let session = &sessions[random(sessions.len())];
        let vector = &session[random(session.len())];
        let (mut header, mut stream) = (vector.header.clone(), vector.stream.clone());
        // From one flipped bit to a stream that is mostly noise; some cut short, some with another header.
        for _ in 0..1 << random(8) {
            let at = random(stream.len());
            stream[at] ^= 1 << random(8);
        }
        if random(4) == 0 {
            stream.truncate(random(stream.len()));
        }
        if random(4) == 0 {
            let at = [13, 15, 44, 45, 47, 55][random(6)];
            header[at] = random(256) as u8;
        }
        let Ok(Some((header, _))) = Header::parse(&header) else { continue };
        match decoder.decode(&header, &stream) {
            Ok(_) => accepted += 1,
            Err(_) => refused += 1,
        }
        let frame = decoder.frame();
        assert_eq!(frame.pixels.len(), frame.width * frame.height);
    }
    assert!(refused > 20 && accepted > 0, "{refused} refused, {accepted} accepted");
}
