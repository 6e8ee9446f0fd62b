//! The limit of codes, and of logins that wait for one.

use std::time::Duration;

use uuid::Uuid;

use super::{
    Attempt, RateLimit, Throttle,
    counter::{Counted, Scope},
    store,
};
use crate::db::Tx;

const LIMIT: RateLimit = RateLimit {
    count: 10,
    window: Duration::from_secs(15 * 60),
};

const ONCE_A_DAY: RateLimit = RateLimit {
    count: 1,
    window: Duration::from_secs(24 * 60 * 60),
};

impl Throttle {
    /// A code of the second step of a login, which only who knows the password can try. A right
    /// password does not clear its count, and no address comes before another. Codes are short: where
    /// passwords have no limit, they have one all the same.
    pub fn second_factor(&self, user_id: Uuid) -> Attempt {
        let key = codes_key(user_id);
        let limit = self.per_account.unwrap_or(LIMIT);
        Attempt::new(vec![Counted::new(key, limit, Scope::Codes)])
    }

    /// The notice that somebody has reached that limit.
    pub fn wrong_codes_notice(&self, user_id: Uuid) -> Attempt {
        let key = told_key(user_id);
        Attempt::new(vec![Counted::new(key, ONCE_A_DAY, Scope::Address)])
    }
}

/// Forgets the wrong codes of a user, as their second factor is gone.
pub(crate) async fn forget_codes(tx: &mut Tx, user_id: Uuid) -> sqlx::Result<()> {
    store::delete(tx, &[&codes_key(user_id), &told_key(user_id)]).await
}

fn codes_key(user_id: Uuid) -> String {
    format!("second factor of {user_id}")
}

fn told_key(user_id: Uuid) -> String {
    format!("wrong codes of {user_id} told")
}
