//! The fake server's handshake: versions, security types, who is let in.

use ikvm_mcp::rfb::des;

use super::Setup;
use super::wire::{Gone, Wire};

/// Whom the server lets in.
#[derive(Clone, Debug)]
pub enum Security {
    /// Everybody.
    None,
    /// Who knows this password (VNC authentication).
    Vnc(&'static str),
    /// The same, behind Tight's list of types, with capabilities behind ServerInit.
    Tight(&'static str),
    /// VeNCrypt with this subtype, and a certificate of testdata/tls where that has TLS.
    Vencrypt { subtype: u32, certificate: &'static str, user: &'static str, password: &'static str },
    /// Nobody, for this reason.
    Refused(&'static str),
    /// These types, and whatever is chosen the connection closes.
    Only(&'static [u8]),
    /// VeNCrypt with these subtypes beside these types; whatever is chosen of VeNCrypt the connection closes.
    OnlySubtypes(&'static [u8], &'static [u32]),
}

const CHALLENGE: [u8; 16] = *b"0123456789abcdef";
const DENIED: &str = "Authentication failed\0";

/// Version to SecurityResult, as far as the client gets.
pub fn greet(setup: &Setup, wire: &mut Wire<'_>) -> Result<(), Gone> {
    wire.send(format!("{}\n", setup.version).as_bytes());
    let answer = wire.need(12)?;
    let version = std::str::from_utf8(&answer[4..11]).unwrap().to_owned();
    let old = version == "003.003";
    let offer = |types: &[u8], wire: &mut Wire<'_>| -> Result<u8, Gone> {
        if old {
            wire.send(&u32::from(types[0]).to_be_bytes());
            return Ok(types[0]);
        }
        wire.send(&[types.len() as u8]);
        wire.send(types);
        let choice = wire.need(1)?[0];
        assert!(types.contains(&choice), "{choice} was not offered");
        Ok(choice)
    };
    match &setup.security {
        Security::None => {
            offer(&[1], wire)?;
            if version == "003.008" {
                wire.send(&[0; 4]);
            }
            Ok(())
        }
        Security::Vnc(password) => {
            // Two types, one of which every client can.
            offer(if old { &[2] } else { &[2, 16] }, wire)?;
            vnc(password, &version, wire)
        }
        Security::Tight(password) => {
            offer(&[16], wire)?;
            // One tunnel that nobody wants, then VNC authentication.
            wire.send(&[&[0, 0, 0, 1][..], b"\0\0\0\x01SICRSCHANNEL"].concat());
            assert_eq!(wire.need(4)?, [0; 4]);
            wire.send(&[&[0, 0, 0, 1][..], b"\0\0\0\x02STDVVNCAUTH_"].concat());
            assert_eq!(wire.need(4)?, [0, 0, 0, 2]);
            vnc(password, &version, wire)
        }
        Security::Vencrypt { subtype, certificate, user, password } => {
            offer(&[19], wire)?;
            subtypes(&[*subtype], wire)?;
            assert_eq!(wire.need(4)?, subtype.to_be_bytes());
            if *subtype >= 260 {
                wire.send(&[1]);
                wire.start_tls(certificate);
            }
            match subtype {
                260 => {
                    wire.send(&[0; 4]);
                    Ok(())
                }
                261 => vnc(password, &version, wire),
                _ => plain(user, password, wire),
            }
        }
        Security::Refused(reason) => {
            wire.send(if old { &[0; 4] } else { &[0] });
            wire.send(&(reason.len() as u32).to_be_bytes());
            wire.send(reason.as_bytes());
            Err(Gone)
        }
        Security::Only(types) => {
            offer(types, wire)?;
            Err(Gone)
        }
        Security::OnlySubtypes(others, list) => {
            let types = [&[19], *others].concat();
            match offer(&types, wire)? {
                19 => {
                    subtypes(list, wire)?;
                    wire.need(1)?;
                    Err(Gone)
                }
                _ => vnc("secret", &version, wire),
            }
        }
    }
}

fn subtypes(list: &[u32], wire: &mut Wire<'_>) -> Result<(), Gone> {
    wire.send(&[0, 2]);
    assert_eq!(wire.need(2)?, [0, 2]);
    wire.send(&[0, list.len() as u8]);
    list.iter().for_each(|subtype| wire.send(&subtype.to_be_bytes()));
    Ok(())
}

fn vnc(password: &str, version: &str, wire: &mut Wire<'_>) -> Result<(), Gone> {
    wire.send(&CHALLENGE);
    let answer = wire.need(16)?;
    result(answer == des::answer(password.as_bytes(), CHALLENGE), version, wire)
}

fn plain(user: &str, password: &str, wire: &mut Wire<'_>) -> Result<(), Gone> {
    let lengths = wire.need(8)?;
    let mut text = |at: usize| {
        let length = u32::from_be_bytes(*lengths[at..].first_chunk().unwrap());
        wire.need(length as usize).map(|bytes| String::from_utf8(bytes).unwrap())
    };
    let given = (text(0)?, text(4)?);
    result((given.0.as_str(), given.1.as_str()) == (user, password), "003.008", wire)
}

fn result(accepted: bool, version: &str, wire: &mut Wire<'_>) -> Result<(), Gone> {
    wire.send(&u32::from(!accepted).to_be_bytes());
    if accepted {
        return Ok(());
    }
    if version == "003.008" {
        wire.send(&(DENIED.len() as u32).to_be_bytes());
        wire.send(DENIED.as_bytes());
    }
    Err(Gone)
}

/// Size, format and name; behind Tight the numbers of capabilities, and one of each.
pub fn server_init(setup: &Setup) -> Vec<u8> {
    let mut bytes = Vec::new();
    for number in [setup.size.0, setup.size.1] {
        bytes.extend((number as u16).to_be_bytes());
    }
    bytes.extend(setup.format.build());
    bytes.extend((setup.name.len() as u32).to_be_bytes());
    bytes.extend(setup.name.as_bytes());
    if matches!(setup.security, Security::Tight(_)) {
        bytes.extend([0, 1, 0, 1, 0, 1, 0, 0]);
        bytes.extend([7; 3 * 16]);
    }
    bytes
}
