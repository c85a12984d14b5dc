//! Base64 with the standard alphabet and padding (RFC 4648 section 4).

use super::bytes::groups;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const PAD: u8 = b'=';

/// What a byte that is not in the alphabet has in `VALUES`.
const NONE: u8 = 0xff;

/// The 6 bits that each byte stands for.
const VALUES: [u8; 256] = {
    let mut values = [NONE; 256];
    let mut value = 0;
    while value < 64 {
        values[ALPHABET[value] as usize] = value as u8;
        value += 1;
    }
    values
};

/// The text of `bytes`, padded, in one line.
pub fn encode(bytes: &[u8]) -> String {
    let mut text = vec![PAD; bytes.len().div_ceil(3) * 4];
    let mut quads = text.chunks_exact_mut(4);
    for (group, quad) in groups(bytes).zip(&mut quads) {
        quad.copy_from_slice(&characters(group));
    }
    if let Some(quad) = quads.next() {
        let rest = bytes.chunks_exact(3).remainder();
        let mut group = [0; 3];
        group[..rest.len()].copy_from_slice(rest);
        // One character more than there are bytes; the others stay padding.
        quad[..=rest.len()].copy_from_slice(&characters(group)[..=rest.len()]);
    }
    String::from_utf8(text).expect("the alphabet is ASCII")
}

fn characters([a, b, c]: [u8; 3]) -> [u8; 4] {
    let bits = u32::from(a) << 16 | u32::from(b) << 8 | u32::from(c);
    [18, 12, 6, 0].map(|shift| ALPHABET[(bits >> shift & 63) as usize])
}

/// The bytes of `text`, or `None` where it is not Base64. White space is skipped and padding may be missing:
/// what consoles send in text frames is not always tidy.
pub fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 2);
    // As long as it is tidy, four characters at a time.
    let mut tidy = 0;
    for quad in groups::<4>(text) {
        let [a, b, c, d] = quad.map(|byte| VALUES[usize::from(byte)]);
        // No value has the bits that `NONE` adds.
        if a | b | c | d > 63 {
            break;
        }
        bytes.extend_from_slice(&[a << 2 | b >> 4, b << 4 | c >> 2, c << 6 | d]);
        tidy += 4;
    }

    let (mut bits, mut held) = (0_u32, 0_u32);
    let mut padded = false;
    for &byte in &text[tidy..] {
        let value = match byte {
            PAD => {
                padded = true;
                continue;
            }
            b' ' | b'\r' | b'\n' | b'\t' => continue,
            _ => VALUES[usize::from(byte)],
        };
        if padded || value == NONE {
            return None;
        }
        bits = bits << 6 | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
        }
    }
    // One character alone carries 6 bits: not a byte.
    (held < 6).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vectors_of_rfc_4648_section_10_pass_both_ways() {
        for (plain, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(encode(plain.as_bytes()), text);
            assert_eq!(decode(text.as_bytes()).as_deref(), Some(plain.as_bytes()));
        }
    }

    #[test]
    fn every_byte_and_length_survives_the_round_trip() {
        let bytes: Vec<u8> = (0..=255).collect();
        for end in 0..=bytes.len() {
            assert_eq!(decode(encode(&bytes[..end]).as_bytes()).as_deref(), Some(&bytes[..end]));
        }
    }

    #[test]
    fn what_is_not_base64_is_refused() {
        for text in ["Z", "Zg=a", "Zm9v*", "Zm\u{e9}v", "Zm9vZm9vZ", "Zm9vZm=v"] {
            assert_eq!(decode(text.as_bytes()), None, "{text}");
        }
        for text in ["Zm9v\r\nYmFy", " Zm9vYmFy", "Zm9\nvYmFy", "Zm9vYmFy\n"] {
            assert_eq!(decode(text.as_bytes()).as_deref(), Some(&b"foobar"[..]), "{text:?}");
        }
    }
}
