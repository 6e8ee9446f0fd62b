//! What happened to accounts and sessions, for an operator to read (ASVS 16.3): the row and
//! its SQL, and the same as one line of the log.

use serde::Serialize;
use sqlx::FromRow;
use uuid::Uuid;

use crate::{
    clock::Timestamp,
    db::{Db, Revocable, Tx, in_tx, on_reader, on_writer},
    http::{Client, without_span},
};

/// What somebody did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    SignUp,
    LogIn,
    LogOut,
    /// Sessions other than the one asking were ended.
    EndSessions,
    ChangePassword,
    /// Too many failures: further attempts must wait.
    LockOut,
    /// A cookie that an older key had signed was signed anew.
    ResignCookie,
    DisableAccount,
    EnableAccount,
}

impl Action {
    fn as_str(self) -> &'static str {
        match self {
            Self::SignUp => "sign_up",
            Self::LogIn => "log_in",
            Self::LogOut => "log_out",
            Self::EndSessions => "end_sessions",
            Self::ChangePassword => "change_password",
            Self::LockOut => "lock_out",
            Self::ResignCookie => "resign_cookie",
            Self::DisableAccount => "disable_account",
            Self::EnableAccount => "enable_account",
        }
    }
}

/// Why an attempt failed, for the operator alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    UnknownUser,
    WrongPassword,
    NoPassword,
    Disabled,
    /// `LOGIN_FAILURES_PER_ACCOUNT` is reached.
    AccountLimit,
    /// `LOGIN_FAILURES_PER_ADDRESS` or `SIGNUPS_PER_ADDRESS` is reached.
    AddressLimit,
}

impl Reason {
    fn as_str(self) -> &'static str {
        match self {
            Self::UnknownUser => "unknown_user",
            Self::WrongPassword => "wrong_password",
            Self::NoPassword => "no_password",
            Self::Disabled => "disabled",
            Self::AccountLimit => "account_limit",
            Self::AddressLimit => "address_limit",
        }
    }
}

/// An event yet to be written down.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Event<'a> {
    action: Action,
    failure: Option<Reason>,
    user_id: Option<Uuid>,
    client: Option<&'a Client>,
}

impl<'a> Event<'a> {
    /// What a user did; without a client, what an operator did to them.
    pub fn new(action: Action, user_id: Uuid, client: Option<&'a Client>) -> Self {
        Self {
            action,
            failure: None,
            user_id: Some(user_id),
            client,
        }
    }

    /// What somebody tried. A name that is no user's is not kept: it may be a password.
    pub fn failure(
        action: Action,
        reason: Reason,
        user_id: Option<Uuid>,
        client: &'a Client,
    ) -> Self {
        Self {
            action,
            failure: Some(reason),
            user_id,
            client: Some(client),
        }
    }

    /// That this failure was the last attempt for now.
    pub fn as_lock_out(self, limit: Reason) -> Self {
        Self {
            action: Action::LockOut,
            failure: Some(limit),
            ..self
        }
    }

    fn outcome(&self) -> &'static str {
        match self.failure {
            None => "success",
            Some(_) => "failure",
        }
    }

    fn ip(&self) -> Option<String> {
        let ip = self.client.and_then(|client| client.ip);
        ip.map(|ip| ip.to_string())
    }

    fn request_id(&self) -> Option<&str> {
        self.client.and_then(|client| client.request_id.as_deref())
    }

    /// One line, whatever is in it: fields are escaped. For when it has been committed.
    pub fn log(&self) {
        tracing::info!(
            target: "handstamp::audit",
            event = self.action.as_str(),
            outcome = self.outcome(),
            reason = self.failure.map(Reason::as_str),
            user_id = self.user_id.map(tracing::field::display),
            ip = self.ip(),
            request_id = without_span(|| self.request_id()),
            "audit"
        );
    }
}

/// Commits a transaction with the events it is about, then invalidates what is cached of
/// `ended`.
pub(crate) async fn commit(
    db: &Db,
    mut tx: Tx,
    now: Timestamp,
    events: &[Event<'_>],
    ended: Vec<Revocable>,
) -> sqlx::Result<()> {
    insert(&mut tx, now, events).await?;
    db.revocations().commit(tx, ended).await?;
    events.iter().for_each(Event::log);
    Ok(())
}

/// Writes events in the transaction of what they are about.
async fn insert(tx: &mut Tx, now: Timestamp, events: &[Event<'_>]) -> sqlx::Result<()> {
    for event in events {
        in_tx!(tx, conn => sqlx::query(
            "insert into audit_events
                 (id, happened_at, event, outcome, reason, user_id, ip, request_id)
             values ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(Uuid::now_v7())
        .bind(now)
        .bind(event.action.as_str())
        .bind(event.outcome())
        .bind(event.failure.map(Reason::as_str))
        .bind(event.user_id)
        .bind(event.ip())
        .bind(event.request_id())
        .execute(conn)
        .await
        .map(drop))?;
    }
    Ok(())
}

/// An event as it was written down.
#[derive(Clone, Debug, Serialize, FromRow)]
pub struct AuditEvent {
    /// Sorts as time does.
    #[serde(skip)]
    pub id: Uuid,
    /// When, in UTC.
    #[serde(rename = "time")]
    pub happened_at: Timestamp,
    /// What: `log_in`, `log_out`, …
    pub event: String,
    /// `success` or `failure`
    pub outcome: String,
    /// Why it failed.
    pub reason: Option<String>,
    /// Whose account.
    pub user_id: Option<Uuid>,
    /// Their name.
    pub username: Option<String>,
    /// The client's address; none for what an operator did.
    pub ip: Option<String>,
    /// The request as the log and the answer name it.
    pub request_id: Option<String>,
}

/// Up to `limit` events since `since`, oldest first, from the one after `after`; those of
/// `user_id` alone if there is one.
pub(crate) async fn list(
    db: &Db,
    user_id: Option<Uuid>,
    since: Timestamp,
    after: Uuid,
    limit: i64,
) -> sqlx::Result<Vec<AuditEvent>> {
    on_reader!(db, conn => match user_id {
        Some(user_id) => sqlx::query_as(
            "select e.id, e.happened_at, e.event, e.outcome, e.reason, e.user_id, u.username,
                    e.ip, e.request_id
             from audit_events e left join users u on u.id = e.user_id
             where e.user_id = $1 and e.id > $2 and e.happened_at >= $3
             order by e.id limit $4",
        )
        .bind(user_id)
        .bind(after)
        .bind(since)
        .bind(limit)
        .fetch_all(conn)
        .await,
        None => sqlx::query_as(
            "select e.id, e.happened_at, e.event, e.outcome, e.reason, e.user_id, u.username,
                    e.ip, e.request_id
             from audit_events e left join users u on u.id = e.user_id
             where e.id > $1 and e.happened_at >= $2
             order by e.id limit $3",
        )
        .bind(after)
        .bind(since)
        .bind(limit)
        .fetch_all(conn)
        .await,
    })
}

/// Removes up to `limit` events that happened before `before`; how many there were.
pub(crate) async fn purge(db: &Db, before: Timestamp, limit: i64) -> sqlx::Result<u64> {
    on_writer!(db, conn => sqlx::query(
        "delete from audit_events where id in
             (select id from audit_events where happened_at < $1
              order by happened_at limit $2)",
    )
    .bind(before)
    .bind(limit)
    .execute(conn)
    .await
    .map(|done| done.rows_affected()))
}
