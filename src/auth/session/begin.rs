//! Begins sessions and gives them new ids, in the transaction of the caller.

use std::time::Duration;

use tower_sessions::session::{Id, Record};
use uuid::Uuid;

use super::{
    LoggedIn, Replaced, Sessions, device,
    live::LiveSession,
    proof::Factors,
    record::{self, Data, LogInData},
    store::{self, NewSession},
};
use crate::{
    auth::{
        audit::{self, Action, Event},
        cookie::token::SessionToken,
        user::User,
    },
    clock::Timestamp,
    db::{Revocable, Tx},
    http::{Client, Error},
};

/// How long a new cookie may take to its browser, and requests that were sent without it to the
/// server.
const ON_ITS_WAY: Duration = Duration::from_secs(30);

impl Sessions {
    /// Begins a session without a user: it logs nobody in.
    pub async fn begin_for_visitor(&self, record: &mut Record) -> Result<SessionToken, Error> {
        let now = self.now();
        let expires_at = self.0.timeouts.visitor_expires_at(now);
        record.expiry_date = expires_at.into();
        // A flushed session's record still has the id that was deleted.
        record.id = Id::default();
        // Refused before it is queued.
        record::encode_to_store(record, 0)?;
        let begin = (self.clone(), record.clone(), now.new_id(), now);
        let begin = self
            .0
            .db
            .write(begin, |(sessions, record, public_id, now), tx| {
                let visitor = (record.clone(), *public_id);
                Box::pin(sessions.insert_for_visitor(tx, visitor, None, None, *now))
            });
        let token = begin.await?;
        record.id = token.id;
        Ok(token)
    }

    /// Whether another session has just taken the place of that of `id`, so that the browser has
    /// another cookie, or is about to.
    pub async fn is_just_replaced(&self, id: Id) -> Result<bool, Error> {
        let since = self.now().before(ON_ITS_WAY);
        Ok(store::is_replaced(&self.0.db, id, since).await?)
    }

