//! IVTP as a BMC speaks it, written apart from the client's code: packets, the validation body, video fragments.
//!
//! Source: AMI MegaRAC notes, "IVTP" and "Video". Everything is little-endian.
//!
//! | packet | u16 type, u32 length of the payload, u16 status, payload |
//! |---|---|
//! | video (25) | payload: u16 fragment number, bit 15 on the last, then data; fragment 0 begins with the 86-byte header |

pub const STOP: u16 = 8;
pub const BLANK: u16 = 9;
pub const FULL_SCREEN: u16 = 11;
pub const VALIDATE: u16 = 18;
pub const VALIDATED: u16 = 19;
pub const MAX_SESSION: u16 = 22;
pub const ALLOWED: u16 = 23;
pub const VIDEO: u16 = 25;
pub const SHARING: u16 = 32;
pub const POWER: u16 = 34;
pub const MEDIA_INFO: u16 = 38;
pub const CLIENTS: u16 = 39;
pub const NEXT_MASTER: u16 = 50;
pub const KEEP_ALIVE: u16 = 57;
pub const COMPLETE: u16 = 58;
pub const FAILED: u16 = 59;
pub const FPS_DIFF: u16 = 60;

/// No client sends more than this: the validation body is the longest.
const MAX_PAYLOAD: usize = 4096;

/// The header of a video frame.
pub const HEADER: usize = 86;

/// Where the header has its sizes: source, destination, the engine's own.
const SIZES: [usize; 3] = [4, 13, 30];

const COMPRESS_SIZE: usize = 69;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    pub kind: u16,
    pub status: u16,
    pub payload: Vec<u8>,
}

impl Packet {
    /// Takes the first packet off `input`, once it is there to its last byte.
    pub fn take(input: &mut Vec<u8>) -> Result<Option<Self>, String> {
        let Some(&[a, b, c, d, e, f, g, h]) = input.first_chunk() else { return Ok(None) };
        let length = u32::from_le_bytes([c, d, e, f]) as usize;
        if length > MAX_PAYLOAD {
            return Err(format!("a packet of type {} announces {length} bytes", u16::from_le_bytes([a, b])));
        }
        if input.len() < 8 + length {
            return Ok(None);
        }
        let payload = input[8..8 + length].to_vec();
        input.drain(..8 + length);
        Ok(Some(Self { kind: u16::from_le_bytes([a, b]), status: u16::from_le_bytes([g, h]), payload }))
    }
}

/// A packet's bytes.
pub fn packet(kind: u16, status: u16, payload: &[u8]) -> Vec<u8> {
    announcing(kind, status, payload.len() as u32, payload)
}

/// A packet whose header announces another length than it has.
pub fn announcing(kind: u16, status: u16, length: u32, payload: &[u8]) -> Vec<u8> {
    [&kind.to_le_bytes()[..], &length.to_le_bytes(), &status.to_le_bytes(), payload].concat()
}

/// `stream` (header and tiles, or whatever a frame is) as video packets of at most `size` bytes of data.
pub fn fragments(stream: &[u8], size: usize) -> Vec<Vec<u8>> {
    let pieces: Vec<&[u8]> = stream.chunks(size).collect();
    let last = pieces.len() - 1;
    let numbered = pieces.iter().enumerate();
    numbered.map(|(number, data)| fragment(number as u16, number == last, data)).collect()
}

/// One video packet.
pub fn fragment(number: u16, last: bool, data: &[u8]) -> Vec<u8> {
    let number = number | if last { 0x8000 } else { 0 };
    packet(VIDEO, 0, &[&number.to_le_bytes()[..], data].concat())
}

/// `frame` with another picture size in its header.
pub fn resized(frame: &[u8], width: u16, height: u16) -> Vec<u8> {
    let mut frame = frame.to_vec();
    for at in SIZES {
        frame[at..at + 2].copy_from_slice(&width.to_le_bytes());
        frame[at + 2..at + 4].copy_from_slice(&height.to_le_bytes());
    }
    frame
}

/// The header of `frame` alone, saying that nothing follows.
pub fn header_only(frame: &[u8]) -> Vec<u8> {
    let mut header = frame[..HEADER].to_vec();
    header[COMPRESS_SIZE..COMPRESS_SIZE + 4].fill(0);
    header
}

/// A client as packets 32 and 39 name one: name, address, session id, privilege.
pub fn client_record(name: &str, ip: &str, id: u8) -> Vec<u8> {
    let mut record = vec![0; 134];
    record[..name.len()].copy_from_slice(name.as_bytes());
    record[64..64 + ip.len()].copy_from_slice(ip.as_bytes());
    record[129] = id;
    record[130..134].copy_from_slice(&4_u32.to_le_bytes()); // administrator
    record
}

/// What packet 18 carries.
#[derive(Debug)]
pub struct Validation {
    pub token: String,
    pub client_ip: String,
    /// Of the longer body alone.
    pub server_ip: Option<String>,
}

impl Validation {
    /// The fields of the bodies in use, each looked at to its last byte.
    pub fn parse(packet: &Packet, is_java: bool) -> Result<Self, String> {
        let body = &packet.payload;
        if !(if is_java { [324, 373] } else { [373, 438] }).contains(&body.len()) {
            return Err(format!("a validation body of {} bytes", body.len()));
        }
        if packet.status != u16::from(!is_java) {
            return Err(format!("packet 18 has status {}; 1 is an HTML5 client, 0 a Java one", packet.status));
        }
        if body[0] != 0 {
            return Err(format!("token type {}, not that of a web session", body[0]));
        }
        let user = text(body, 195, 129, "user name")?;
        if user.is_empty() {
            return Err("an empty user name".to_owned());
        }
        if body.len() > 324 {
            let mac = text(body, 324, 49, "MAC address")?;
            if mac != "00-00-00-00-00-00" {
                return Err(format!("the MAC address {mac}"));
            }
        }
        let server_ip = if body.len() == 438 { Some(text(body, 373, 65, "server address")?) } else { None };
        Ok(Self { token: text(body, 1, 129, "token")?, client_ip: text(body, 130, 65, "client address")?, server_ip })
    }
}

/// A text field: NUL-padded to its end, the last byte being NUL in any case.
fn text(body: &[u8], at: usize, length: usize, name: &str) -> Result<String, String> {
    let field = &body[at..at + length];
    let end = field.iter().position(|&byte| byte == 0).ok_or(format!("the {name} fills its field"))?;
    if field[end..].iter().any(|&byte| byte != 0) {
        return Err(format!("the {name} is not padded with NUL"));
    }
    String::from_utf8(field[..end].to_vec()).map_err(|_| format!("the {name} is not text"))
}
