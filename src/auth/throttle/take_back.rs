//! What becomes of attempts that were counted as failed: some fail, and others do neither that nor
//! succeed.

use super::{
    Attempt,
    counter::{Address, Counted, Scope},
    store::{self, Tally},
};
use crate::{
    clock::Timestamp,
    db::{Db, Tx},
    http::Error,
};

/// A count that an attempt has added to.
#[derive(Clone, Debug)]
pub(super) struct Raised {
    counted: Counted,
    /// The lockout that the attempt has begun.
    blocked_until: Option<Timestamp>,
}

impl Raised {
    /// `next` is the tally with the attempt.
    pub fn new(counted: &Counted, next: Tally) -> Self {
        Self {
            counted: counted.clone(),
            blocked_until: next.blocked_until,
        }
    }

    /// The tally without the attempt; none if nothing is to be changed, as it was cleared meanwhile.
    fn taken_back(&self, tally: Tally) -> Option<Tally> {
        (tally.count > 0).then(|| self.counted.less_one(tally, self.blocked_until))
    }
}

impl Attempt {
    /// Takes the attempt back: exactly what it was counted under, if it was.
    pub async fn take_back(&self, db: &Db, now: Timestamp) -> Result<(), Error> {
        let taken_back = db.write((self.clone(), now), |(attempt, now), tx| {
            Box::pin(attempt.take_back_with(tx, *now))
        });
        taken_back.await
    }

    /// The same, in a transaction.
    pub async fn take_back_with(&self, tx: &mut Tx, now: Timestamp) -> Result<(), Error> {
        let raised_of = |counted: &Counted| {
            let mut raised = self.raised.iter();
            raised.find(|raised| raised.counted.key == counted.key)
        };
        let is_raised = |counted: &&Counted| raised_of(counted).is_some();
        let tallies = self.lock(tx, is_raised, now).await?.into_iter();
        let less = tallies.filter_map(|(counted, tally)| {
            let less = raised_of(counted)?.taken_back(tally)?;
            Some((&*counted.key, less))
        });
        let less: Vec<(&str, Tally)> = less.collect();
        Ok(store::put(tx, &less).await?)
    }

    /// Marks the address of an attempt that has failed: others come before it. One that the account
    /// knows has a count of its own.
    pub async fn mark_failed(&self, tx: &mut Tx, now: Timestamp) -> sqlx::Result<()> {
        let marks = self.counts.iter();
        let marks = marks.filter(|counted| counted.scope == Scope::FailedAddress);
        let marks: Vec<(&str, Tally)> = marks
            .filter(|_| self.by != Address::Known)
            .map(|counted| (&*counted.key, counted.mark(now)))
            .collect();
        store::put(tx, &marks).await
    }
}
