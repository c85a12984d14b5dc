//! Viewer pages whose console speaks RFB: what answers decides, not what was expected.

use super::*;
use crate::support::bmc::{Bmc, Setup as BmcSetup, SignOn};
use crate::support::vnc::pictures;
use crate::support::web::{Reply, Web};

fn server() -> Arc<Vnc> {
    Arc::new(Vnc::inside(Setup::default(), pictures(vec![screen(1)], Encoding::ZRLE)))
}

fn viewer(url: String) -> Access {
    Access {
        route: Route::Viewer(Secret::new(url)),
        certificate: Certificate::default(),
        expires: None,
        notes: Vec::new(),
    }
}

#[test]
fn a_bmc_whose_kvm_socket_speaks_rfb_is_shown_and_logged_out() {
    let server = server();
    let bmc = Bmc::start_with(BmcSetup { rfb: Some("/kvm"), ..BmcSetup::default() }, Arc::clone(&server));
    let snapshot = look(&viewer(bmc.viewer_url()));
    assert_shows(&snapshot, &screen(1));
    assert_eq!(snapshot.kind, "VNC (RFB)");
    // On the connection that was opened for IVTP.
    assert_eq!(server.wait("the end", |seen| seen.ended == 1).connections, 1);
    bmc.assert_all_closed();
    assert_eq!((bmc.counts().sessions, bmc.counts().logouts), (1, 1));
}

#[test]
fn a_viewer_that_is_novnc_leads_to_the_socket_behind_it_with_the_pages_cookies() {
    for (novnc, subprotocol) in [(true, "x"), (false, "binary")] {
        let server = server();
        let setup = BmcSetup { rfb: Some("/kvm/0"), novnc, sign_on: SignOn::SetCookie, ..BmcSetup::default() };
        let bmc = Bmc::start_with(setup, Arc::clone(&server));
        assert_shows(&look(&viewer(bmc.viewer_url())), &screen(1));
        let seen = server.wait("the end", |seen| seen.ended == 1);
        let cookies = seen.header("cookie").unwrap();
        assert!(cookies.contains("QSESSIONID=Qs") && cookies.contains("lang=en"), "{cookies}");
        assert_eq!(cookies.contains("XSRF-TOKEN=x"), novnc, "{cookies}");
        assert_eq!(seen.header("sec-websocket-protocol"), Some(subprotocol));
        assert!(seen.header("origin").unwrap().starts_with("https://127.0.0.1:"));
        bmc.assert_all_closed();
        assert_eq!((bmc.counts().sessions, bmc.counts().logouts), (1, 1));
    }
}

#[test]
fn a_novnc_page_of_anybody_may_name_its_socket_and_its_password() {
    let setup = Setup { security: Security::Vnc("secret"), ..Setup::default() };
    let server = Arc::new(Vnc::inside(setup, pictures(vec![screen(1)], Encoding::TIGHT)));
    let web = Web::http({
        let server = Arc::clone(&server);
        move |request, stream| match request.path() {
            "/vnc.html" => Reply::ok("text/html", "<script type=\"module\" src=\"core/rfb.js\"></script>")
                .header("Set-Cookie", "SID=1; HttpOnly"),
            "/websockify" => {
                server.serve(request, stream, Some("binary"));
                Reply::Taken
            }
            _ => Reply::status(404, ""),
        }
    });
    let url = format!("{}/vnc.html?path=websockify%3Ftoken%3Dt&password=secret", web.url());
    assert_shows(&look(&viewer(url)), &screen(1));
    let seen = server.seen();
    assert_eq!((seen.target.as_str(), seen.header("cookie")), ("/websockify?token=t", Some("SID=1")));
    let error = refused(&viewer(format!("{}/vnc.html?path=elsewhere", web.url())));
    assert_says(&error, Kind::NotFound, "there is no WebSocket at this path (HTTP 404)");
}
