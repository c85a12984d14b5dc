//! Tests of what answers mean, without a network: one table row for each refusal known of OVH.

use serde_json::json;

use super::*;
const ACCESS: Call<'_> = Call { method: Method::Post, path: "/dedicated/server/ns1/features/ipmi/access" };
const LIST: Call<'_> = Call { method: Method::Get, path: "/dedicated/server" };

fn keys() -> Credentials {
    let [application_key, application_secret, consumer_key] = ["ak-1", "as-2", "ck-3"].map(Secret::new);
    Credentials::Keys { application_key, application_secret, consumer_key }
}

fn speaker(credentials: &Credentials) -> Speaker<'_> {
    Speaker { credentials: Some(credentials), sent: None }
}

fn response(status: u16, body: impl Into<Vec<u8>>) -> Response {
    Response { status, headers: vec![("x-ovh-queryid".to_owned(), "EU.ext-1.ab".to_owned())], body: body.into() }
}

fn refused(call: Call<'_>, status: u16, code: &str, message: &str, credentials: &Credentials) -> Error {
    let body = json!({"message": message, "errorCode": code}).to_string();
    read(call, &response(status, body), speaker(credentials)).unwrap_err().into()
}

#[test]
fn every_refusal_is_quoted_with_its_query_and_says_what_to_do() {
    for (status, code, message, kind, advice) in [
        (403, "NOT_GRANTED_CALL", "This call has not been granted", Kind::Denied, "run `ikvm-mcp login`"),
        (403, "NOT_CREDENTIAL", "This credential does not exist", Kind::Denied, "open its validation URL"),
        (403, "INVALID_CREDENTIAL", "This credential is not valid", Kind::Denied, "run `ikvm-mcp login`"),
        (403, "INVALID_KEY", "This application key is invalid", Kind::Denied, "OVH_ENDPOINT names the region"),
        (403, "", "Unknown application", Kind::Denied, "check OVH_APPLICATION_KEY"),
        (400, "", "Invalid signature", Kind::Denied, "check OVH_APPLICATION_SECRET"),
        (400, "", "Query out of time", Kind::Denied, "set this machine's clock"),
        (404, "", "Got an invalid (or empty) URL", Kind::Peer, "check that OVH_ENDPOINT"),
        (404, "", "This service does not exist", Kind::NotFound, ""),
        (409, "", "Action pending", Kind::Busy, "try again in a minute"),
        (429, "", "Too many requests", Kind::Busy, "wait a minute"),
        (460, "", "This service is expired", Kind::Denied, "renew it"),
        (500, "", "Internal server error", Kind::Peer, "try again in a minute"),
    ] {
        let error = refused(ACCESS, status, code, message, &keys());
        let sentence = error.to_string();
        assert_eq!(error.kind(), kind, "{sentence}");
        let gap = if code.is_empty() { "" } else { " " };
        let start = format!(
            "POST /dedicated/server/ns1/features/ipmi/access: OVH answered {status}{gap}{code}: \"{message}\" (query EU.ext-1.ab)"
        );
        assert!(sentence.starts_with(&start) && sentence.contains(advice), "{sentence}");
    }
}

#[test]
fn a_missing_right_is_named_as_the_kind_of_credentials_has_it() {
    let hint = |call, credentials: &Credentials| refused(call, 403, "NOT_GRANTED_CALL", "No", credentials).to_string();
    let right = "POST /dedicated/server/*/features/ipmi/access";
    assert!(
        hint(ACCESS, &keys())
            .ends_with(&format!("the key lacks the right {right}: run `ikvm-mcp login` for one that has it"))
    );
    let client = Credentials::Client { id: Secret::new("id-4"), secret: Secret::new("cs-5") };
    assert!(
        hint(LIST, &client)
            .contains("IAM policy grant the service account the actions that GET /dedicated/server needs")
    );
    let token = Credentials::Token(Secret::new("at-6"));
    assert!(refused(LIST, 401, "", "No", &token).to_string().contains("OVH_ACCESS_TOKEN has expired"));
    let body = json!({"error": "invalid_client", "error_description": "Bad client"}).to_string();
    let sentence = read(LIST, &response(401, body), speaker(&client)).unwrap_err().error.to_string();
    assert!(
        sentence.contains("401 invalid_client: \"Bad client\"") && sentence.contains("check OVH_CLIENT_ID"),
        "{sentence}"
    );
}

#[test]
fn what_is_no_json_is_called_what_it_is() {
    for (body, shape) in
        [("", "nothing"), ("  <html>", "HTML"), ("[\"ns1\", \"n", "half a body"), ("OK", "something else")]
    {
        let failure = read(LIST, &response(200, body), Speaker::default()).unwrap_err();
        assert_eq!((failure.error.kind(), failure.retry), (Kind::Peer, Retry::Never));
        let sentence = failure.error.to_string();
        let start =
            format!("GET /dedicated/server: OVH answered 200 with {shape} instead of JSON (query EU.ext-1.ab); check");
        assert!(sentence.starts_with(&start), "{sentence}");
        let sentence = read(LIST, &response(502, body), Speaker::default()).unwrap_err().error.to_string();
        assert!(sentence.contains(&format!("OVH answered 502 with {shape} instead of JSON")), "{sentence}");
    }
    assert_eq!(read(LIST, &response(200, "[]"), Speaker::default()).unwrap(), json!([]));
}

#[test]
fn only_what_may_help_is_tried_again() {
    for (status, retry) in [
        (400, Retry::Never),
        (403, Retry::Never),
        (404, Retry::Never),
        (429, Retry::All),
        (500, Retry::Reads),
        (504, Retry::Reads),
    ] {
        let failure = read(LIST, &response(status, "{}"), Speaker::default()).unwrap_err();
        assert_eq!((failure.retry, failure.pause), (retry, None), "{status}");
    }
    let mut told = response(429, "{}");
    told.headers.push(("retry-after".to_owned(), " 90 ".to_owned()));
    let failure = read(LIST, &told, Speaker::default()).unwrap_err();
    assert_eq!(failure.pause, Some(Duration::from_secs(90)));
    assert!(failure.error.to_string().ends_with("; OVH asks to wait 90 s: try again then"));
    told.headers.last_mut().unwrap().1 = "Wed, 21 Oct 2026 07:28:00 GMT".to_owned();
    assert_eq!(read(LIST, &told, Speaker::default()).unwrap_err().pause, None);
}

#[test]
fn a_message_holds_no_secret_steers_no_terminal_and_has_an_end() {
    let message = format!("as-2 is \u{1b}[31mno key of ck-3{}", "x".repeat(2 * MAX_MESSAGE));
    let sentence = refused(LIST, 400, "", &message, &keys()).to_string();
    assert!(sentence.contains("*** is [31mno key of ***xxx"), "{sentence}");
    assert!(sentence.contains("x...") && sentence.len() < MAX_MESSAGE + 200);
}
