//! `Debug` of public types shows no secret: it ends in logs.

use axum::{Router, routing::get};
use handstamp::{
    Auth, Session,
    auth::{Application, RequestSession, Secret, Visitor, generate_secret_key},
    db::DatabaseUrl,
    http::Error,
};
use tower_sessions::session::Id;

use crate::helpers::{Kind, PASSWORD, Server, on_both_databases};

on_both_databases!(
    debug_shows_no_password_hash_or_key,
    debug_shows_no_session_id,
);

async fn debug_shows_no_password_hash_or_key(kind: Kind) {
    let server = Server::start(kind).await;
    let new = Application::new("Ann").password(PASSWORD.to_owned());
    let shown = format!("{new:?}");
    assert!(
        shown.contains("Ann") && !shown.contains(PASSWORD),
        "{shown}"
    );

    server.accounts().add(new).await.unwrap();
    let account = server.accounts().find_by_username("ann").await.unwrap();
    let account = account.unwrap();
    let hash = account.password_hash.clone().unwrap();
    let shown = format!("{account:?} {:?}", server.accounts());
    assert!(shown.contains("Ann") && !shown.contains(&hash), "{shown}");

    let key = generate_secret_key();
    let secret = Secret::signing_key(&key).unwrap();
    let auth = Auth::builder(server.auth.db().clone())
        .secret_key(secret.clone())
        .secret_key_fallbacks([secret.clone()]);
    let shown = format!("{secret:?} {auth:?} {:?}", Secret::signing_key(&key[..31]));
    assert!(!shown.contains(&key[..31]), "{shown}");
    let shown = format!("{:?}", auth.build().unwrap());
    assert!(!shown.contains(&key), "{shown}");

    let url: DatabaseUrl = "postgres://ann:pass-word@127.0.0.1/news".parse().unwrap();
    assert!(!format!("{url:?}").contains("pass-word"), "{url:?}");
}

/// What a handler sees of its request's session, as text.
fn app(auth: &Auth) -> Router {
    let show = async |session: Session, request_session: RequestSession, visitor: Visitor| {
        session.insert("views", 1).await?;
        visitor.user().await?;
        Ok::<_, Error>(format!("{request_session:?} {visitor:?}"))
    };
    let shown_auth = auth.clone();
    Router::new()
        .route("/session", get(show))
        .layer(auth.layer())
        .route("/auth", get(async move || format!("{shown_auth:?}")))
        .merge(auth.router())
}

async fn debug_shows_no_session_id(kind: Kind) {
    let server = Server::start_app(kind, &[], |auth| app(&auth)).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    let cookie = browser.session().unwrap();
    let (_, id) = cookie.split_at(cookie.len() - Id::default().to_string().len());
    let number = id.parse::<Id>().unwrap().0.to_string();
    // Its record's id is the row's: this is the secret one.
    assert_eq!(server.database.only_record().await.id.to_string(), id);
    for path in ["/session", "/session", "/auth"] {
        let answer = browser.get(path).await;
        assert_eq!(answer.status, 200, "{path}");
        let text = answer.text;
        assert!(!text.is_empty(), "{path}");
        for secret in [id, &number, &cookie] {
            assert!(!text.contains(secret), "{path}: {text}");
        }
    }
}
