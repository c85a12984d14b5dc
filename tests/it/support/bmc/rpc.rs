//! The fake BMC's web server with firmware of the Java era: HTTP/1.0, the RPC login, the JNLP that opens the console.

use super::pages::{is_known, login_page, not_found, value};
use super::setup::{Jnlp, Rpc};
use super::{KvmToken, Shared, State};
use crate::support::web::{Reply, Request, Stream};

/// What a login that fails has in place of its cookie, after HTTP 200.
const FAILURE: &str = "Failure_Login_Local_Then_Directory";

/// Answers, and ends the connection, as it does after each answer.
pub fn answer(shared: &Shared, request: &Request, stream: &mut dyn Stream) -> Reply {
    let Some(rpc) = shared.state().setup.rpc else { return not_found() };
    let reply = shared.update(|state| match (request.method.as_str(), request.path()) {
        ("GET", "/") => login_page(),
        ("POST", "/rpc/WEBSES/create.asp") => state.create(request, rpc),
        ("GET", "/Java/jviewer.jnlp") => state.with_session(request, rpc, |state, cookie| state.jnlp(cookie, rpc)),
        ("GET", "/rpc/WEBSES/logout.asp") => state.with_session(request, rpc, |state, cookie| {
            state.end(cookie);
            Reply::ok("text/plain", "HAPI_STATUS:0 };")
        }),
        _ => not_found(),
    });
    send(reply, if request.path() == "/Java/jviewer.jnlp" { rpc.overcount } else { 0 }, stream)
}

/// Sends an answer that announces so many bytes more than come, and ends the connection.
pub fn send(reply: Reply, more: usize, stream: &mut dyn Stream) -> Reply {
    let Reply::Answer { status, headers, body } = reply else { return reply };
    let mut head = format!("HTTP/1.0 {status} OK\r\nContent-Length: {}\r\n", body.len() + more);
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    // A client that left is its own loss.
    let _ = stream.write_all(&[head.as_bytes(), b"\r\n", &body].concat()).and_then(|()| stream.flush());
    Reply::Taken
}

impl State {
    fn create(&mut self, request: &Request, rpc: Rpc) -> Reply {
        if request.header("content-type") != Some("application/x-www-form-urlencoded") {
            self.complaints.push("an RPC login that is no form".to_owned());
        }
        let (cookie, csrf) = if is_known(request, "WEBVAR_USERNAME", "WEBVAR_PASSWORD") {
            let cookie = self.open_session();
            self.see(&cookie);
            let csrf = self.sessions[&cookie].csrf.clone();
            (cookie, csrf)
        } else {
            (FAILURE.to_owned(), String::new())
        };
        let csrf = if rpc.csrf { format!(",'CSRFTOKEN' : '{csrf}'") } else { String::new() };
        Reply::ok(
            "text/plain",
            format!(
                "//Begin\n WEB_SESSION = {{ LIST : [ {{ 'SESSION_COOKIE' : '{cookie}'{csrf} }}, {{}} ],\n HAPI_STATUS:0 }};"
            ),
        )
    }

    /// Serves who has the cookie and the token; others get the login page.
    fn with_session(&mut self, request: &Request, rpc: Rpc, serve: impl FnOnce(&mut Self, &str) -> Reply) -> Reply {
        let Some(cookie) = value(request, "SessionCookie") else { return login_page() };
        let Some(session) = self.sessions.get(&cookie).filter(|session| session.alive) else { return login_page() };
        if rpc.csrf && request.header("csrftoken") != Some(&session.csrf) {
            self.complaints.push(format!("{} without CSRFTOKEN", request.path()));
            return login_page();
        }
        serve(self, &cookie)
    }

    fn jnlp(&mut self, cookie: &str, rpc: Rpc) -> Reply {
        let token = match rpc.jnlp {
            Jnlp::Broken => return Reply::status(500, "no"),
            Jnlp::Full => "session_expired".to_owned(),
            Jnlp::Tokenless => String::new(),
            Jnlp::Given | Jnlp::SinglePort => {
                let token = self.secret("Kvm", 16);
                self.tokens.insert(token.clone(), KvmToken { session: cookie.to_owned(), used: false });
                self.counts.tokens += 1;
                token
            }
        };
        let (port, tls) = self.console;
        let single = u8::from(rpc.jnlp == Jnlp::SinglePort);
        let (port, tls, features) = (port.to_string(), u8::from(tls).to_string(), rpc.features.to_string());
        let arguments = [
            ("-hostname", "192.0.2.44"),
            ("-kvmport", &port),
            ("-kvmtoken", &token),
            ("-kvmsecure", &tls),
            ("-singleportenabled", &single.to_string()),
            ("-webcookie", cookie),
            ("-oemfeatures", &features),
        ];
        let arguments: String = arguments
            .iter()
            .map(|(name, value)| format!("    <argument>{name}</argument>\n    <argument>{value}</argument>\n"))
            .collect();
        Reply::ok(
            "application/x-java-jnlp-file",
            format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<jnlp spec=\"1.0+\">\n<application-desc>\n{arguments}\
                 </application-desc>\n</jnlp>\n"
            ),
        )
    }
}
