//! How the fake BMC behaves: one switch for each variant, refusal and quirk that the notes on AMI MegaRAC know.

use std::time::Duration;

use super::link::Cut;

/// The switches. A test changes them before it connects, or in between; what comes next sees the change.
#[derive(Clone, Debug)]
pub struct Setup {
    /// How the viewer page hands the session over.
    pub sign_on: SignOn,
    /// What a login by name and password meets.
    pub login: Login,
    /// A firmware of the Java era in place of all of REST.
    pub rpc: Option<Rpc>,
    /// Whether the viewer URL redirects to the page first.
    pub redirects: bool,
    /// How the page's script spells the CSRF token, which goes where the braces are.
    pub garc: &'static str,
    /// How long a web request takes.
    pub web_time: Duration,
    /// What the endpoints for KVM tokens answer.
    pub token: Token,
    /// Whether there is `h5viewercfg`; without it (404) only `kvm/token` answers.
    pub has_viewer_config: bool,
    /// The validation body this firmware reads: 438 (it then tells its `server_ip`) or 373 bytes.
    pub body: usize,
    /// What `configuration/project` says.
    pub features: Features,
    /// The packet this firmware reads before 18: type and status.
    pub complete: Option<(u16, u16)>,
    /// Whether it takes every body, with or without a packet before it.
    pub takes_any_variant: bool,
    /// What the WebSocket upgrade meets.
    pub upgrade: Upgrade,
    /// `binary`, `base64`, or none.
    pub subprotocol: Option<&'static str>,
    /// What the BMC says first.
    pub greeting: Greeting,
    /// The codes of packet 19, one a try; the last one stays. Right variants alone get that far.
    pub codes: Vec<u8>,
    /// Our session's index, as packet 19 tells it: 0 is the master.
    pub index: Option<u8>,
    /// Who else is viewing: name and address.
    pub others: Vec<(&'static str, &'static str)>,
    /// Whether the host is switched on.
    pub power: bool,
    /// What full frames are sent as, one each; the last one stays.
    pub video: Vec<Video>,
    /// Data bytes of a video packet.
    pub fragment: usize,
    /// How the stream is cut into messages.
    pub cut: Cut,
    /// Whether the BMC closes the WebSocket when the client stops the session, or leaves that to the client.
    pub hangs_up: bool,
    /// Where a server of RFB answers instead of IVTP: at `/kvm` unannounced, or at `/kvm/0` with noVNC for a viewer and
    /// no KVM tokens, as AMI OneTree has it.
    pub rfb: Option<&'static str>,
    /// Whether the viewer is noVNC there, or only the tokens are missing.
    pub novnc: bool,
    /// What comes of asking how the video is encoded.
    pub engine: Engine,
    /// Whether it sends WebSocket pings and IVTP keep-alives between its packets.
    pub pings: bool,
}

impl Default for Setup {
    /// A current firmware that lets us in.
    fn default() -> Self {
        Self {
            sign_on: SignOn::Script,
            login: Login::Given,
            rpc: None,
            redirects: false,
            garc: "sessionStorage.setItem(\"garc\", \"{}\");",
            // Long enough to see two at a time.
            web_time: Duration::from_millis(2),
            token: Token::Given,
            has_viewer_config: true,
            body: 438,
            features: Features::Reconnect,
            complete: Some((58, 1)),
            takes_any_variant: false,
            upgrade: Upgrade::Accepted,
            subprotocol: Some("binary"),
            greeting: Greeting::Allowed(2),
            codes: vec![1],
            index: Some(0),
            others: Vec::new(),
            power: true,
            video: vec![Video::Good],
            fragment: 30_000,
            cut: Cut::Whole,
            hangs_up: true,
            engine: Engine::Silent,
            pings: false,
            rfb: None,
            novnc: true,
        }
    }
}

impl Setup {
    /// The firmware that the notes know from OVH: no `h5viewercfg`, the shorter body, packet 58.
    pub fn ovh() -> Self {
        Self { has_viewer_config: false, body: 373, features: Features::Unreadable, index: None, ..Self::default() }
    }

    /// The firmware that the notes know from ASMB8: no reconnection, the shortest body.
    pub fn rpc() -> Self {
        let rpc = Rpc { csrf: true, jnlp: Jnlp::Given, features: 0, overcount: 980 };
        Self { rpc: Some(rpc), body: 324, complete: None, greeting: Greeting::Allowed(0), ..Self::default() }
    }

