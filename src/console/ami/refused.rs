//! What a caller can do about a console that shows nothing: kind and hint for each refusal of the protocol.

use crate::base::{Error, Kind};
use crate::ivtp::{Refusal, StopReason, Validation};

const FULL_HINT: &str = "close another viewer or try again in 30 min";

/// What to do where the session, not the one who asks, is refused.
pub(super) const AGAIN: &str = "try again: that begins a new session";

/// The error for a refusal.
pub(super) fn refused(refusal: Refusal) -> Error {
    let (kind, hint) = match refusal {
        Refusal::Http | Refusal::NoRoom(_) => (Kind::Busy, FULL_HINT),
        Refusal::NotShared(_) => (Kind::Busy, "ask that viewer to share or close the console"),
        Refusal::Rfb => (Kind::Unsupported, "this console needs a VNC client"),
        Refusal::ForeignSoc(_) | Refusal::ForeignVideo(_) => (Kind::Unsupported, "use the BMC's own viewer"),
        Refusal::Failed => (Kind::Peer, "try again"),
        Refusal::Invalid(Validation(2)) => {
            (Kind::Denied, "enable KVM on the BMC or grant the account the KVM privilege")
        }
        Refusal::Invalid(Validation(6)) => {
            (Kind::Denied, "check whether the BMC sees this machine behind another address")
        }
        Refusal::Invalid(_) => (Kind::Denied, AGAIN),
    };
    Error::new(kind, refusal.to_string()).hint(hint)
}

/// The error for a session that the BMC ended.
pub(super) fn stopped(reason: StopReason) -> Error {
    let (kind, hint) = match reason {
        StopReason::LOGGED_OUT => (Kind::Denied, AGAIN),
        StopReason::TAKEN | StopReason::VNC => (Kind::Busy, "try again when nobody else uses the console"),
        _ => (Kind::Peer, "try again"),
    };
    Error::new(kind, format!("the BMC ended the console session: {reason}")).hint(hint)
}

/// Whether another token and another form of the handshake may help, as these codes do not tell a used-up token from
/// packets that this firmware does not expect.
pub(super) fn is_worth_a_retry(refusal: Refusal) -> bool {
    matches!(refusal, Refusal::Invalid(Validation::INVALID_SESSION | Validation::INVALID_INFO))
}
