//! What is read out of the RPC answers and the JNLP, without a connection.

use super::*;

fn answer(body: &str) -> Response {
    Response { status: 200, headers: Vec::new(), body: body.as_bytes().to_vec() }
}

fn cookie(body: &str) -> Result<String, Kind> {
    session_cookie(&answer(body)).map(|cookie| cookie.reveal().to_owned()).map_err(|error| error.kind())
}

#[test]
fn the_session_is_found_in_the_answers_script_and_only_there() {
    let given = "//Dynamic Data Begin\n WEBVAR_JSONVAR_WEB_SESSION = { WEBVAR_STRUCTNAME_WEB_SESSION : [ \
                 { 'SESSION_COOKIE' : 'AbC123','CSRFTOKEN':'x9' }, {} ],\n HAPI_STATUS:0 };";
    assert_eq!(cookie(given).as_deref(), Ok("AbC123"));
    assert_eq!(field(given, "CSRFTOKEN"), Some("x9"));
    assert_eq!(cookie("{'SESSION_COOKIE':'Failure_Login_Somewhere'} HAPI_STATUS:0"), Err(Kind::Denied));
    assert_eq!(cookie("{ \"SESSION_COOKIE\": \"AbC\" }").as_deref(), Ok("AbC"));
    assert_eq!(cookie("{'SESSION_COOKIE':'AbC'}, HAPI_STATUS : -1 };"), Err(Kind::Denied));
    for nothing in [
        "",
        "<html>",
        "SESSION_COOKIE",
        "'SESSION_COOKIE':'','CSRFTOKEN':'x'",
        "'SESSION_COOKIE':'a b'",
        "SESSION_COOKIE:'",
    ] {
        assert_eq!(cookie(nothing), Err(Kind::Peer), "{nothing}");
    }
}

fn jnlp(arguments: &[&str]) -> String {
    let arguments: String = arguments.iter().map(|argument| format!("<argument>{argument}</argument>\n")).collect();
    format!("<?xml version=\"1.0\"?><jnlp spec=\"1.0+\"><application-desc>{arguments}</application-desc></jnlp>")
}

#[test]
fn the_viewers_arguments_are_read_by_name() {
    let viewer = |arguments: &[&str]| {
        let viewer = Viewer::parse(&jnlp(arguments)).unwrap();
        (viewer.token.reveal().to_owned(), viewer.port, viewer.is_tls, viewer.knows_reconnection)
    };
    assert_eq!(viewer(&["-kvmtoken", "T"]), ("T".to_owned(), 7578, false, false));
    assert_eq!(viewer(&["-kvmsecure", "1", "-kvmtoken", "T"]), ("T".to_owned(), 7582, true, false));
    let all = ["-oemfeatures", "48", "-kvmport", "9000", "-kvmtoken", "T", "-kvmsecure", "0"];
    assert_eq!(viewer(&all), ("T".to_owned(), 9000, false, true));
}

#[test]
fn a_jnlp_that_starts_no_viewer_says_why() {
    for (page, kind) in [
        ("<html>login</html>".to_owned(), Kind::Denied),
        (jnlp(&[]), Kind::Peer),
        (jnlp(&["-kvmtoken"]), Kind::Peer),
        (jnlp(&["-kvmtoken", "-kvmport", "7578"]), Kind::Peer),
        (jnlp(&["-kvmtoken", "session_expired"]), Kind::Busy),
        (jnlp(&["-kvmtoken", "T", "-singleportenabled", "1"]), Kind::Unsupported),
    ] {
        assert_eq!(Viewer::parse(&page).unwrap_err().kind(), kind, "{page}");
    }
}
