//! A session that is not over, as it is kept in memory.

use std::sync::{
    OnceLock,
    atomic::{AtomicI64, Ordering},
};

use axum::body::Bytes;
use tower_sessions::session::Id;
use uuid::Uuid;

use super::{store::SessionRow, timeouts::Timeouts};
use crate::auth::{account::user::User, cookie::token::SessionToken};
use crate::{clock::Timestamp, db::Revocable};

/// A session that is not over, with its user. The values of its record are not here: other
/// requests write them.
#[derive(Debug)]
pub(crate) struct LiveSession {
    pub id: Id,
    /// Names the session where its secret id must not be shown.
    pub public_id: Uuid,
    /// Who is logged in; none for a visitor.
    pub user: Option<User>,
    /// The key that signed its cookie last; unknown for one begun by an older version.
    pub key_id: Option<String>,
    created_at: Timestamp,
    /// The last use that is written down or about to be, in microseconds since 1970.
    last_use: AtomicI64,
    user_json: OnceLock<Bytes>,
}

impl LiveSession {
    pub fn new(
        id: Id,
        public_id: Uuid,
        created_at: Timestamp,
        last_seen_at: Timestamp,
        key_id: Option<String>,
        user: Option<User>,
    ) -> Self {
        Self {
            id,
            public_id,
            user,
            key_id,
            created_at,
            last_use: AtomicI64::new(last_seen_at.unix_micros()),
            user_json: OnceLock::new(),
        }
    }

    /// What its cookie is to say.
    pub fn token(&self) -> SessionToken {
        SessionToken::new(self.public_id, self.id)
    }

    /// Whatever takes this session back when it is revoked.
    pub fn revocables(&self) -> impl Iterator<Item = Revocable> + use<> {
        let user_id = self.user.as_ref().map(|user| user.id.into());
        [self.id.into(), self.public_id.into()]
            .into_iter()
            .chain(user_id)
    }

    pub fn last_use(&self) -> Timestamp {
        Timestamp::from_unix_micros(self.last_use.load(Ordering::Relaxed))
    }

    pub fn expires_at(&self, timeouts: Timeouts) -> Timestamp {
        timeouts.expires_at(self.created_at, self.last_use())
    }

    /// Takes note of a use at `now`; what the last one was if it is time to write this one
    /// down, which one caller alone is told.
    pub fn note_use(&self, timeouts: Timeouts, now: Timestamp) -> Option<Timestamp> {
        let last = self.last_use();
        if last > timeouts.touch_due(now) {
            return None;
        }
        self.change_last_use(last, now).then_some(last)
    }

    /// The use at `noted` could not be written down: the last one that was counts.
    pub fn unnote_use(&self, noted: Timestamp, last: Timestamp) {
        self.change_last_use(noted, last);
    }

    fn change_last_use(&self, from: Timestamp, to: Timestamp) -> bool {
        let (from, to) = (from.unix_micros(), to.unix_micros());
        self.last_use
            .compare_exchange(from, to, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
    }

    /// The user as JSON, written once.
    pub fn user_json(&self, user: &User) -> serde_json::Result<Bytes> {
        if let Some(json) = self.user_json.get() {
            return Ok(json.clone());
        }
        let json = Bytes::from(serde_json::to_vec(user)?);
        Ok(self.user_json.get_or_init(|| json).clone())
    }
}

/// Why a session id stands for no session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotLive {
    Unknown,
    Expired,
    /// Its user was deleted or disabled.
    UserGone,
}

/// The session `id`, of the row that has its public id; checked against `timeouts` as they are
/// today, not as they were when the row was written. `last_use` is one that may not be in the
/// row yet.
pub(crate) fn live(
    id: Id,
    row: Option<SessionRow>,
    timeouts: Timeouts,
    now: Timestamp,
    last_use: Option<Timestamp>,
) -> Result<LiveSession, NotLive> {
    // It may go on under another id by now.
    let row = row.filter(|row| row.id == id.to_string());
    let row = row.ok_or(NotLive::Unknown)?;
    let last_seen_at = last_use.map_or(row.last_seen_at, |last| last.max(row.last_seen_at));
    if now >= timeouts.expires_at(row.session_created_at, last_seen_at) {
        return Err(NotLive::Expired);
    }
    let user = match (row.user_id, row.username, row.created_at) {
        (None, ..) => None,
        (Some(id), Some(username), Some(created_at)) => Some(User {
            id,
            username,
            email: row.email,
            created_at,
        }),
        (Some(_), ..) => return Err(NotLive::UserGone),
    };
    let created_at = row.session_created_at;
    Ok(LiveSession::new(
        id,
        row.public_id,
        created_at,
        last_seen_at,
        row.key_id,
        user,
    ))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_use_is_written_down_by_one_and_again_if_it_could_not_be() {
        let hour = Duration::from_secs(60 * 60);
        let timeouts = Timeouts {
            idle: hour,
            absolute: 24 * hour,
        };
        let start = Timestamp::from_unix_micros(0);
        let session = LiveSession::new(Id(1), Uuid::from_u128(1), start, start, None, None);
        let soon = start.after(Duration::from_secs(30));
        assert_eq!(session.note_use(timeouts, soon), None);
        let later = start.after(Duration::from_secs(90));
        assert_eq!(session.note_use(timeouts, later), Some(start));
        assert_eq!(session.note_use(timeouts, later), None);
        assert_eq!(session.expires_at(timeouts), later.after(hour));
        session.unnote_use(later, start);
        assert_eq!(session.note_use(timeouts, later), Some(start));
    }
}
