//! What those who are logged in do to their own account: sessions and password.

use axum::{Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::http::{
    Error, FieldErrors, JsonBody, OneId, PathIds, Problem,
    problem_responses::{Busy, NotFound, NotLoggedIn, TooManyAttempts},
};
use crate::{
    auth::{
        Auth,
        account::{self, credentials::record_failure},
        audit::{Action, Event, Reason},
        request::{SessionHandle, extract::CurrentUser, layer::ClientInfo},
        session::{self, store::OwnSession},
        throttle::forget_log_ins,
    },
    http::run_to_completion,
};

#[derive(Serialize, ToSchema)]
pub(crate) struct OwnSessions {
    sessions: Vec<OwnSession>,
}

#[derive(Deserialize, ToSchema)]
pub(crate) struct PasswordChange {
    #[serde(default)]
    #[schema(required, format = Password, min_length = 1, example = "plain tea at dawn")]
    current_password: String,
    /// 8 to 256 characters, taken as they are; not easily guessed.
    #[serde(default)]
    #[schema(
        required,
        format = Password,
        min_length = 8,
        max_length = 256,
        example = "black coffee by noon"
    )]
    new_password: String,
}

impl PasswordChange {
    fn check(&self) -> Result<(), Error> {
        let fields = [
            ("current_password", &self.current_password),
            ("new_password", &self.new_password),
        ];
        let missing = fields.into_iter().filter(|(_, value)| value.is_empty());
        let required = |(field, _): (&str, _)| (field.to_owned(), vec!["is required".to_owned()]);
        let errors: FieldErrors = missing.map(required).collect();
        if errors.is_empty() {
            Ok(())
        } else {
            Err(Error::Invalid(errors))
        }
    }
}

/// Where the caller is logged in
///
/// Newest first.
#[utoipa::path(get, path = "/sessions", tag = "account", security(("session" = [])), responses(
    (status = 200, body = OwnSessions),
    NotLoggedIn,
))]
pub(crate) async fn list_sessions(session: SessionHandle) -> Result<Json<OwnSessions>, Error> {
    let (current, user_id) = session.logged_in().await?;
    let sessions = session.sessions().list(user_id, &current).await?;
    Ok(Json(OwnSessions { sessions }))
}

/// End one of the caller's own sessions
#[utoipa::path(delete, path = "/sessions/{id}", tag = "account",
    params(OneId),
    security(("session" = [])),
    responses(
        (status = 204, description = "It has ended",
            headers(("Set-Cookie", description = "Removes the cookie, if it was this session's"))),
        NotLoggedIn,
        NotFound,
    ),
)]
pub(crate) async fn end_session(
    session: SessionHandle,
    ClientInfo(client): ClientInfo,
    PathIds(OneId { id }): PathIds<OneId>,
) -> Result<StatusCode, Error> {
    let (user, current) = session.user().await?;
    run_to_completion(async move {
        if !session.sessions().end_one(user.id, id, &client).await? {
            return Err(Error::NotFound);
        }
        if id == current {
            session.forget();
        }
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}

/// End every other session of the caller
#[utoipa::path(delete, path = "/sessions", tag = "account", security(("session" = [])), responses(
    (status = 204, description = "They have ended; this one goes on"),
    NotLoggedIn,
))]
pub(crate) async fn end_other_sessions(
    State(auth): State<Auth>,
    session: SessionHandle,
    ClientInfo(client): ClientInfo,
) -> Result<StatusCode, Error> {
    let (user, current) = session.user().await?;
    run_to_completion(async move {
        let accounts = auth.accounts();
        let kept = Some(current);
        accounts.end_sessions(user.id, kept, Some(&client)).await
    })
    .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Change the caller's password
///
/// This session goes on under a new id; the caller's others end.
#[utoipa::path(post, path = "/password", tag = "account", request_body = PasswordChange,
    security(("session" = [])),
    responses(
        (status = 204, description = "Changed",
            headers(("Set-Cookie", description = "This session's new id"))),
        (status = 400, body = Problem, content_type = "application/problem+json",
            description = "`bad_credentials`: that is not the current password"),
        NotLoggedIn,
        TooManyAttempts,
        Busy,
    ),
)]
pub(crate) async fn change_password(
    State(auth): State<Auth>,
    session: SessionHandle,
    _: CurrentUser,
    ClientInfo(client): ClientInfo,
    JsonBody(body): JsonBody<PasswordChange>,
) -> Result<StatusCode, Error> {
    body.check()?;
    run_to_completion(async move {
        let (user, current) = session.user().await?;
        let accounts = auth.accounts();
        accounts
            .check_new_password(&user, "new_password", &body.new_password)
            .await?;
        // Who holds a stolen session is no freer to guess than who has none.
        let mut attempt = auth.throttle().password_change(current);
        attempt.check(auth.db(), auth.now()).await?;
        let account = account::store::find_by_id(auth.db(), user.id).await?;
        let old_hash = account.and_then(|account| account.password_hash);
        let turn = auth.passwords().turn().await?;
        let used = attempt.count(auth.db(), auth.now()).await?;
        let verdict = auth
            .passwords()
            .verify(turn, body.current_password, old_hash.clone())
            .await?;
        if !verdict.matches {
            let (action, reason) = (Action::ChangePassword, Reason::WrongPassword);
            let failed = Event::failure(action, reason, Some(user.id), &client);
            record_failure(&auth, failed, used).await?;
            return Err(Error::BadCredentials);
        }
        let hashed = auth.passwords().hash(verdict.turn, body.new_password).await;
        let (new_hash, _turn) = hashed?;

        let now = auth.now();
        let mut tx = auth.db().begin().await?;
        if !account::store::change_password(&mut tx, user.id, old_hash.as_deref(), &new_hash)
            .await?
        {
            return Err(Error::BadCredentials);
        }
        attempt.succeed(&mut tx, now).await?;
        forget_log_ins(&mut tx, &user.username).await?;
        let at_home = auth.throttle().log_in(&user.username, client.ip);
        at_home.welcome(&mut tx, now).await?;
        session::store::delete_others(&mut tx, user.id, Some(current)).await?;
        let event = Event::new(Action::ChangePassword, user.id, Some(&client));
        session.renew(tx, user.id, event).await?;
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}
