//! Logging in, renewing and logging out: what changes the session of a request.

use tower_sessions::session::{Id, Record};
use uuid::Uuid;

use super::{
    audit::{Action, Event},
    record::{self, Data, LogInData},
    request_session::RequestSession,
    session_token::SessionToken,
    sessions::{self, NewSession},
    users::User,
};
use crate::{
    db::{Revocable, Tx},
    http::{Client, Error},
};

/// The sessions that a log-in takes the place of.
#[derive(Clone, Debug)]
pub(super) struct Replaced {
    ids: Vec<Id>,
    keep_values: bool,
}

impl Replaced {
    /// Nothing of them goes along.
    pub fn cleared(self) -> Self {
        Self {
            keep_values: false,
            ..self
        }
    }
}

impl RequestSession {
    /// The sessions that a log-in is about to replace. To be asked before the log-in's
    /// transaction begins: SQLite has one connection for writing, and this may write.
    pub async fn replaced(&self) -> Result<Replaced, Error> {
        let keep_values = self.find().await?.is_ok();
        Ok(Replaced {
            ids: self.named_ids(),
            keep_values,
        })
    }

    /// Logs `user` in on a session of its own, in the transaction that found them worthy.
    /// The replaced session ends with it; its values go along unless they are another user's.
    /// `action` is what the log-in was part of.
    pub async fn log_in(
        &self,
        mut tx: Tx,
        user: &User,
        client: &Client,
        replaced: Replaced,
        action: Action,
    ) -> Result<(), Error> {
        let gate = self.gate();
        let now = gate.now();
        let mut ended: Vec<Revocable> = replaced.ids.iter().map(|id| (*id).into()).collect();
        let mut data = Data::new();
        let lookup = self.lookup();
        let mut events = vec![Event::new(action, user.id, Some(client))];
        for old in replaced.ids {
            match sessions::take(&mut tx, old).await? {
                Some((_, Some(owner))) if owner != user.id => {
                    events.push(Event::new(Action::LogOut, owner, Some(client)));
                }
                Some((bytes, _)) if replaced.keep_values => {
                    data = record::values_or_none(&bytes, lookup.found());
                }
                _ => {}
            }
        }
        data.extend(LogInData::of(user).into_values());

        let expires_at = gate.timeouts().expires_at(now, now);
        let record = record::new_record(data, expires_at);
        let bytes = record::encode(&record).map_err(Error::internal)?;
        let public_id = Uuid::now_v7();
        let session = NewSession {
            record: &record,
            public_id,
            user_id: Some(user.id),
            client: Some(client),
            key_id: gate.cookie().key_id(),
            now,
            expires_at,
        };
        if !sessions::insert(&mut tx, session, &bytes).await? {
            return Err(Error::internal("a fresh session id is taken"));
        }
        let kept = gate.sessions_per_user().saturating_sub(1).max(0);
        let oldest = sessions::delete_oldest(&mut tx, user.id, public_id, kept, now).await?;
        if !oldest.is_empty() {
            events.push(Event::new(Action::EndSessions, user.id, Some(client)));
        }
        ended.extend(oldest.into_iter().map(Revocable::from));
        gate.accounts().commit(tx, &events, ended).await?;

        self.keep(SessionToken::new(public_id, record.id));
        Ok(())
    }

    /// Has the session go on under a new id, in the transaction that calls for it and that
    /// has ended `user_id`'s others, because of `event`.
    ///
    /// # Errors
    /// [`Error::NotLoggedIn`] when the session has ended meanwhile; nothing is committed.
    pub async fn renew(&self, mut tx: Tx, user_id: Uuid, event: Event<'_>) -> Result<(), Error> {
        let lookup = self.lookup();
        let token = lookup.token().ok_or_else(|| self.unknown_session())?;
        let old = token.id;
        let Some(bytes) = sessions::lock_data(&mut tx, old).await? else {
            return Err(self.unknown_session());
        };
        let record = record::decode(&bytes).unwrap_or_else(|_| {
            let now = self.gate().now();
            let expires_at = self.gate().timeouts().expires_at(now, now);
            record::repaired(old, lookup.found(), expires_at)
        });
        let record = Record {
            id: Id::default(),
            ..record
        };
        let bytes = record::encode(&record).map_err(Error::internal)?;
        sessions::change_id(&mut tx, old, record.id, &bytes).await?;
        let ended = vec![user_id.into(), old.into()];
        let accounts = self.gate().accounts();
        accounts.commit(tx, &[event], ended).await?;
        self.keep(SessionToken {
            id: record.id,
            ..token
        });
        Ok(())
    }

    /// Ends the session: once this returns, no copy of its cookie is good for anything.
    pub async fn log_out(&self, client: &Client) -> Result<(), Error> {
        let ids = self.named_ids();
        self.gate().end_sessions(&ids, Some(client)).await?;
        self.forget();
        Ok(())
    }
}
