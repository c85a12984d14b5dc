//! Why a console shows no picture, in its own codes and in our words.
//!
//! Source: AMI MegaRAC, VALIDATED codes, MAX_SESSION_CLOSE, STOP reasons, KVM sharing.

use std::fmt;

/// Why a console lets us see nothing. Displays as the middle of a sentence, without a full stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// An HTTP text where the stream should begin: the BMC has no slot left for a console.
    Http,
    /// The port speaks RFB (VNC), not IVTP.
    Rfb,
    /// Packet 22: no room, the status says why.
    NoRoom(u16),
    /// Packet 59: the BMC gave up on the connection.
    Failed,
    /// The greeting names a system on chip whose video is not Aspeed's.
    ForeignSoc(u16),
    /// The video frames have a header of this many bytes, which is not Aspeed's.
    ForeignVideo(u16),
    /// Packet 19 with another code than 1.
    Invalid(Validation),
    /// Packet 32: the one who has the console denied it to us; the answer's code.
    NotShared(u8),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http => {
                f.write_str("the BMC answered with an HTTP text instead of a console: its KVM slots are full")
            }
            Self::Rfb => {
                f.write_str("a VNC (RFB) console answered where an AMI one was expected (AMI OneTree firmware)")
            }
            Self::NoRoom(0) => f.write_str("the BMC has no KVM session left: the maximum is reached"),
            Self::NoRoom(1) => f.write_str("a KVM session of the same client and user is open already"),
            Self::NoRoom(status) => write!(f, "the BMC has no KVM session for us (status {status})"),
            Self::Failed => f.write_str("the BMC gave up on the connection"),
            Self::ForeignSoc(soc) => {
                write!(
                    f,
                    "the BMC's chip (SoC id {soc}) has a video engine that is not Aspeed's, perhaps Pilot or Hermon"
                )
            }
            Self::ForeignVideo(34) => f.write_str("the console sends video of the Pilot video engine"),
            Self::ForeignVideo(length) => {
                write!(
                    f,
                    "the console's video is not Aspeed's (a frame header of {length} bytes, not 86), perhaps Pilot's"
                )
            }
            Self::Invalid(code) => write!(f, "{code}"),
            Self::NotShared(answer) => {
                write!(f, "another viewer has the console and did not share it (answer {answer})")
            }
        }
    }
}

/// What packet 19 says about our token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validation(pub u8);

impl Validation {
    /// The token is unknown, used up or expired; or the packets before it are not what this firmware expects.
    pub const INVALID_SESSION: Self = Self(0);
    /// Welcome.
    pub const VALID: Self = Self(1);
    /// The packets before it are not what this firmware expects, or the token has no video session.
    pub const INVALID_INFO: Self = Self(3);

    const SENTENCES: [(Self, &'static str); 9] = [
        (Self::INVALID_SESSION, "the BMC calls the KVM session invalid"),
        (Self::VALID, "the BMC calls the KVM session valid"),
        (Self(2), "the KVM console is disabled or the account lacks the KVM privilege"),
        (Self::INVALID_INFO, "the BMC calls the video session's data invalid"),
        (Self(4), "the BMC calls the token for the CD drive invalid"),
        (Self(5), "the BMC calls the token for the floppy drive invalid"),
        (Self(6), "the BMC calls our client address invalid"),
        (Self(7), "the BMC calls our hardware address invalid"),
        (Self(8), "the KVM session is not registered any more"),
    ];
}

impl fmt::Display for Validation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Self::SENTENCES.iter().find(|(code, _)| code == self) {
            Some((_, sentence)) => write!(f, "{sentence} (validation code {})", self.0),
            None => write!(f, "the BMC refused the KVM session with an unknown validation code {}", self.0),
        }
    }
}

/// Why the BMC ended a session: the status of packet 8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StopReason(pub u16);

impl StopReason {
    /// The web session under it was logged out.
    pub const LOGGED_OUT: Self = Self(7);
    /// Somebody ended it by hand.
    pub const TAKEN: Self = Self(10);
    /// The console serves VNC now.
    pub const VNC: Self = Self(14);

    const SENTENCES: [(Self, &'static str); 10] = [
        (Self(2), "the KVM server restarts"),
        (Self(5), "its configuration changed"),
        (Self::LOGGED_OUT, "the web session was logged out"),
        (Self(8), "its license expired"),
        (Self(9), "nothing was typed for too long"),
        (Self::TAKEN, "an administrator or another viewer ended it"),
        (Self(11), "the web server restarts"),
        (Self(12), "the BMC restarts"),
        (Self(13), "the BMC returns to its factory settings"),
        (Self::VNC, "a VNC session owns the console"),
    ];
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Self::SENTENCES.iter().find(|(reason, _)| reason == self) {
            Some((_, sentence)) => write!(f, "{sentence} (reason {})", self.0),
            None => write!(f, "reason {}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_that_we_know_has_a_sentence_of_its_own() {
        let mut sentences: Vec<String> = (0..=9).map(|code| Validation(code).to_string()).collect();
        sentences.extend((0..=15).map(|reason| StopReason(reason).to_string()));
        sentences.extend((0..=2).map(|status| Refusal::NoRoom(status).to_string()));
        sentences.extend([Refusal::Http, Refusal::Rfb, Refusal::Failed].map(|refusal| refusal.to_string()));
        let count = sentences.len();
        sentences.sort();
        sentences.dedup();
        assert_eq!(sentences.len(), count);
        assert_eq!(StopReason(3).to_string(), "reason 3");
        assert_eq!(Validation(8).to_string(), "the KVM session is not registered any more (validation code 8)");
    }
}
