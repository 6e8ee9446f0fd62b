//! The meter: how many different posts a visitor has opened.

pub(super) mod store;

use std::time::Duration;

use thiserror::Error as ThisError;
use uuid::Uuid;

use self::store::Reads;
use crate::{
    auth::{AddressLimit, Visitor},
    clock::Timestamp,
    db::{Db, Tx},
    http,
};

/// A visitor opens a post.
#[derive(Clone, Copy, Debug)]
pub(super) struct Opening<'a> {
    pub db: &'a Db,
    pub visitor: &'a Visitor,
    pub post_id: Uuid,
    pub now: Timestamp,
}

/// Why a visitor cannot open a post.
#[derive(Debug, ThisError)]
pub(super) enum Refusal {
    #[error("the free reads are used up")]
    UsedUp,
    #[error(transparent)]
    Failed(#[from] http::Error),
}

impl From<sqlx::Error> for Refusal {
    fn from(error: sqlx::Error) -> Self {
        Self::Failed(error.into())
    }
}

/// The limits for visitors.
#[derive(Clone, Debug)]
pub(super) struct Meter {
    /// Different posts.
    pub limit: u32,
    /// A read is forgotten after this long.
    pub window: Duration,
    /// Posts opened without a session: a client without a cookie is a new visitor each time.
    pub per_address: Option<AddressLimit>,
}

impl Meter {
    /// Counts a post that a visitor opens; returns how many they have left.
    ///
    /// # Errors
    /// [`Refusal::UsedUp`] when this one is past a limit, and not counted.
    pub async fn count(&self, opening: Opening<'_>) -> Result<u32, Refusal> {
        let Opening {
            db,
            visitor,
            post_id,
            now,
        } = opening;
        // Most posts are opened again, or past the limit: neither writes.
        let visitor_id = match self.known_reads(opening).await? {
            Some((visitor_id, reads)) if reads.this_one == 0 && self.has_room(reads) => visitor_id,
            Some((_, reads)) => return self.left(reads),
            None => {
                // Before the session begins, so that concurrent requests begin none past the limit.
                if let Some(limit) = &self.per_address {
                    or_used_up(limit.count(visitor.ip()).await)?;
                }
                visitor.begin_session().await?
            }
        };
        let count = (self.clone(), visitor.clone(), visitor_id, post_id, now);
        let counted = db.write(count, |(meter, visitor, visitor_id, post_id, now), tx| {
            Box::pin(meter.count_on(tx, visitor, *visitor_id, *post_id, *now))
        });
        counted.await
    }

    async fn count_on(
        &self,
        tx: &mut Tx,
        visitor: &Visitor,
        visitor_id: Uuid,
        post_id: Uuid,
        now: Timestamp,
    ) -> Result<u32, Refusal> {
        // One at a time for this visitor, so that none is counted from a stale sum.
        if !visitor.lock_session(tx, visitor_id).await? {
            // Ended by a concurrent login: the next request is a user's.
            return Err(Refusal::UsedUp);
        }
        let since = now.before(self.window);
        let mut reads = store::count_in_tx(tx, visitor_id, post_id, since).await?;
        if reads.this_one == 0 && self.has_room(reads) {
            store::insert(tx, visitor_id, post_id, now)
                .await
                .map_err(post_is_gone)?;
            reads = reads.with_this_one();
        } else {
            // Counted by a concurrent request, or past the limit.
            tx.abandon();
        }
        self.left(reads)
    }

    /// What [`Self::count`] would return; counts and stores nothing.
    ///
    /// # Errors
    /// [`Refusal::UsedUp`] when the post would be past a limit.
    pub async fn check(&self, opening: Opening<'_>) -> Result<u32, Refusal> {
        match self.known_reads(opening).await? {
            Some((_, mut reads)) => {
                if reads.this_one == 0 && self.has_room(reads) {
                    reads = reads.with_this_one();
                }
                self.left(reads)
            }
            None => {
                if let Some(limit) = &self.per_address {
                    or_used_up(limit.check(opening.visitor.ip()).await)?;
                }
                Ok(self.limit - 1)
            }
        }
    }

    /// What a visitor has opened so far, and on which session; none without a live one.
    async fn known_reads(&self, opening: Opening<'_>) -> Result<Option<(Uuid, Reads)>, Refusal> {
        if self.limit == 0 {
            return Err(Refusal::UsedUp);
        }
        let Some(visitor_id) = opening.visitor.session_id().await? else {
            return Ok(None);
        };
        let since = opening.now.before(self.window);
        let reads = store::count(opening.db, visitor_id, opening.post_id, since).await?;
        Ok(Some((visitor_id, reads)))
    }

    fn has_room(&self, reads: Reads) -> bool {
        reads.different < i64::from(self.limit)
    }

    fn left(&self, reads: Reads) -> Result<u32, Refusal> {
        if reads.this_one == 0 {
            return Err(Refusal::UsedUp);
        }
        let used = u32::try_from(reads.different).unwrap_or(u32::MAX);
        Ok(self.limit.saturating_sub(used))
    }
}

/// Past the limit of an address the visitor sees the same paywall.
fn or_used_up(counted: Result<(), http::Error>) -> Result<(), Refusal> {
    counted.map_err(|error| match error {
        http::Error::TooManyAttempts { .. } => Refusal::UsedUp,
        other => other.into(),
    })
}

/// A read of a post that was deleted meanwhile is refused as one of no post.
fn post_is_gone(error: sqlx::Error) -> Refusal {
    match error.as_database_error() {
        Some(database) if database.is_foreign_key_violation() => http::Error::NotFound.into(),
        _ => error.into(),
    }
}
