//! What those who are logged in do to their own account: sessions and password.

use axum::{Json, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    audit::{Action, Event, Reason},
    credentials::{origin, record_failure},
    current_user::CurrentUser,
    request_session::RequestSession,
    session_layer::GateClient,
    sessions::{self, OwnSession},
    throttle::forget_log_ins,
    to_the_end::to_the_end,
    users,
};
use crate::http::{
    Error, FieldErrors, JsonBody, OneId, PathIds, Problem,
    problem_responses::{Busy, NotFound, NotLoggedIn, TooManyAttempts},
};

#[derive(Serialize, ToSchema)]
pub(super) struct OwnSessions {
    sessions: Vec<OwnSession>,
}

#[derive(Deserialize, ToSchema)]
pub(super) struct PasswordChange {
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
pub(super) async fn list_sessions(session: RequestSession) -> Result<Json<OwnSessions>, Error> {
    let (current, user_id) = session.logged_in().await?;
    let gate = session.gate();
    let (db, timeouts, now) = (gate.db(), gate.timeouts(), gate.now());
    let sessions = sessions::list_own(db, user_id, &current, timeouts, now).await?;
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
pub(super) async fn end_session(
    session: RequestSession,
    GateClient(client): GateClient,
    PathIds(OneId { id }): PathIds<OneId>,
) -> Result<StatusCode, Error> {
    let (user, current) = session.user().await?;
    to_the_end(async move {
        let gate = session.gate();
        if !gate.end_own_session(user.id, id, &client).await? {
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
pub(super) async fn end_other_sessions(
    session: RequestSession,
    GateClient(client): GateClient,
) -> Result<StatusCode, Error> {
    let (user, current) = session.user().await?;
    to_the_end(async move {
        let accounts = session.gate().accounts();
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
pub(super) async fn change_password(
    session: RequestSession,
    _: CurrentUser,
    GateClient(client): GateClient,
    JsonBody(body): JsonBody<PasswordChange>,
) -> Result<StatusCode, Error> {
    body.check()?;
    to_the_end(async move {
        let (user, current) = session.user().await?;
        let gate = session.gate();
        let accounts = gate.accounts();
        // Who holds a stolen session is no freer to guess than who has none.
        let mut attempt = gate.throttle().password_change(current);
        attempt.check(gate.db(), gate.now()).await?;
        let account = users::find_by_id(gate.db(), user.id).await?;
        let old_hash = account.and_then(|account| account.password_hash);
        let origin = origin(&client);
        let turn = gate.passwords().turn(origin).await?;
        let used = attempt.count(gate.db(), gate.now()).await?;
        let verified = gate
            .passwords()
            .verify(turn, body.current_password, old_hash.clone());
        let verdict = match verified.await {
            Ok(verdict) => verdict,
            Err(error) => {
                attempt.take_back(gate.db(), gate.now()).await?;
                return Err(error);
            }
        };
        if !verdict.matches {
            let (action, reason) = (Action::ChangePassword, Reason::WrongPassword);
            let failed = Event::failure(action, reason, Some(user.id), &client);
            record_failure(gate, failed, used).await?;
            return Err(Error::BadCredentials);
        }
        // Right, whatever becomes of the new one; and so nobody waits for its estimate.
        let mut tx = gate.db().begin().await?;
        attempt.succeed(&mut tx, gate.now()).await?;
        tx.commit().await?;
        drop(verdict.turn);
        accounts
            .check_new_password(&user, "new_password", &body.new_password, origin)
            .await?;
        let turn = gate.passwords().turn(origin).await?;
        let hashed = gate.passwords().hash(turn, body.new_password).await;
        let (new_hash, _turn) = hashed?;

        let now = gate.now();
        let mut tx = gate.db().begin().await?;
        if !users::change_password(&mut tx, user.id, old_hash.as_deref(), &new_hash).await? {
            return Err(Error::BadCredentials);
        }
        forget_log_ins(&mut tx, &user.username).await?;
        let at_home = gate.throttle().log_in(&user.username, client.ip);
        at_home.welcome(&mut tx, now).await?;
        sessions::delete_others(&mut tx, user.id, Some(current)).await?;
        let event = Event::new(Action::ChangePassword, user.id, Some(&client));
        session.renew(tx, user.id, event).await?;
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}
