//! The limit of codes, and of logins that wait for one.

use uuid::Uuid;

use super::{
    Attempt, Throttle,
    counter::{Counted, Scope},
    store,
};
use crate::{clock::Timestamp, db::Tx, http::Error};

impl Throttle {
    /// A code of the second step of a login, which only who knows the password can try. A right
    /// password does not clear its count, and no address comes before another.
    pub fn second_factor(&self, user_id: Uuid) -> Attempt {
        let key = format!("second factor of {user_id}");
        let counts = self.per_account.map(|limit| {
            let failed = format!("{key} failed");
            [
                Counted::new(failed, limit, Scope::FailedAddress),
                Counted::new(key, limit, Scope::Account),
            ]
        });
        Attempt::new(counts.into_iter().flatten().collect())
    }
}

impl Attempt {
    /// Takes back an attempt that neither failed nor succeeded, in a transaction.
    pub async fn take_back_with(&self, tx: &mut Tx, now: Timestamp) -> Result<(), Error> {
        let is_decisive = |counted: &&Counted| self.is_decided_by(counted);
        let tallies = self.lock(tx, is_decisive, now).await?.into_iter();
        let less_one = tallies.map(|(counted, tally)| (&*counted.key, counted.less_one(tally)));
        Ok(store::put(tx, &less_one.collect::<Vec<_>>()).await?)
    }
}
