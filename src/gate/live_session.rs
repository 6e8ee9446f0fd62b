//! A session that is not over, as it is kept in memory.

use std::sync::{
    OnceLock,
    atomic::{AtomicI64, Ordering},
};

use axum::body::Bytes;
use tower_sessions::session::Id;
use uuid::Uuid;

use super::{
    session_token::SessionToken,
    timeouts::{Timeouts, Written},
    users::User,
};
use crate::{clock::Timestamp, db::Revocable};

/// A session that is not over, with its user. The values of its record are not here: other
/// requests write them.
#[derive(Debug)]
pub(super) struct LiveSession {
    pub id: Id,
    /// Names the session where its secret id must not be shown.
    pub public_id: Uuid,
    /// Who is logged in; none for a visitor.
    pub user: Option<User>,
    /// The key that signed its cookie last; unknown for one begun by an older version.
    pub key_id: Option<String>,
    written: Written,
    /// The last use that is written down or about to be, in microseconds since 1970.
    last_use: AtomicI64,
    user_json: OnceLock<Bytes>,
}

impl LiveSession {
    pub fn new(
        id: Id,
        public_id: Uuid,
        written: Written,
        last_use: Option<Timestamp>,
        key_id: Option<String>,
        user: Option<User>,
    ) -> Self {
        Self {
            id,
            public_id,
            user,
            key_id,
            written,
            last_use: AtomicI64::new(written.last_use(last_use).unix_micros()),
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
        self.written.expires_at(timeouts, self.last_use())
    }

    /// Takes note of a use at `now`; what the last one was if it is time to write this one
    /// down, which one caller alone is told. The second use of a visitor's session always is.
    pub fn note_use(&self, timeouts: Timeouts, now: Timestamp) -> Option<Timestamp> {
        let last = self.last_use();
        let is_due = last <= timeouts.touch_due(now) || self.is_second_use(last, now);
        if !is_due {
            return None;
        }
        self.change_last_use(last, now).then_some(last)
    }

    fn is_second_use(&self, last: Timestamp, now: Timestamp) -> bool {
        self.user.is_none() && last == self.written.created_at && now > last
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
        let user = User {
            id: Uuid::from_u128(2),
            username: "Ann".to_owned(),
            email: None,
            created_at: start,
        };
        let written = Written {
            is_visitor: false,
            created_at: start,
            last_seen_at: start,
            expiry_date: start.after(hour),
        };
        let new = |user| LiveSession::new(Id(1), Uuid::from_u128(1), written, None, None, user);
        let session = new(Some(user));
        let soon = start.after(Duration::from_secs(30));
        assert_eq!(session.note_use(timeouts, soon), None);
        let later = start.after(Duration::from_secs(90));
        assert_eq!(session.note_use(timeouts, later), Some(start));
        assert_eq!(session.note_use(timeouts, later), None);
        assert_eq!(session.expires_at(timeouts), later.after(hour));
        session.unnote_use(later, start);
        assert_eq!(session.note_use(timeouts, later), Some(start));

        let visitors = new(None);
        assert_eq!(visitors.note_use(timeouts, start), None, "the first");
        assert_eq!(visitors.note_use(timeouts, soon), Some(start), "the second");
        let just_after = soon.after(Duration::from_secs(1));
        let third = visitors.note_use(timeouts, just_after);
        assert_eq!(third, None, "the third at once");
    }
}
