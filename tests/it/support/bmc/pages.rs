//! The fake BMC's web server: the viewer page, the REST endpoints, and who may use them.

use std::sync::Arc;

use super::setup::{Features, Login, SignOn, Token};
use super::{KvmToken, Shared, State, USER};
use super::{kvm, rpc};
use crate::support::web::{Reply, Request, Stream};

pub type Handler = Box<dyn Fn(&Request, &mut dyn Stream) -> Reply + Send + Sync>;

/// The client's address as the BMC sees it: behind a translation, not the socket's own.
pub const CLIENT_IP: &str = "198.51.100.7";
pub const SERVER_IP: &str = "192.0.2.44";

/// Length of the `session` text beside a KVM token.
const SESSION_TEXT: usize = 35;

pub fn handler(shared: Arc<Shared>) -> Handler {
    Box::new(move |request, stream| {
        let vnc = {
            let state = shared.state();
            state.vnc.clone().filter(|_| state.setup.rfb == Some(request.path()))
        };
        if let Some(vnc) = vnc {
            vnc.serve(request, stream, Some("binary"));
            return Reply::Taken;
        }
        if request.path() == "/kvm" {
            return kvm::serve(&shared, request, stream);
        }
        shared.update(|state| {
            state.busy += 1;
            state.counts.web_at_once = state.counts.web_at_once.max(state.busy);
            state.counts.requests.push(format!("{} {}", request.method, request.path()));
        });
        shared.work();
        let is_java = shared.state().setup.rpc.is_some();
        let reply = if is_java { rpc::answer(&shared, request, stream) } else { answer(&shared, request) };
        shared.update(|state| state.busy -= 1);
        let overcounts = request.method == "POST" && shared.state().setup.login == Login::Overcounted;
        if overcounts { rpc::send(reply, 700, stream) } else { reply }
    })
}

fn answer(shared: &Shared, request: &Request) -> Reply {
    shared.update(|state| match (request.method.as_str(), request.path()) {
        ("GET", "/") => state.home(),
        ("GET", "/viewer") => state.viewer(request),
        ("GET", "/sso/viewer") => state.page(request),
        ("GET", "/viewer.html") => match state.cookie(request) {
            Some(_) if state.setup.rfb == Some("/kvm/0") && state.setup.novnc => Reply::ok(
                "text/html",
                "<html><head><title>noVNC</title><script src=\"app/ui.js\"></script></head></html>",
            )
            .header("Set-Cookie", "XSRF-TOKEN=x; path=/; secure"),
            Some(_) => Reply::ok("text/html", "<html><script src=\"libs/kvm/app.js\"></script></html>"),
            None => login_page(),
        },
        ("POST", "/api/session") => state.log_in(request),
        ("DELETE", "/api/session") => state.api(request, State::log_out),
        ("GET", "/api/settings/media/h5viewercfg" | "/api/kvm/token") if state.setup.rfb == Some("/kvm/0") => {
            not_found()
        }
        ("GET", "/api/settings/media/h5viewercfg") if !state.setup.has_viewer_config => not_found(),
        ("GET", "/api/settings/media/h5viewercfg" | "/api/kvm/token") => state.api(request, State::token),
        ("GET", "/api/configuration/project") => state.api(request, |state, _| state.features()),
        ("GET", "/api/chassis-status") => state.api(request, |state, _| {
            json(200, format!("{{ \"power_status\": {}, \"led_status\": 0 }}", u8::from(state.setup.power)))
        }),
        _ => not_found(),
    })
}

impl State {
    fn viewer(&mut self, request: &Request) -> Reply {
        if !self.setup.redirects {
            return self.page(request);
        }
        Reply::status(302, "").header("Location", request.target.replacen("/viewer", "/sso/viewer", 1))
    }

