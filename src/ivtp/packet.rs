//! One IVTP packet: its header, its commands, bytes to struct and back.
//!
//! Source: AMI MegaRAC, IVTP header and commands (agreed on by the viewers of several boards).
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | u16 | command |
//! | 2 | u32 | length of the payload, the header not counted |
//! | 6 | u16 | status: its meaning is the command's |
//! | 8 | length | payload |
//!
//! All numbers are little-endian. There is no magic and no checksum: one wrong step loses the stream for good.
//! Deliberately absent: the 7-byte header of viewers before 2010.

use std::fmt;

use crate::base::DecodeError;
use crate::base::bytes::{u16_le, u32_le};

/// The size of the header.
pub const HEADER: usize = 8;

/// The longest payload believed. Fragments of video are about 30 kB; nothing else comes near that.
pub const MAX_PAYLOAD: usize = 16 << 20;

/// The highest command believed; the highest one known is 0x1004.
const MAX_COMMAND: u16 = 0x1100;

/// What a packet is about. Unknown commands are values like any other.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Command(pub u16);

/// The one table of commands: makes the constants and the names out of the same line.
macro_rules! commands {
    ($($(#[$doc:meta])* $name:ident = $value:literal,)*) => {
        impl Command {
            $($(#[$doc])* pub const $name: Self = Self($value);)*
        }

        const NAMES: &[(Command, &str)] = &[$((Command::$name, stringify!($name)),)*];
    };
}

commands! {
    /// What older HTML5 viewers send for `CONNECTION_COMPLETE`.
    OLD_CONNECTION_COMPLETE = 0x00,
    /// Keyboard and mouse.
    SEND_HID_PACKET = 0x01,
    /// To the BMC: stop sending video.
    PAUSE_REDIRECTION = 0x04,
    /// To the BMC: send what changed.
    REFRESH_VIDEO_SCREEN = 0x05,
    /// To the BMC: start sending video; the first frame is a full one.
    RESUME_REDIRECTION = 0x06,
    /// Ends the session; from the BMC the status is the reason.
    STOP_SESSION_IMMEDIATE = 0x08,
    /// From the BMC: there is no video signal. Sent once or twice, then silence.
    BLANK_SCREEN = 0x09,
    /// From the BMC: how the host takes the mouse.
    USB_MOUSE_MODE = 0x0a,
    /// To the BMC: send a full frame. Status 1 leaves the inactivity timer alone.
    GET_FULL_SCREEN = 0x0b,
    /// Keyboard and mouse are encrypted from now on.
    ENABLE_ENCRYPTION = 0x0c,
    /// Keyboard and mouse are plain from now on.
    DISABLE_ENCRYPTION = 0x0d,
    /// From the BMC: whether keyboard and mouse are encrypted.
    ENCRYPTION_STATUS = 0x0e,
    /// From the BMC: the same at the beginning.
    INITIAL_ENCRYPTION_STATUS = 0x0f,
    /// To the BMC: the token that opens the session.
    VALIDATE_VIDEO_SESSION = 0x12,
    /// From the BMC: what it thinks of the token.
    VALIDATED_VIDEO_SESSION = 0x13,
    /// The lights of the keyboard.
    KBD_LED_STATUS = 0x14,
    /// To the BMC: the token of the web session.
    GET_WEB_TOKEN = 0x15,
    /// From the BMC: no room for this session.
    MAX_SESSION_CLOSE = 0x16,
    /// From the BMC, its greeting: the status is the SoC.
    CONNECTION_ALLOWED = 0x17,
    /// From the BMC: a fragment of a video frame.
    VIDEO_PACKETS = 0x19,
    /// From the BMC: the mouse mode was set.
    SET_MOUSE_MODE = 0x1c,
    /// Who may use the console when several want it.
    KVM_SHARING = 0x20,
    /// From the BMC; meaning unknown.
    KVM_SOCKET_STATUS = 0x21,
    /// To the BMC: is the host on? From it: status 1 on, 0 off.
    POWER_STATUS = 0x22,
    /// To the BMC: switch the host.
    POWER_CTRL_REQ = 0x23,
    /// From the BMC: whether it does.
    POWER_CTRL_RESP = 0x24,
    /// From the BMC: its services and their ports.
    SERVICE_INFO = 0x25,
    /// From the BMC: virtual media.
    KVM_MEDIA_INFO = 0x26,
    /// From the BMC: everybody who is viewing.
    ACTIVE_CLIENTS = 0x27,
    /// Keyboard macros of the user.
    GET_USER_MACRO = 0x28,
    /// Hands the console to another session.
    SET_NEXT_MASTER = 0x32,
    /// From the BMC: whether the host's own display is locked.
    DISPLAY_CONTROL_STATUS = 0x34,
    /// From the BMC: whether virtual media are licensed.
    MEDIA_LICENSE_STATUS = 0x35,
    /// Free places for virtual media.
    MEDIA_FREE_INSTANCE_STATUS = 0x38,
    /// Both ways, every few seconds.
    KEEP_ALIVE = 0x39,
    /// To the BMC: the viewer is new, not one that reconnects.
    CONNECTION_COMPLETE = 0x3a,
    /// From the BMC: it gives up on this connection.
    CONNECTION_FAILED = 0x3b,
    /// To the BMC: how many frames the viewer is behind.
    FPS_DIFF = 0x3c,
    /// From the BMC: how full the keyboard's queue is.
    KBD_QUEUE_STATUS = 0x3d,
    /// From the BMC: the mouse pointer that the chip draws over the picture.
    HW_CURSOR = 0x1002,
    /// To the BMC: how is the video encoded? From it: 8 bytes of settings.
    GET_VIDEO_ENGINE_CONFIGS = 0x1003,
    /// To the BMC: encode the video like this.
    SET_VIDEO_ENGINE_CONFIGS = 0x1004,
}

impl Command {
    /// Its name in the table, if it is there.
    pub fn name(self) -> Option<&'static str> {
        NAMES.iter().find(|(command, _)| *command == self).map(|(_, name)| *name)
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "command {:#x}", self.0),
        }
    }
}

/// One packet, its payload still where it arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// What it is about.
    pub command: Command,
    /// The command says what this means.
    pub status: u16,
    /// At most [`MAX_PAYLOAD`] bytes.
    pub payload: &'a [u8],
}