    /// The firmware that the notes know from RD450X: reconnection, the middle body.
    pub fn rpc_with_reconnection() -> Self {
        let rpc = Rpc { csrf: false, jnlp: Jnlp::Given, features: 1 + 32, overcount: 0 };
        Self { rpc: Some(rpc), body: 373, complete: Some((58, 0)), ..Self::default() }
    }

    /// A firmware without the reconnect feature.
    pub fn old() -> Self {
        Self { body: 373, features: Features::Plain, complete: None, greeting: Greeting::Allowed(0), ..Self::default() }
    }
}

/// A firmware of the Java era: the RPC login, a JNLP, a console right on TCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rpc {
    /// Whether a login gives a CSRF token, which every request then needs.
    pub csrf: bool,
    pub jnlp: Jnlp,
    /// Of `-oemfeatures`; 32 is reconnection.
    pub features: u64,
    /// How many bytes more than come the JNLP announces.
    pub overcount: usize,
}

/// What the request for the viewer's JNLP meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Jnlp {
    Given,
    /// One that says that the session has expired.
    Full,
    /// One for the console behind the web port.
    SinglePort,
    /// One without a token.
    Tokenless,
    /// 500.
    Broken,
}

/// How the viewer page hands the session over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignOn {
    /// A Set-Cookie header.
    SetCookie,
    /// Its script makes the cookie from the URL's `token`.
    Parameter,
    /// Its script holds the cookie.
    Script,
}

/// What a login by name and password meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Login {
    /// A session, for the right name and password.
    Given,
    /// The same, but only for the anonymous session that the page at `/` makes.
    Seeded,
    /// A session that may do nothing: the password is to be changed first.
    MustChange,
    /// 401 and this code: 15000 the session table is full, 17000 a firmware update runs.
    Unauthorized(u32),
    /// 403 and HTML: too many requests.
    Banned,
    /// 200 and a result that is no success.
    Result(i32),
    /// 200 and a page: no MegaRAC at all.
    Page,
    /// A session, in an answer that announces more bytes than come.
    Overcounted,
}

/// What the endpoints for KVM tokens answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token {
    Given,
    /// 401 and this code: 15000 the session table is full, 17000 a firmware update runs, others a dead session.
    Unauthorized(u32),
    /// 403 and HTML: too many requests.
    Banned,
    /// 200 and something that is no token.
    Nonsense,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Features {
    /// The list has KVM_SESSION_RECONNECT.
    Reconnect,
    /// The list does not have it.
    Plain,
    /// 500 instead of a list.
    Unreadable,
    /// The end of the connection instead of a list.
    HangsUp,
}

/// What the WebSocket upgrade meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upgrade {
    Accepted,
    /// 101 without the proof of the key, `Connection` with two tokens.
    Sloppy,
    Refused(u16),
    /// 101, then an HTTP answer in plain text: no slot is free.
    Slots,
}

/// What the BMC says first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Greeting {
    /// 23 with this SoC's number.
    Allowed(u16),
    /// Nothing, until this is changed.
    Silent,
    /// 22: 0 the table is full, 1 the same user is in.
    Full(u16),
    /// 8 with this reason.
    Stopped(u16),
    /// 59.
    Failed,
}

/// What comes of asking how the video is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// Nothing.
    Silent,
    /// These settings, which can be changed; sharper ones show the sharp screen.
    Settings([u8; 8]),
    /// The end of the connection.
    HangsUp,
}

/// What a full frame is sent as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Video {
    Good,
    /// A JPEG file, in place of header and tiles or bare.
    Jpeg(Jpeg, Vec<u8>),
    /// Packet 9.
    Blank,
    /// The 86-byte header and no tiles.
    HeaderOnly,
    Nothing,
    /// The second fragment is missing.
    Gap,
    /// The last fragment comes after half of the tiles.
    Truncated,
    /// Tiles that begin with a block code nobody knows.
    Corrupt,
    /// A packet that announces 4 GiB.
    Endless,
    /// A picture of 256 MiB whose end is not among them.
    Flood,
    /// A frame of 65,535 x 65,535 pixels.
    Huge,
    /// The connection drops in the middle of a frame.
    CutOff,
    /// Packet 8 with this reason in the middle of a frame.
    Stopped(u16),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Jpeg {
    InPackets,
    /// Among or without packets, whatever the cut makes of it.
    Bare,
}
