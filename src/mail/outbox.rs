//! The queue of mails in the database.

use std::{sync::Arc, time::Duration};

use tokio::sync::Notify;
use uuid::Uuid;

use super::{
    Seal,
    store::{self, Leased},
};
use crate::{
    clock::{Clock, Timestamp},
    db::{Db, Tx},
};

/// Longer than any attempt takes: a node that has not said by then how it went is gone.
pub(super) const LEASE: Duration = Duration::from_secs(60);

/// The mails that wait to be sent. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Outbox(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    db: Db,
    clock: Clock,
    seal: Seal,
    /// Wakes the worker of this process.
    added: Notify,
}

/// How many mails wait, and how long the oldest has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WaitingMails {
    /// How many.
    pub count: u64,
    /// For how long the oldest has.
    pub oldest: Duration,
}

impl Outbox {
    pub fn new(db: Db, clock: Clock, seal: Seal) -> Self {
        Self(Arc::new(Parts {
            db,
            clock,
            seal,
            added: Notify::new(),
        }))
    }

    pub fn db(&self) -> &Db {
        &self.0.db
    }

    pub fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    /// Adds a letter, which is due after `wait`, in the transaction of what it tells of.
    pub async fn put(
        &self,
        tx: &mut Tx,
        id: Uuid,
        now: Timestamp,
        wait: Duration,
        letter: &[u8],
    ) -> sqlx::Result<()> {
        let sealed = self.0.seal.seal(id, letter);
        store::insert(tx, id, (now, now.after(wait)), &sealed).await?;
        let outbox = self.clone();
        tx.after_commit(move || outbox.0.added.notify_one());
        Ok(())
    }

    /// How many mails wait, read from the database.
    pub async fn waiting(&self) -> sqlx::Result<WaitingMails> {
        let (count, oldest) = store::waiting(self.db()).await?;
        Ok(WaitingMails {
            count: u64::try_from(count).unwrap_or(0),
            oldest: oldest.map_or(Duration::ZERO, |oldest| self.now().since(oldest)),
        })
    }

    /// The content of a row; none when its key is not here.
    pub(super) fn open(&self, id: Uuid, sealed: &[u8]) -> Option<Vec<u8>> {
        self.0.seal.open(id, sealed)
    }

    /// How long until the next mail is due; none when there is none.
    pub(super) async fn next_due(&self) -> sqlx::Result<Option<Duration>> {
        let due = store::next_due(self.db()).await?;
        Ok(due.map(|due| due.since(self.now())))
    }

    /// Leases the mail that is due, if any.
    pub(super) async fn lease(&self) -> sqlx::Result<Option<Leased>> {
        let now = self.now();
        let lease = self.db().write(now, |now, tx| {
            Box::pin(store::lease(tx, *now, now.after(LEASE)))
        });
        lease.await
    }

    /// Waits until this process adds a mail.
    pub(super) async fn added(&self) {
        self.0.added.notified().await;
    }
}
