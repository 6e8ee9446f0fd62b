//! Takes back attempts that were counted as failed and neither failed nor succeeded.

use super::{
    Attempt,
    counter::{Address, Counted, Scope},
    store,
};
use crate::{
    clock::Timestamp,
    db::{Db, Tx},
    http::Error,
};

impl Attempt {
    /// Takes the attempt back.
    pub async fn take_back(&self, db: &Db, now: Timestamp) -> Result<(), Error> {
        let taken_back = db.write((self.clone(), now), |(attempt, now), tx| {
            Box::pin(attempt.take_back_with(tx, *now))
        });
        taken_back.await
    }

    /// The same, in a transaction.
    pub async fn take_back_with(&self, tx: &mut Tx, now: Timestamp) -> Result<(), Error> {
        let was_counted = |counted: &&Counted| match counted.scope {
            Scope::FailedAddress => self.by != Address::Known,
            _ => self.is_decided_by(counted),
        };
        let (mut kept, mut gone) = (Vec::new(), Vec::new());
        for (counted, tally) in self.lock(tx, was_counted, now).await? {
            let less = counted.less_one(tally);
            // No other attempt from there has failed since it was looked up.
            let is_mark = counted.scope == Scope::FailedAddress;
            if is_mark && self.by == Address::New && less.count == 0 {
                gone.push(&*counted.key);
            } else {
                kept.push((&*counted.key, less));
            }
        }
        store::put(tx, &kept).await?;
        Ok(store::delete(tx, &gone).await?)
    }
}
