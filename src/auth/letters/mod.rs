//! What the library writes to its users: who gets which mail, with which link.

mod compose;
pub(crate) mod letter;
mod options;

#[cfg(feature = "server")]
use std::path::Path;
use std::sync::Arc;

pub use self::options::EmailVerification;
pub(crate) use self::{compose::Composer, options::MailOptions};

use self::letter::Letter;
use super::cookie::{Secret, keys::derive_key};
use crate::{
    clock::{Clock, Timestamp},
    db::{Db, Tx},
    http::Error,
    mail::{Mailer, Outbox, Seal, worker::Worker},
};

/// Separates this key from any other use of the same secret (RFC 5869, 3.2).
const KEY_PURPOSE: &[u8] = b"handstamp outbox, XChaCha20-Poly1305";

/// Puts letters into the outbox, if there is one. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Letters {
    outbox: Option<Outbox>,
    verification: EmailVerification,
}

impl Letters {
    /// Letters that are sealed with a key derived from `secret`; those that older ones sealed are
    /// read, too.
    pub fn new(db: Db, clock: Clock, secret: &Secret, fallbacks: &[Secret]) -> Self {
        let key = |secret| derive_key(secret, KEY_PURPOSE);
        let seal = Seal::new(key(secret), fallbacks.iter().map(key));
        Self {
            outbox: Some(Outbox::new(db, clock, seal)),
            verification: EmailVerification::Optional,
        }
    }

    pub fn outbox(&self) -> Option<&Outbox> {
        self.outbox.as_ref()
    }

    /// Whether an address has to be verified before its account is logged in to.
    pub fn requires_verification(&self) -> bool {
        self.verification == EmailVerification::Required
    }

    /// Refuses what is of no use without mail.
    ///
    /// # Errors
    /// [`Error::MailNotConfigured`]
    pub fn refuse_unconfigured(&self) -> Result<(), Error> {
        match self.outbox {
            Some(_) => Ok(()),
            None => Err(Error::MailNotConfigured),
        }
    }

    /// Puts a letter into the outbox, in the transaction of what it tells of. Without one, nobody is
    /// told.
    pub async fn put(&self, tx: &mut Tx, now: Timestamp, letter: &Letter) -> Result<(), Error> {
        let Some(outbox) = &self.outbox else {
            return Ok(());
        };
        let letter = serde_json::to_vec(letter).map_err(Error::internal)?;
        Ok(outbox.put(tx, now, &letter).await?)
    }
}

/// Checks that the files of a folder can replace the texts of mails.
///
/// # Errors
/// The message that says which cannot, and why.
#[cfg(feature = "server")]
pub(crate) fn check_mail_templates(folder: &Path) -> Result<(), String> {
    let read = compose::read_templates(Some(folder));
    read.map(drop).map_err(|error| error.to_string())
}

/// Sends the letters of this process and of others on the same database.
#[derive(Clone)]
pub(crate) struct Mailing {
    outbox: Outbox,
    composer: Arc<Composer>,
    mailer: Arc<dyn Mailer>,
}

impl std::fmt::Debug for Mailing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mailing").finish_non_exhaustive()
    }
}

impl Mailing {
    /// Sends until `stop`; the mail that is being sent then is finished first.
    pub async fn work(&self, stop: impl Future<Output = ()>) {
        let worker = Worker {
            outbox: self.outbox.clone(),
            compose: self.composer.clone(),
            mailer: self.mailer.clone(),
        };
        worker.work(stop).await;
    }
}