    /// The page that hands the session over and goes on to the viewer.
    fn page(&mut self, request: &Request) -> Reply {
        let token = request.target.split_once("?token=").map(|(_, token)| token).unwrap_or_default();
        let Some(cookie) = self.viewers.get(token).cloned() else { return login_page() };
        let session = &self.sessions[&cookie];
        if !session.alive {
            return login_page();
        }
        let garc = self.setup.garc.replace("{}", &session.csrf);
        let (header, script) = match self.setup.sign_on {
            SignOn::SetCookie => (Some(format!("QSESSIONID={cookie}; path=/; secure; HttpOnly")), String::new()),
            SignOn::Script => (None, format!("document.cookie = \"QSESSIONID={cookie}; path=/; secure\";")),
            SignOn::Parameter => (
                None,
                "var token = new URLSearchParams(location.search).get(\"token\");\n\
                 document.cookie = \"QSESSIONID=\" + token + \"; path=/; secure\";"
                    .to_owned(),
            ),
        };
        self.see(&cookie);
        let page = format!(
            "<!DOCTYPE html>\n<html><head><title>KVM</title><script>\n{script}\n{garc}\n\
             window.location.replace(\"/viewer.html\");\n</script></head><body></body></html>\n"
        );
        let reply = Reply::ok("text/html", page);
        match header {
            Some(header) => reply.header("Set-Cookie", "lang=en; path=/").header("Set-Cookie", header),
            None => reply,
        }
    }

    fn log_in(&mut self, request: &Request) -> Reply {
        if request.header("content-type").is_none_or(|kind| !kind.starts_with("application/x-www-form-urlencoded")) {
            return json(403, "{\"error\":\"Forbidden\"}");
        }
        match self.setup.login {
            Login::Unauthorized(code) => return unauthorized(code, "Could not login"),
            Login::Banned => return Reply::status(403, "<html><body>Forbidden</body></html>"),
            Login::Result(result) => return json(200, format!("{{ \"ok\": {result} }}")),
            Login::Page => return Reply::ok("text/html", "<html><body>Welcome to nginx!</body></html>"),
            Login::Seeded if self.cookie(request).is_none() => return unauthorized(1009, "Invalid Authentication"),
            Login::Given | Login::Seeded | Login::MustChange | Login::Overcounted => {}
        }
        if !is_known(request, "username", "password") {
            return unauthorized(1005, "Could not login");
        }
        let seeded = self.cookie(request);
        let cookie = seeded.clone().unwrap_or_else(|| self.open_session());
        self.see(&cookie);
        let status = u8::from(self.setup.login == Login::MustChange);
        let csrf = &self.sessions[&cookie].csrf;
        let reply = json(
            200,
            format!(
                "{{ \"ok\": 0, \"privilege\": 4, \"extendedpriv\": 259, \"passwordStatus\": {status}, \
                 \"CSRFToken\": \"{csrf}\" }}"
            ),
        );
        match seeded {
            Some(_) => reply,
            None => reply.header("Set-Cookie", format!("QSESSIONID={cookie}; path=/; secure; HttpOnly")),
        }
    }

    /// The web server's first page.
    fn home(&mut self) -> Reply {
        let reply = login_page();
        if self.setup.login != Login::Seeded {
            return reply;
        }
        let cookie = self.open_session();
        reply.header("Set-Cookie", format!("QSESSIONID={cookie}; path=/; secure; HttpOnly"))
    }

    fn log_out(&mut self, cookie: &str) -> Reply {
        self.end(cookie);
        json(200, "{ \"ok\": 0 }")
    }

    pub fn end(&mut self, cookie: &str) {
        self.counts.logouts += 1;
        if let Some(session) = self.sessions.get_mut(cookie) {
            session.alive = false;
        }
        if self.talks.values().any(|talk| talk.session == cookie && !talk.stopped) {
            self.complaints.push("logged out before the console was told to stop".to_owned());
        }
    }

