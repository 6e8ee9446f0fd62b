//! What the library writes to its users: who gets which mail, with which link.

mod compose;
mod draft;
pub(crate) mod letter;
mod options;
pub(crate) mod words;

pub use self::options::EmailVerification;
pub(crate) use self::{compose::Composer, options::MailOptions};

#[cfg(feature = "server")]
use std::path::Path;
use std::{sync::Arc, time::Duration};

use uuid::Uuid;

use self::letter::{Content, Letter};
use super::{
    cookie::{Secret, keys::derive_key},
    tokens::{self, Bound, Purpose, Token},
};
use crate::{
    clock::{Clock, Timestamp},
    db::{Db, Tx},
    http::Error,
    mail::{GIVEN_UP_AFTER, Mailer, Outbox, Seal, worker::Worker},
};

/// Separates this key from any other use of the same secret (RFC 5869, 3.2).
const KEY_PURPOSE: &[u8] = b"handstamp outbox, XChaCha20-Poly1305";
/// How long a letter that anybody can have written waits at most, at random: a mail that comes right
/// after it does not show whether it was sent.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

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

    /// Puts a letter into the outbox, in the transaction of what it tells of, which holds the lock of
    /// its user if it has a link. Without an outbox, nobody is told.
    pub async fn put(&self, tx: &mut Tx, now: Timestamp, letter: Letter) -> Result<(), Error> {
        let Some(outbox) = &self.outbox else {
            return Ok(());
        };
        let mut mail_id = now.new_id();
        let token = match letter.link() {
            Some((purpose, user_id, email)) => {
                let email = email.to_owned();
                if purpose == Purpose::UndoEmailChange {
                    mail_id = after_others(tx, user_id, mail_id).await?;
                }
                let bound = Bound {
                    purpose,
                    user_id,
                    email,
                    mail_id,
                    since: letter.since().unwrap_or(now),
                };
                Some(new_token(tx, bound, now).await?)
            }
            None => None,
        };
        let wait = match letter.is_for_anybody() {
            true => LONGEST_WAIT.mul_f64(rand::random()),
            false => Duration::ZERO,
        };
        let content = Content { letter, token };
        let content = serde_json::to_vec(&content).map_err(Error::internal)?;
        Ok(outbox.put(tx, mail_id, now, wait, &content).await?)
    }
}

/// An id that follows those of all links that take a change of the address of this user, who is locked,
/// back: their order is that in which they were made, whatever the clocks of nodes say.
async fn after_others(tx: &mut Tx, user_id: Uuid, id: Uuid) -> sqlx::Result<Uuid> {
    let last = tokens::store::last_mail(tx, user_id, Purpose::UndoEmailChange).await?;
    let next = last.map(|last| Uuid::from_u128(last.as_u128().saturating_add(1)));
    Ok(next.map_or(id, |next| next.max(id)))
}

/// Makes the token of a link that waits to be sent.
async fn new_token(tx: &mut Tx, bound: Bound, now: Timestamp) -> sqlx::Result<Token> {
    if bound.purpose == Purpose::VerifyEmail {
        // Earlier links are of no use any more.
        tokens::store::delete_of_purpose(tx, bound.user_id, bound.purpose).await?;
    }
    let token = Token::random();
    // It lives as long as it may wait, and then as long as a link does.
    let expires_at = now.after(GIVEN_UP_AFTER + bound.purpose.lifetime());
    let hash = token.hash();
    let row = tokens::store::NewToken {
        hash: &hash,
        bound: &bound,
        now,
        expires_at,
    };
    tokens::store::insert(tx, &row).await?;
    Ok(token)
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