/// The first packet in `bytes` and its length, or `None` while it is not whole.
///
/// A command above 0x1100 is malformed, a payload above [`MAX_PAYLOAD`] too large; both are seen before the
/// payload is waited for.
pub fn parse(bytes: &[u8]) -> Result<Option<(Packet<'_>, usize)>, DecodeError> {
    let (Some(command), Some(length), Some(status)) = (u16_le(bytes, 0), u32_le(bytes, 2), u16_le(bytes, 6)) else {
        return Ok(None);
    };
    if command > MAX_COMMAND {
        return Err(DecodeError::Malformed { what: "an IVTP command beyond all known ones" });
    }
    let length = length as usize;
    if length > MAX_PAYLOAD {
        return Err(DecodeError::TooLarge { what: "IVTP payload", got: length as u64, max: MAX_PAYLOAD as u64 });
    }
    let whole = HEADER + length;
    Ok(bytes.get(HEADER..whole).map(|payload| (Packet { command: Command(command), status, payload }, whole)))
}

/// The bytes of a packet.
///
/// # Panics
/// Where the payload is longer than [`MAX_PAYLOAD`]; what this program sends has a few hundred bytes.
pub fn build(command: Command, status: u16, payload: &[u8]) -> Vec<u8> {
    assert!(payload.len() <= MAX_PAYLOAD, "IVTP payload of {} bytes", payload.len());
    let mut bytes = Vec::with_capacity(HEADER + payload.len());
    bytes.extend_from_slice(&command.0.to_le_bytes());
    bytes.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&status.to_le_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_is_not_there_until_its_last_byte_is() {
        let bytes = build(Command::VIDEO_PACKETS, 0x0102, b"abc");
        assert_eq!(bytes, [0x19, 0, 3, 0, 0, 0, 2, 1, b'a', b'b', b'c']);
        for length in 0..bytes.len() {
            assert_eq!(parse(&bytes[..length]), Ok(None), "{length}");
        }
        let packet = Packet { command: Command::VIDEO_PACKETS, status: 0x0102, payload: b"abc" };
        let mut more = bytes.clone();
        more.push(0xff);
        assert_eq!(parse(&more), Ok(Some((packet, bytes.len()))));
    }

    #[test]
    fn an_impossible_header_is_refused_before_its_payload_is_waited_for() {
        assert!(matches!(parse(&[0x01, 0x11, 0, 0, 0, 0, 0, 0]), Err(DecodeError::Malformed { .. })));
        assert_eq!(parse(&[0x00, 0x11, 1, 0, 0, 0, 0, 0]), Ok(None));
        assert!(matches!(parse(&[0x19, 0, 1, 0, 0, 1, 0, 0]), Err(DecodeError::TooLarge { got: 0x100_0001, .. })));
        assert_eq!(parse(&[0x19, 0, 0, 0, 0, 1, 0, 0]), Ok(None));
    }

    #[test]
    fn each_command_stands_in_the_table_once_and_debug_shows_its_name_or_number() {
        for (at, (command, name)) in NAMES.iter().enumerate() {
            assert!(command.0 <= MAX_COMMAND);
            assert!(NAMES[at + 1..].iter().all(|(other, twin)| other != command && twin != name), "{name}");
        }
        assert_eq!(format!("{:?} {:?}", Command::KEEP_ALIVE, Command(0x99)), "KEEP_ALIVE command 0x99");
    }
}
