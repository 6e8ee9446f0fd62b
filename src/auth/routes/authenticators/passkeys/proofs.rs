//! Logging in, and proving again who one is, with a passkey.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use cookie::{Cookie, SameSite};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::PublicKeyOptions;
use crate::{
    auth::{
        account::credentials::Credentials,
        audit::{Action, Event, Reason},
        cookie::token::SessionToken,
        passkey::{ChallengedBrowser, Proved},
        request::{SessionHandle, extract::RequestSession, info::SessionInfo},
        session::{self, LoggedIn, proof::Factors},
        user::User,
    },
    clock::Timestamp,
    http::{
        Client, Error, JsonBody, Problem,
        problem_responses::{NotLoggedIn, TooManyAttempts},
    },
};

/// As long as a challenge is good.
const COOKIE_LIFETIME: Duration = Duration::from_secs(5 * 60);
/// Bytes of the cookie's random value.
const COOKIE_BYTES: usize = 32;

#[derive(Deserialize, ToSchema)]
pub(in crate::auth::routes) struct PasskeyProof {
    /// What `credential.toJSON()` gives.
    #[serde(default)]
    #[schema(required, value_type = Object)]
    credential: Value,
}

/// The cookie that binds a challenge to a browser on which nobody is logged in. It has a name of its
/// own, as it logs nobody in and pages ask for challenges before anybody wants to.
struct ChallengeCookie {
    is_secure: bool,
}

impl ChallengeCookie {
    fn of(handle: &SessionHandle) -> Self {
        Self {
            is_secure: handle.sessions().cookie().is_secure(),
        }
    }

    fn name(&self) -> &'static str {
        match self.is_secure {
            true => "__Host-passkey",
            false => "passkey",
        }
    }

    /// The value that came along.
    fn value(&self, headers: &HeaderMap) -> Option<String> {
        let sent = headers.get_all(header::COOKIE).iter();
        let mut pairs = sent
            .filter_map(|header| header.to_str().ok())
            .flat_map(Cookie::split_parse)
            .flatten();
        let own = pairs.find(|cookie| cookie.name() == self.name())?;
        let is_ours = BASE64_URL_SAFE_NO_PAD
            .decode(own.value())
            .is_ok_and(|bytes| bytes.len() == COOKIE_BYTES);
        is_ours.then(|| own.value().to_owned())
    }

    fn set(&self, value: &str) -> HeaderValue {
        let seconds = COOKIE_LIFETIME.as_secs();
        let max_age = i64::try_from(seconds).unwrap_or(i64::MAX);
        let cookie = Cookie::build((self.name(), value))
            .http_only(true)
            .same_site(SameSite::Lax)
            .secure(self.is_secure)
            .path("/")
            .max_age(cookie::time::Duration::seconds(max_age))
            .build();
        // Name, base64 and attributes are all printable ASCII.
        HeaderValue::from_str(&cookie.to_string()).unwrap_or(HeaderValue::from_static(""))
    }
}

/// Ask for a passkey to log in with
///
/// For a button and for autofill (`mediation: "conditional"`) alike: no account is named. The
/// challenge is good for five minutes and one attempt, in this browser.
#[utoipa::path(post, path = "/login/passkey/options", tag = "session", responses(
    (status = 200, body = PublicKeyOptions,
        description = "For `PublicKeyCredential.parseRequestOptionsFromJSON`",
        headers(("Set-Cookie", description = "Binds the challenge to this browser; logs nobody in"))),
    TooManyAttempts,
))]
pub(in crate::auth::routes) async fn login_options(
    State(credentials): State<Arc<Credentials>>,
    RequestSession { handle, client }: RequestSession,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let cookie = ChallengeCookie::of(&handle);
    // Another page of the same browser may have asked as well.
    let value = cookie.value(&headers).unwrap_or_else(|| {
        let random: [u8; COOKIE_BYTES] = rand::random();
        BASE64_URL_SAFE_NO_PAD.encode(random)
    });
    let browser = ChallengedBrowser::visitor(&value);
    let options = credentials.login_options(&browser, &client);
    let options = Json(PublicKeyOptions(options.await?));
    let set_cookie = [(header::SET_COOKIE, cookie.set(&value))];
    Ok((set_cookie, options).into_response())
}

/// Log in with a passkey
///
/// On a new session id; the session that came along ends. No second factor is asked for: a passkey
/// has verified its user.
#[utoipa::path(post, path = "/login/passkey", tag = "session", request_body = PasskeyProof,
    responses(
        (status = 200, body = User, description = "Logged in",
            headers(("Set-Cookie", description = "The new session"))),
        (status = 400, body = Problem, content_type = "application/problem+json",
            description = "`bad_credentials`"),
        (status = 403, body = Problem, content_type = "application/problem+json",
            description = "`email_not_verified`: the passkey is right, and the link was sent again"),
    ),
)]
pub(in crate::auth::routes) async fn log_in_with_passkey(
    State(credentials): State<Arc<Credentials>>,
    session: RequestSession,
    headers: HeaderMap,
    JsonBody(PasskeyProof { credential }): JsonBody<PasskeyProof>,
) -> Result<Json<User>, Error> {
    let done = log_in(&credentials, session, &headers, credential).await;
    credentials.logins.note(&done);
    done.map(Json)
}

