//! A live session, as the cache holds it.

use std::{
    fmt,
    sync::{
        OnceLock,
        atomic::{AtomicI64, Ordering},
    },
};

use axum::body::Bytes;
use tower_sessions::session::Id;
use uuid::Uuid;

use super::{
    device::bound::BoundDevice,
    proof::Proof,
    reader::store::SessionRow,
    timeouts::{Timeouts, Written},
};
use crate::auth::{cookie::token::SessionToken, user::User};
use crate::{clock::Timestamp, db::Revocable};

/// A live session with its user, but without the values of its record, which other requests may
/// write. `Debug` shows its public id alone.
pub(crate) struct LiveSession {
    pub id: Id,
    /// Identifies the session where its secret id must not be shown.
    pub public_id: Uuid,
    /// Who is logged in; none for a visitor.
    pub user: Option<User>,
    /// The id of the key that last signed its cookie; unknown for one begun by an older version.
    pub key_id: Option<String>,
    pub proof: Proof,
    /// None when it is bound to none.
    pub device: Option<Box<BoundDevice>>,
    written: Written,
    /// The last use that is recorded or queued to be, in microseconds since 1970.
    last_use: AtomicI64,
    user_json: OnceLock<Bytes>,
}

impl fmt::Debug for LiveSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveSession")
            .field("public_id", &self.public_id)
            .finish_non_exhaustive()
    }
}

impl LiveSession {
    pub fn new(
        id: Id,
        public_id: Uuid,
        written: Written,
        last_use: Option<Timestamp>,
        key_id: Option<String>,
        user: Option<User>,
        proof: Proof,
    ) -> Self {
        Self {
            id,
            public_id,
            user,
            key_id,
            proof,
            device: None,
            written,
            last_use: AtomicI64::new(written.last_use(last_use).unix_micros()),
            user_json: OnceLock::new(),
        }
    }

    /// The same session, bound to a device since then, if at all.
    pub fn bound_since(self, bound_at: Option<Timestamp>) -> Self {
        let device = bound_at.map(|bound_at| Box::new(BoundDevice::new(bound_at)));
        Self { device, ..self }
    }

    /// Since when it is bound to a device, if it is.
    pub fn bound_at(&self) -> Option<Timestamp> {
        self.device.as_ref().map(|device| device.bound_at())
    }

    /// Who is logged in; none for a visitor.
    pub fn user_id(&self) -> Option<Uuid> {
        self.user.as_ref().map(|user| user.id)
    }

    /// The content of its cookie.
    pub fn token(&self) -> SessionToken {
        SessionToken::new(self.public_id, self.id)
    }

    /// The ids whose revocation invalidates this session.
    pub fn revocables(&self) -> impl Iterator<Item = Revocable> + use<> {
        [self.id.into(), self.public_id.into()]
            .into_iter()
            .chain(self.user_id().map(Into::into))
    }

    pub fn created_at(&self) -> Timestamp {
        self.written.created_at
    }

    pub fn last_use(&self) -> Timestamp {
        Timestamp::from_unix_micros(self.last_use.load(Ordering::Relaxed))
    }

    pub fn expires_at(&self, timeouts: Timeouts) -> Timestamp {
        self.written.expires_at(timeouts, self.last_use())
    }

    /// Notes a use at `now`. When it has to be recorded, returns the use before it, to one caller
    /// alone. The second use of a visitor's session has to be, as it extends the session.
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

    /// Takes back a use that could not be recorded.
    pub fn unnote_use(&self, noted: Timestamp, last: Timestamp) {
        self.change_last_use(noted, last);
    }

    fn change_last_use(&self, from: Timestamp, to: Timestamp) -> bool {
        let (from, to) = (from.unix_micros(), to.unix_micros());
        self.last_use
            .compare_exchange(from, to, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
    }

    /// The user as JSON, serialized once.
    pub fn user_json(&self, user: &User) -> serde_json::Result<Bytes> {
        if let Some(json) = self.user_json.get() {
            return Ok(json.clone());
        }
        let json = Bytes::from(serde_json::to_vec(user)?);
        Ok(self.user_json.get_or_init(|| json).clone())
    }
}

/// Why a session id belongs to no live session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotLive {
    Unknown,
    Expired,
    /// Its user was deleted or disabled.
    UserGone,
}

/// The session `id`, of the row that has its public id. It expires at the `expiry_date` of the
/// row, also when an operator wrote it, and by today's `timeouts`. `last_use` may not be in the row
/// yet.
pub(crate) fn live(
    id: Id,
    row: Option<SessionRow>,
    timeouts: Timeouts,
    now: Timestamp,
    last_use: Option<Timestamp>,
) -> Result<LiveSession, NotLive> {
    // It may have been given another id since.
    let row = row.filter(|row| row.id == id.to_string());
    let row = row.ok_or(NotLive::Unknown)?;
    let (public_id, written, proof) = (row.public_id, row.written(), row.proof());
    let device_bound_at = row.device_bound_at;
    if now >= written.expires_at(timeouts, written.last_use(last_use)) {
        return Err(NotLive::Expired);
    }
    let user = match (row.user_id, row.username, row.created_at) {
        (None, ..) => None,
        (Some(id), Some(username), Some(created_at)) => Some(User {
            id,
            username,
            email: row.email,
            email_verified: row.email_verified,
            created_at,
        }),
        (Some(_), ..) => return Err(NotLive::UserGone),
    };
    let session = LiveSession::new(id, public_id, written, last_use, row.key_id, user, proof);
    Ok(session.bound_since(device_bound_at))
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
        let written = Written {
            created_at: start,
            last_seen_at: start,
            expiry_date: start.after(hour),
            expires_at_latest: None,
        };
        let user = User {
            id: Uuid::from_u128(2),
            username: "Ann".to_owned(),
            email: None,
            email_verified: false,
            created_at: start,
        };
        let proof = Proof {
            authenticated_at: start,
            has_password: true,
            has_passkey: false,
            has_usable_passkey: false,
            has_totp: false,
            second_factor_at: None,
        };
        let id = Uuid::from_u128(1);
        let new = |user| LiveSession::new(Id(1), id, written, None, None, user, proof);
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
