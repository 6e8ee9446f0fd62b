//! Encrypts with the present key what older keys have encrypted, so that those can be taken away.

use uuid::Uuid;

use super::store;
use crate::{auth::account::credentials::Credentials, http::Error};

/// Secrets that are read at a time.
const BATCH: i64 = 100;

impl Credentials {
    /// Encrypts again what only an older key opens; returns how much that was. What no key opens is left
    /// as it is, and logged once.
    pub async fn reseal_secrets(&self) -> Result<u64, Error> {
        let Some(codes) = &self.totp else {
            return Ok(0);
        };
        let (mut after, mut resealed) = (Uuid::nil(), 0);
        loop {
            let rows = store::list_secrets(self.db(), after, BATCH).await?;
            let Some(last) = rows.last() else {
                return Ok(resealed);
            };
            after = last.id;
            for row in rows {
                let sealed = match codes.resealed(row.id, &row.sealed) {
                    Ok(Some(sealed)) => sealed,
                    Ok(None) => continue,
                    // It was logged.
                    Err(Error::KeyMissing) => continue,
                    Err(error) => {
                        tracing::error!(error = ?error, "a second factor cannot be used");
                        continue;
                    }
                };
                let reseal = self.db().write((row.id, sealed), |(id, sealed), tx| {
                    Box::pin(store::reseal(tx, *id, sealed))
                });
                reseal.await?;
                resealed += 1;
            }
        }
    }
}