async fn log_in(
    credentials: &Credentials,
    RequestSession { handle, client }: RequestSession,
    headers: &HeaderMap,
    credential: Value,
) -> Result<User, Error> {
    // Without the cookie no challenge is this browser's, and the one of the response is used up.
    let value = ChallengeCookie::of(&handle)
        .value(headers)
        .unwrap_or_default();
    let browser = ChallengedBrowser::visitor(&value);
    let proved = credentials.prove(&browser, credential, None, &client);
    let proved = Arc::new(proved.await?);
    let verified = proved.verified();
    credentials.refuse_unverified(verified, &client).await?;
    match begin(credentials, &handle, &proved, &client).await? {
        Ok((user, logged_in)) => {
            handle.log_in(logged_in);
            Ok(user)
        }
        Err(reason) => Err(credentials.refuse_proved(&proved, reason, &client).await?),
    }
}

/// Begins the session of a login, unless what has changed since it was proved forbids it.
async fn begin(
    credentials: &Credentials,
    handle: &SessionHandle,
    proved: &Arc<Proved>,
    client: &Client,
) -> Result<Result<(User, LoggedIn), Reason>, Error> {
    let replaced = handle.replaced().await?;
    let sessions = handle.sessions().clone();
    let (proved, client) = (proved.clone(), client.clone());
    let login = (credentials.clone(), sessions, proved, client, replaced);
    let begun = credentials.db().write(
        login,
        |(credentials, sessions, proved, client, replaced), tx| {
            Box::pin(async move {
                let verified = match proved.note(tx, credentials.now()).await? {
                    Ok(verified) => verified,
                    Err(reason) => return Ok(Err(reason)),
                };
                credentials.log_in(tx, &verified, client).await?;
                let user = verified.user();
                let (action, factors) = (Action::LogIn, Factors::Two);
                let token = sessions.begin(tx, user, client, replaced, action, factors);
                Ok::<_, Error>(Ok((user.clone(), token.await?)))
            })
        },
    );
    begun.await
}

/// Ask for a passkey to prove with who the caller is
///
/// For what asks that this was done lately. The challenge is good for five minutes and one attempt, on
/// this session.
#[utoipa::path(post, path = "/reauthenticate/passkey/options", tag = "account",
    security(("session" = [])),
    responses(
        (status = 200, body = PublicKeyOptions,
            description = "For `PublicKeyCredential.parseRequestOptionsFromJSON`"),
        NotLoggedIn,
    ),
)]
pub(in crate::auth::routes) async fn reauthenticate_options(
    State(credentials): State<Arc<Credentials>>,
    handle: SessionHandle,
) -> Result<Json<PublicKeyOptions>, Error> {
    let (session, user) = handle.enrolling().await?;
    let browser = ChallengedBrowser::session(session.public_id);
    let options = credentials.proof_options(user.id, &browser);
    Ok(Json(PublicKeyOptions(options.await?)))
}

/// Prove again who the caller is, with a passkey
///
/// As `POST /reauthenticate`.
#[utoipa::path(post, path = "/reauthenticate/passkey", tag = "account",
    request_body = PasskeyProof,
    security(("session" = [])),
    responses(
        (status = 200, body = SessionInfo, description = "As `GET /session`",
            headers(("Set-Cookie", description = "This session's new id"))),
        (status = 400, body = Problem, content_type = "application/problem+json",
            description = "`bad_credentials`"),
        NotLoggedIn,
    ),
)]
pub(in crate::auth::routes) async fn reauthenticate_with_passkey(
    State(credentials): State<Arc<Credentials>>,
    RequestSession { handle, client }: RequestSession,
    JsonBody(PasskeyProof { credential }): JsonBody<PasskeyProof>,
) -> Result<Json<SessionInfo>, Error> {
    let (session, user) = handle.enrolling().await?;
    let browser = ChallengedBrowser::session(session.public_id);
    let proved = credentials.prove(&browser, credential, Some(user.id), &client);
    let proved = Arc::new(proved.await?);
    let now = credentials.now();
    let event = Event::new(Action::Reauthenticate, user.id, Some(&client));
    let renewal = (event, session.public_id, now);
    match renew(&credentials, &handle, &proved, renewal).await? {
        Ok(renewed) => handle.keep(renewed),
        Err(reason) => return Err(credentials.refuse_proved(&proved, reason, &client).await?),
    }
    let info = SessionInfo::reauthenticated(handle.sessions(), &session, user, now);
    Ok(Json(info))
}

/// Renews a session, unless what has changed since the proof forbids it.
async fn renew(
    credentials: &Credentials,
    handle: &SessionHandle,
    proved: &Arc<Proved>,
    (event, session_id, now): (Event, Uuid, Timestamp),
) -> Result<Result<SessionToken, Reason>, Error> {
    let renew = (handle.clone(), proved.clone(), event);
    let renewed = credentials
        .db()
        .write(renew, move |(handle, proved, event), tx| {
            Box::pin(async move {
                if let Err(reason) = proved.note(tx, now).await? {
                    return Ok(Err(reason));
                }
                let renewed = handle.renew(tx, event.clone(), now).await?;
                session::store::note_second_factor(tx, session_id, now).await?;
                Ok::<_, Error>(Ok(renewed))
            })
        });
    renewed.await
}
