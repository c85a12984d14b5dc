//! What is read out of pages and answers, without a connection.

use super::*;

fn script(page: &str) -> Option<String> {
    script_value(page, "garc").map(|value| value.reveal().to_owned())
}

#[test]
fn the_csrf_token_is_found_however_the_script_spells_it() {
    for page in [
        "<script>document.cookie = \"garc=abc123XY; path=/\";</script>",
        "document.cookie='QSESSIONID=zz; garc=abc123XY;secure'",
        "document.cookie = \"__Host-garc=abc123XY; path=/; secure\"",
        "document.cookie=\"garc=\" + \"abc123XY\" + \";path=/\"",
        "sessionStorage.setItem('garc', 'abc123XY');",
        "sessionStorage.setItem(\"garc\",\"abc123XY\");",
        "var garc = \"abc123XY\";",
        "{garc: 'abc123XY'}",
        "{\"garc\":\"abc123XY\"}",
        "x = getItem(\"garc\"); if (garc) { y(garc); } garc = e; setItem(\"garc\", token); garc=\"abc123XY\"",
    ] {
        assert_eq!(script(page).as_deref(), Some("abc123XY"), "{page}");
    }
}

#[test]
fn what_is_no_literal_is_no_token() {
    for page in [
        "",
        "garc",
        "garc=\"",
        "garc=\"\"",
        "garc=getCookie(\"x\");",
        "getItem(\"garc\")",
        "setItem(\"garc\", token);",
        "document.cookie=\"garc=\"+token;",
        "garc=\"a\u{e9}b\"",
        "garc=\"unterminated",
    ] {
        assert_eq!(script(page), None, "{page}");
    }
}

#[test]
fn a_page_of_nothing_but_tokens_that_are_none_is_read_in_one_pass() {
    let megabytes = 4 << 20;
    for (first, piece) in [("", "garc=x;"), ("", "garc= "), ("\"", "garc=x"), ("", "garc:")] {
        assert_eq!(script(&(first.to_owned() + &piece.repeat(megabytes / piece.len()))), None, "{piece}");
    }
}

fn response(status: u16, content_type: &str, body: &str) -> Response {
    let headers = vec![("content-type".to_owned(), content_type.to_owned())];
    Response { status, headers, body: body.as_bytes().to_vec() }
}

#[test]
fn an_answer_that_turns_us_away_says_what_to_do() {
    for (status, body, kind, words) in [
        (401, r#"{"error":"Could not login","code":15000}"#, Kind::Busy, "session table is full"),
        (401, r#"{"error":"Could not login","code":1005}"#, Kind::Denied, "HTTP 401"),
        (401, "", Kind::Denied, "does not accept the session"),
        (500, r#"{"code":17000}"#, Kind::Busy, "firmware"),
        (403, "<html>banned</html>", Kind::Busy, "wait 3 min"),
        (403, "{}", Kind::Denied, "HTTP 403"),
        (503, "", Kind::Busy, "too busy"),
        (500, "oops", Kind::Peer, "HTTP 500"),
    ] {
        let error = check(&response(status, "", body)).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
    assert!(check(&response(200, "text/html", "<html>")).is_ok());
}

#[test]
fn an_answer_to_a_login_is_judged_by_its_code() {
    for (status, body, kind, words) in [
        (401, r#"{"error":"Could not login","code":15000}"#, Kind::Busy, "session table is full"),
        (401, r#"{"error":"Could not login","code":1005}"#, Kind::Denied, "(HTTP 401, code 1005); check both"),
        (401, "Unauthorized", Kind::Denied, "(HTTP 401); check both"),
        (500, r#"{"code":17000}"#, Kind::Busy, "firmware"),
        (200, r#"{"ok":7}"#, Kind::Denied, "(result 7); check both"),
        (200, r#"{"ok":0,"passwordStatus":1}"#, Kind::Denied, "changed first"),
        (403, "<html>banned</html>", Kind::Busy, "wait 3 min"),
        (503, "", Kind::Busy, "too busy"),
    ] {
        let response = response(status, "", body);
        let answer = serde_json::from_str(body).unwrap_or_default();
        let error = logged_in(&response, &answer, true).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
    let good = response(200, "", r#"{"ok":0,"CSRFToken":"x"}"#);
    assert!(logged_in(&good, &Value::Null, true).is_ok());
    let error = logged_in(&good, &Value::Null, false).unwrap_err();
    assert!(error.to_string().contains("no session; check that console is"), "{error}");
}

#[test]
fn a_token_s_answer_is_data_or_an_error() {
    let json = r#"{"token":"T","session":"S","client_ip":"192.0.2.1","server_ip":""}"#;
    let token = KvmToken::parse(&response(200, "application/json", json)).unwrap();
    assert_eq!((token.token.reveal(), &*token.client_ip, token.server_ip), ("T", "192.0.2.1", None));
    for (kind, body) in [(Kind::Denied, "<html>login</html>"), (Kind::Peer, "{}"), (Kind::Peer, "{\"token\":7")] {
        assert_eq!(KvmToken::parse(&response(200, "", body)).err().unwrap().kind(), kind, "{body}");
    }
}

#[test]
fn the_beginning_follows_the_firmware_s_words_and_the_second_try_does_not() {
    let begin = |server_ip: Option<&str>, knows, attempt| {
        let (token, client_ip) = (Secret::new("T"), "192.0.2.1".to_owned());
        let server_ip = server_ip.map(str::to_owned);
        let config = config(KvmToken { token, client_ip, server_ip }, knows, attempt);
        (config.hello, config.server_ip.is_some())
    };
    for (server_ip, knows, first, second) in [
        (Some("x"), Some(true), (Hello::New, true), (Hello::None, true)),
        (Some("x"), Some(false), (Hello::None, true), (Hello::New, true)),
        (None, Some(true), (Hello::New, false), (Hello::None, false)),
        (None, None, (Hello::New, false), (Hello::None, false)),
        (Some("x"), None, (Hello::New, false), (Hello::New, true)),
    ] {
        assert_eq!(begin(server_ip, knows, Attempt::First), first);
        assert_eq!(begin(server_ip, knows, Attempt::Second), second);
    }
}

#[test]
fn only_what_may_stand_in_a_header_is_a_value() {
    assert!(value("abc.DEF-1_2~3").is_some());
    for text in ["", "a b", "a;b", "a\r\nb", "a\"b", "\u{e9}"] {
        assert!(value(text).is_none(), "{text:?}");
    }
    assert!(value(&"x".repeat(MAX_VALUE + 1)).is_none());
}
