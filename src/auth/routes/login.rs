//! Logging in, checking who is logged in, logging out.

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    auth::{
        account::credentials::Credentials,
        audit::Action,
        request::{SessionHandle, extract::RequestSession},
        session::proof::Factors,
        user::User,
    },
    http::{
        Error, JsonBody, Problem,
        problem_responses::{Busy, NotLoggedIn, TooManyAttempts},
        run_to_completion,
    },
};
#[cfg(feature = "totp")]
use crate::{
    auth::{
        account::credentials::Verified,
        cookie::token::SessionToken,
        session::{Replaced, Sessions},
        totp::LIFETIME,
    },
    http::Client,
};

/// About as many headers as a response has.
const HEADERS: usize = 12;

#[derive(Deserialize, ToSchema)]
pub(super) struct LogIn {
    #[schema(example = "Jackson")]
    username: String,
    /// May be left out where `PASSWORDLESS_LOGIN` is on, by an account that has none.
    #[schema(format = Password, example = "plain tea at dawn")]
    password: Option<String>,
}

/// Nothing.
#[derive(Serialize, ToSchema)]
pub(super) struct Empty {}

/// What a login goes on with.
#[derive(Serialize, ToSchema)]
pub(super) struct SecondFactorNext {
    next: NextStep,
    /// What the second step takes, one of them.
    #[schema(value_type = Vec<String>, example = json!(["totp", "recovery_code"]))]
    methods: [&'static str; 2],
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum NextStep {
    SecondFactor,
}

impl SecondFactorNext {
    const NOW: Self = Self {
        next: NextStep::SecondFactor,
        methods: ["totp", "recovery_code"],
    };
}

/// Log in
///
/// On a new session id; the session that came along ends. Unknown user, wrong password and
/// disabled account get the same response. An account with a second factor is not logged in yet: its
/// session logs nobody in, and `POST /login/totp` or `POST /login/recovery-code` has to follow on it
/// within ten minutes.
#[utoipa::path(post, path = "/login", tag = "session", request_body = LogIn, responses(
    (status = 200, body = User, description = "Logged in",
        headers(("Set-Cookie", description = "The new session"))),
    (status = 202, body = SecondFactorNext, description = "The password is right; a code has to follow",
        headers(("Set-Cookie", description = "A session that logs nobody in"))),
    (status = 400, body = Problem, content_type = "application/problem+json",
        description = "`bad_credentials`"),
    (status = 403, body = Problem, content_type = "application/problem+json",
        description = "`email_not_verified`: the password is right, and the link was sent again"),
    TooManyAttempts,
    Busy,
))]
pub(super) async fn log_in(
    State(credentials): State<Arc<Credentials>>,
    session: RequestSession,
    JsonBody(body): JsonBody<LogIn>,
) -> Result<Response, Error> {
    let logins = credentials.logins.clone();
    // An attempt that was counted as failed is to be taken back, also when its client disconnects
    // while the password is verified.
    run_to_completion(async move {
        let done = log_in_with(credentials, session, body).await;
        if !matches!(done, Ok(None)) {
            logins.note(&done);
        }
        Ok(match done? {
            Some(user) => Json(user).into_response(),
            None => (StatusCode::ACCEPTED, Json(SecondFactorNext::NOW)).into_response(),
        })
    })
    .await
}

/// None when a code has to follow.
async fn log_in_with(
    credentials: Arc<Credentials>,
    session: RequestSession,
    body: LogIn,
) -> Result<Option<User>, Error> {
    let RequestSession { handle, client } = session;
    let verified = credentials.verify(&client, &body.username, body.password);
    let verified = verified.await?;
    credentials.refuse_unverified(&verified, &client).await?;
    let replaced = handle.replaced().await?;
    if verified.needs_second_factor() {
        #[cfg(feature = "totp")]
        {
            let begin = (handle.sessions().clone(), verified, client, replaced);
            let begun = begin_second_step(&credentials, begin).await?;
            handle.keep_for(begun, LIFETIME);
            return Ok(None);
        }
        #[cfg(not(feature = "totp"))]
        return Err(Error::internal(
            "the account has a second factor, and the feature `totp` is off",
        ));
    }
    let user = verified.user().clone();
    let sessions = handle.sessions().clone();
    let login = (credentials.clone(), sessions, verified, client, replaced);
    let begun = credentials.db().write(
        login,
        |(credentials, sessions, verified, client, replaced), tx| {
            Box::pin(async move {
                credentials.log_in(tx, verified, client).await?;
                sessions
                    .begin(
                        tx,
                        verified.user(),
                        client,
                        replaced,
                        Action::LogIn,
                        Factors::One,
                    )
                    .await
            })
        },
    );
    handle.log_in(begun.await?);
    Ok(Some(user))
}

/// Ends the first step of a login, on a new session that logs nobody in.
#[cfg(feature = "totp")]
async fn begin_second_step(
    credentials: &Arc<Credentials>,
    (sessions, verified, client, replaced): (Sessions, Verified, Client, Replaced),
) -> Result<SessionToken, Error> {
    let begin = (credentials.clone(), sessions, verified, client, replaced);
    let begun = credentials.db().write(
        begin,
        |(credentials, sessions, verified, client, replaced), tx| {
            Box::pin(async move {
                credentials.admit_to_second_step(tx, verified).await?;
                let user = verified.user();
                let (token, session_id) = sessions
                    .begin_for_nobody(tx, user.id, client, replaced, LIFETIME)
                    .await?;
                credentials
                    .begin_second_step(tx, user, session_id, client)
                    .await?;
                Ok(token)
            })
        },
    );
    begun.await
}

/// Who is logged in
///
/// The user is looked up, so that one who was deleted or disabled is out at once.
#[utoipa::path(get, path = "/checklogin", tag = "session", security(("session" = [])), responses(
    (status = 200, body = User, description = "Logged in"),
    NotLoggedIn,
))]
pub(super) async fn check_login(session: SessionHandle) -> Result<Response, Error> {
    let user = session.user_json().await?;
    let mut response = Response::new(Body::from(user));
    let headers = response.headers_mut();
    // With room for those of the layers: a map that grows is reallocated.
    headers.reserve(HEADERS);
    let json = HeaderValue::from_static("application/json");
    headers.insert(header::CONTENT_TYPE, json);
    Ok(response)
}

/// Log out
///
/// From then on no copy of the cookie is good for anything. A session that is bound to a device goes on
/// where the request does not prove that; its cookie is removed all the same.
#[utoipa::path(delete, path = "/logout", tag = "session", security((), ("session" = [])), responses(
    (status = 200, body = Empty, description = "Logged out; also when nobody was logged in",
        headers(("Set-Cookie", description = "Removes the cookie that came along"))),
))]
pub(super) async fn log_out(session: RequestSession) -> Result<Json<Empty>, Error> {
    session.log_out().await?;
    Ok(Json(Empty {}))
}