    fn token(&mut self, cookie: &str) -> Reply {
        match self.setup.token {
            Token::Given => {}
            Token::Unauthorized(code) => return unauthorized(code, "Invalid Authentication"),
            Token::Banned => return Reply::status(403, "<html><body>Forbidden</body></html>"),
            Token::Nonsense => return json(200, "{ \"kvm_service_status\": 1 }"),
        }
        self.counts.tokens += 1;
        let (token, session) = (self.secret("Kvm", 16), self.secret("Web", SESSION_TEXT));
        let server = if self.setup.body == 438 && self.setup.has_viewer_config {
            format!(", \"server_ip\": \"{SERVER_IP}\"")
        } else {
            String::new()
        };
        self.tokens.insert(token.clone(), KvmToken { session: cookie.to_owned(), used: false });
        json(
            200,
            format!("{{ \"client_ip\": \"{CLIENT_IP}\", \"token\": \"{token}\", \"session\": \"{session}\"{server} }}"),
        )
    }

    fn features(&self) -> Reply {
        match self.setup.features {
            Features::Unreadable => Reply::status(500, "<html>Internal Server Error</html>"),
            Features::HangsUp => Reply::Taken,
            Features::Plain => json(200, "[ { \"feature\": \"MEDIA\" } ]"),
            Features::Reconnect => {
                json(200, "[ { \"feature\": \"MEDIA\" }, { \"feature\": \"KVM_SESSION_RECONNECT\" } ]")
            }
        }
    }

    /// Serves a REST call to whom the cookie, the CSRF token and the page's origin entitle.
    fn api(&mut self, request: &Request, serve: impl FnOnce(&mut Self, &str) -> Reply) -> Reply {
        let Some(cookie) = self.cookie(request) else { return unauthorized(1009, "Invalid Authentication") };
        let csrf = self.sessions[&cookie].csrf.clone();
        let what = request.path();
        let mut wrong = Vec::new();
        if request.header("x-csrftoken") != Some(&csrf) {
            wrong.push(format!("{what} without X-CSRFTOKEN"));
        }
        for name in ["__Host-garc", "garc"] {
            if value(request, name).as_deref() != Some(&csrf) {
                wrong.push(format!("{what} without the cookie {name}"));
            }
        }
        if request.header("origin") != Some(&self.origin) {
            wrong.push(format!("{what} from the origin {:?}", request.header("origin")));
        }
        if !request.header("referer").is_some_and(|from| from.starts_with(&self.origin)) {
            wrong.push(format!("{what} with the Referer {:?}", request.header("referer")));
        }
        if wrong.is_empty() {
            return serve(self, &cookie);
        }
        self.complaints.append(&mut wrong);
        unauthorized(1009, "Invalid Authentication")
    }

    /// The request's session, where it is one that lives.
    pub fn cookie(&self, request: &Request) -> Option<String> {
        let cookie = value(request, "QSESSIONID")?;
        self.sessions.get(&cookie).is_some_and(|session| session.alive).then_some(cookie)
    }
}

/// Whether a form holds the right user and password in the fields of these names.
pub fn is_known(request: &Request, user: &str, password: &str) -> bool {
    let body = request.text();
    let field = |name: &str| {
        let mut pairs = body.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| ikvm_mcp::base::url::percent_decode(value))
    };
    (field(user).as_deref(), field(password).as_deref()) == (Some(USER.0), Some(USER.1))
}

/// A cookie that the request brings.
pub fn value(request: &Request, name: &str) -> Option<String> {
    let mut pairs = request.header("cookie")?.split(';').filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
}

fn json(status: u16, body: impl Into<Vec<u8>>) -> Reply {
    Reply::status(status, body).header("Content-Type", "application/json")
}

fn unauthorized(code: u32, text: &str) -> Reply {
    json(401, format!("{{ \"cc\": 7, \"error\": \"{text}\", \"code\": {code} }}"))
}

pub fn not_found() -> Reply {
    json(404, "{ \"error\": \"Not Found\" }")
}

pub fn login_page() -> Reply {
    Reply::ok(
        "text/html",
        "<!DOCTYPE html>\n<html><body><form id=\"login\"><input name=\"username\"><input type=\"password\" \
         name=\"password\"></form><script>var garc = sessionStorage.getItem(\"garc\");</script></body></html>\n",
    )
}
