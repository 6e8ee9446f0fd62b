//! What a page of another site can have a visitor's browser do: nothing.

use reqwest::{Method, RequestBuilder};

use super::{rows, subject::Subject};

rows!(
    another_site_cannot_log_in,
    another_site_cannot_log_out,
    a_subdomain_cannot_log_in,
    the_origin_tells_where_fetch_metadata_does_not,
    a_sandboxed_page_is_another_site,
    forms_cannot_post,
    no_page_of_another_origin_reads_responses,
    curl_is_no_browser,
);

async fn status(request: RequestBuilder) -> u16 {
    request.send().await.unwrap().status().as_u16()
}

async fn another_site_cannot_log_in(subject: Subject) {
    let request = subject
        .log_in_request()
        .header("sec-fetch-site", "cross-site");
    assert_eq!(status(request).await, 403);
}

async fn another_site_cannot_log_out(subject: Subject) {
    let set = subject.log_in().await;
    let request = subject.request(Method::DELETE, "/logout");
    let request = request.header("cookie", set.pair());
    assert_eq!(
        status(request.header("sec-fetch-site", "cross-site")).await,
        403
    );
    assert!(subject.is_logged_in(&set.pair()).await);
}

async fn a_subdomain_cannot_log_in(subject: Subject) {
    let request = subject
        .log_in_request()
        .header("sec-fetch-site", "same-site");
    assert_eq!(status(request).await, 403);
}

async fn the_origin_tells_where_fetch_metadata_does_not(subject: Subject) {
    let evil = subject
        .log_in_request()
        .header("origin", "https://evil.example");
    assert_eq!(status(evil).await, 403);
    let own = subject.log_in_request().header("origin", &subject.base);
    assert_eq!(status(own).await, 200);
}

async fn a_sandboxed_page_is_another_site(subject: Subject) {
    let request = subject.log_in_request().header("origin", "null");
    assert_eq!(status(request).await, 403);
}

async fn forms_cannot_post(subject: Subject) {
    for content_type in [
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/plain",
        "text/plain; application/json",
    ] {
        let request = subject.request(Method::POST, "/login");
        let request = request.header("content-type", content_type);
        let status = status(request.body(r#"{"username":"Jackson"}"#)).await;
        assert!((400..500).contains(&status), "{content_type}: {status}");
    }
}

async fn no_page_of_another_origin_reads_responses(subject: Subject) {
    let set = subject.log_in().await;
    let request = subject.request(Method::GET, "/checklogin");
    let request = request.header("origin", "https://evil.example");
    let answer = request.header("cookie", set.pair()).send().await.unwrap();
    assert_eq!(answer.headers().get("access-control-allow-origin"), None);
    let preflight = subject.request(Method::OPTIONS, "/login");
    let preflight = preflight
        .header("origin", "https://evil.example")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "content-type");
    let answer = preflight.send().await.unwrap();
    assert_eq!(answer.headers().get("access-control-allow-origin"), None);
}

async fn curl_is_no_browser(subject: Subject) {
    assert_eq!(status(subject.log_in_request()).await, 200);
}