    async fn insert_for_visitor(
        &self,
        tx: &mut Tx,
        (mut record, public_id): (Record, Uuid),
        replaced: Option<Id>,
        expires_at_latest: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<SessionToken, Error> {
        let expires_at = self.0.timeouts.visitor_expires_at(now);
        let expires_at = expires_at.min(expires_at_latest.unwrap_or(expires_at));
        loop {
            let data = record::encode_to_store(&record, 0)?;
            let session = NewSession {
                record: &record,
                public_id,
                user_id: None,
                client: None,
                key_id: self.0.cookie.key_id(),
                now,
                authenticated_at: None,
                second_factor_at: None,
                expires_at,
                expires_at_latest,
                replaced,
            };
            if store::insert(tx, &session, &data).await? {
                return Ok(SessionToken::new(public_id, record.id));
            }
            record.id = Id::default();
        }
    }

    /// Logs `user` in on a new session, in the transaction that has verified them. The replaced
    /// sessions end with it; their values move along unless they belong to another user. `action`
    /// is what the login was part of, `factors` what it has proved.
    pub async fn begin(
        &self,
        tx: &mut Tx,
        user: &User,
        client: &Client,
        replaced: &Replaced,
        action: Action,
        factors: Factors,
    ) -> Result<LoggedIn, Error> {
        let now = self.now();
        let Taken {
            mut data,
            log_outs,
            own,
        } = self
            .take(tx, Some(user.id), user.id, client, replaced)
            .await?;
        let login = Event::new(action, user.id, Some(client));
        let login = match own {
            Some(own) => login.ending(own),
            None => login,
        };
        let mut events = vec![login];
        events.extend(log_outs);
        data.extend(LogInData::of(user).into_values());

        let expires_at = self.0.timeouts.expires_at(now, now);
        let record = record::new_record(data, expires_at);
        let bytes = record::encode(&record).map_err(Error::internal)?;
        let public_id = now.new_id();
        let session = NewSession {
            record: &record,
            public_id,
            user_id: Some(user.id),
            client: Some(client),
            key_id: self.0.cookie.key_id(),
            now,
            authenticated_at: Some(now),
            second_factor_at: (factors == Factors::Two).then_some(now),
            expires_at,
            expires_at_latest: None,
            replaced: replaced.first(),
        };
        let limit = self.0.per_user.max(1);
        if !store::insert_below(tx, &session, &bytes, limit).await? {
            let oldest = store::delete_oldest(tx, user.id, limit - 1, now).await?;
            let event = Event::new(Action::EndSessions, user.id, Some(client));
            match *oldest {
                [] => {}
                [one] => events.push(event.ending(one)),
                _ => events.push(event),
            }
            tx.revoke(oldest.into_iter().map(Revocable::from));
            if !store::insert(tx, &session, &bytes).await? {
                return Err(Error::internal("a fresh session id is taken"));
            }
        }
        audit::record(tx, now, events).await?;
        Ok(LoggedIn(SessionToken::new(public_id, record.id)))
    }

    /// Begins a session that logs nobody in, for the second step of a login of `user_id`, who has given
    /// the right password; returns its public id, too. It expires after `lifetime`, however much it is
    /// used. The replaced sessions end with it; a visitor's values move along.
    #[cfg(feature = "totp")]
    pub async fn begin_for_nobody(
        &self,
        tx: &mut Tx,
        user_id: Uuid,
        client: &Client,
        replaced: &Replaced,
        lifetime: Duration,
    ) -> Result<(SessionToken, Uuid), Error> {
        let now = self.now();
        let taken = self.take(tx, None, user_id, client, replaced);
        let Taken { data, log_outs, .. } = taken.await?;
        let record = record::new_record(data, self.0.timeouts.visitor_expires_at(now));
        let public_id = now.new_id();
        let replaced = replaced.first();
        let latest = Some(now.after(lifetime));
        let token = self
            .insert_for_visitor(tx, (record, public_id), replaced, latest, now)
            .await?;
        audit::record(tx, now, log_outs).await?;
        Ok((token, public_id))
    }

    /// Gives a session a new secret id, in the transaction that has verified who its user is because
    /// of `event`, at `now`. None when the session has ended meanwhile.
    pub async fn renew(
        &self,
        tx: &mut Tx,
        token: SessionToken,
        current: Option<&LiveSession>,
        event: Event,
        now: Timestamp,
    ) -> Result<Option<SessionToken>, Error> {
        let Some(bytes) = store::lock_data(tx, token.id).await? else {
            return Ok(None);
        };
        let record = record::decode(&bytes).unwrap_or_else(|_| self.repaired(token.id, current));
        let record = Record {
            id: Id::default(),
            ..record
        };
        let bytes = record::encode(&record).map_err(Error::internal)?;
        store::change_id(tx, token.id, record.id, &bytes, now).await?;
        tx.revoke([token.id.into()]);
        audit::record(tx, now, [event]).await?;
        Ok(Some(SessionToken {
            id: record.id,
            ..token
        }))
    }

    /// Ends the sessions that a login of `user_id` replaces; none where that user is not logged in yet.
    /// Those of `verified`, whose password or passkey was right, end also without a proof of their device.
    async fn take(
        &self,
        tx: &mut Tx,
        user_id: Option<Uuid>,
        verified: Uuid,
        client: &Client,
        replaced: &Replaced,
    ) -> sqlx::Result<Taken> {
        tx.revoke(replaced.named.iter().map(|named| named.id.into()));
        let mut taken = Taken {
            data: Data::new(),
            log_outs: Vec::new(),
            own: None,
        };
        let now = self.now();
        for old in replaced.named.iter().copied() {
            let endable = self.endable(old, now);
            let Some(ended) = device::store::take(tx, old.id, endable, verified).await? else {
                continue;
            };
            tx.revoke([ended.public_id.into()]);
            match ended.user_id {
                Some(owner) if Some(owner) != user_id => {
                    let event = Event::new(Action::LogOut, owner, Some(client));
                    taken.log_outs.push(event.ending(ended.public_id));
                    continue;
                }
                Some(_) => taken.own = Some(ended.public_id),
                None => {}
            }
            if replaced.keep_values {
                taken.data = record::values_or_none(&ended.data, replaced.current.as_deref());
            }
        }
        Ok(taken)
    }
}

/// What is left of sessions that were replaced.
struct Taken {
    /// Their values, unless they belonged to somebody else.
    data: Data,
    /// Of others who were logged in on them.
    log_outs: Vec<Event>,
    /// The public id of one on which the user themselves was.
    own: Option<Uuid>,
}
