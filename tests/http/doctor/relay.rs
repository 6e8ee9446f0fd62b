//! A proxy that passes requests on, and misbehaves as a test has it.

use std::sync::Arc;

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::Request,
    http::{Method, Response, StatusCode, header},
};

/// What becomes of a request.
#[derive(Clone, Copy, Debug)]
pub enum Turn {
    PassOn,
    /// The response comes without its cookies.
    StripCookies,
    /// A page of the proxy's own.
    Page(u16),
    /// A redirect.
    To(&'static str),
    /// The body of a response.
    Json(&'static str),
    /// No response at all.
    Hang,
}

/// A request to decide about.
pub struct Asked<'a> {
    pub method: &'a Method,
    pub path: &'a str,
    /// Whether it comes with a session's cookie, and not with one that the doctor has made up.
    pub has_session: bool,
}

/// Starts one in front of the server at `base`; returns its address.
pub async fn start(base: &str, turn: impl Fn(Asked) -> Turn + Send + Sync + 'static) -> String {
    let (base, turn) = (Arc::<str>::from(base), Arc::new(turn));
    let client = crate::helpers::client_builder().redirect(reqwest::redirect::Policy::none());
    let client = client.build().unwrap();
    let router = Router::new().fallback(move |request: Request| {
        let (base, turn, client) = (base.clone(), turn.clone(), client.clone());
        async move {
            let cookie = request.headers().get(header::COOKIE);
            let cookie = cookie.and_then(|cookie| cookie.to_str().ok());
            let asked = Asked {
                method: request.method(),
                path: request.uri().path(),
                has_session: cookie.is_some_and(|cookie| !cookie.contains("=doctor")),
            };
            match turn(asked) {
                Turn::PassOn => pass_on(&client, &base, request).await,
                Turn::StripCookies => {
                    let mut response = pass_on(&client, &base, request).await;
                    response.headers_mut().remove(header::SET_COOKIE);
                    response
                }
                Turn::Page(status) => response(status, "text/html", "<h1>The proxy says no</h1>"),
                Turn::To(target) => {
                    let mut response = response(308, "text/html", "");
                    let target = target.parse().unwrap();
                    response.headers_mut().insert(header::LOCATION, target);
                    response
                }
                Turn::Json(body) => response(200, "application/json", body),
                Turn::Hang => std::future::pending().await,
            }
        }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(handstamp::http::serve(
        listener,
        router,
        std::future::pending(),
    ));
    format!("http://{address}")
}

fn response(status: u16, content_type: &str, body: &'static str) -> Response<Body> {
    let response = Response::builder()
        .status(StatusCode::from_u16(status).unwrap())
        .header(header::CONTENT_TYPE, content_type);
    response.body(Body::from(body)).unwrap()
}

async fn pass_on(client: &reqwest::Client, base: &str, request: Request) -> Response<Body> {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, 1024 * 1024).await.unwrap();
    let url = format!("{base}{}", head.uri);
    let mut headers = head.headers;
    headers.append("x-forwarded-for", "127.0.0.1".parse().unwrap());
    headers.insert("x-forwarded-proto", "http".parse().unwrap());
    let request = client.request(head.method, url).headers(headers).body(body);
    let answer = request.send().await.unwrap();
    let mut response = Response::builder().status(answer.status());
    *response.headers_mut().unwrap() = answer.headers().clone();
    // As of caches that pass it on without storing it.
    let headers_back = response.headers_mut().unwrap();
    headers_back.insert(header::AGE, "0".parse().unwrap());
    headers_back.remove(header::TRANSFER_ENCODING);
    let body = answer.bytes().await.unwrap();
    response.body(Body::from(body)).unwrap()
}
