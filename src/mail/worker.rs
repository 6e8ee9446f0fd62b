//! Sends what is in the outbox.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use super::{
    Mail, MailError, Mailer, Outbox,
    backoff::{is_given_up, pause_after, wait_after},
    store::{self, Leased},
};
use crate::{clock::Timestamp, db::Tx, http::Error};

/// Shorter than the lease.
const ATTEMPT_LIMIT: Duration = Duration::from_secs(45);
/// How soon a mail is found that another process has added.
const POLL: Duration = Duration::from_secs(3);
const RETRY: Duration = Duration::from_secs(1);
/// How often the end of an attempt is written down again while the database does not respond: as
/// long as the mail's lease lasts.
const RECORD_TRIES: u32 = 15;
/// Of a mail server's response, in the log.
const RESPONSE_CHARS: usize = 300;

/// Makes mails of letters, as what they are about stands when they are sent.
#[async_trait]
pub(crate) trait Compose: Send + Sync {
    /// The mail of a letter that was written at `written_at`; none when nobody is to get it any
    /// more, or when this node cannot read it.
    ///
    /// # Errors
    /// When the database is not available, or a template is at fault.
    async fn compose(
        &self,
        id: Uuid,
        written_at: Timestamp,
        letter: &[u8],
    ) -> Result<Option<Mail>, Error>;

    /// Records that a letter was given up, in the transaction that removes it. It is none when this
    /// node cannot read it.
    async fn give_up(&self, tx: &mut Tx, letter: Option<&[u8]>, now: Timestamp)
    -> sqlx::Result<()>;
}

/// Sends mails one after another.
#[derive(Clone)]
pub(crate) struct Worker {
    pub outbox: Outbox,
    pub compose: Arc<dyn Compose>,
    pub mailer: Arc<dyn Mailer>,
}

/// How an attempt ended.
#[derive(Debug)]
enum Outcome {
    /// Sent, or of no use to anybody.
    Done,
    /// To be tried after `wait`; where `pauses` is true, all others wait as well.
    Later {
        wait: Duration,
        pauses: bool,
    },
    GivenUp,
}

impl Worker {
    /// Sends mails until `stop`; the one that is being sent then is finished first.
    pub async fn work(self, stop: impl Future<Output = ()>) {
        tokio::pin!(stop);
        let mut failures = 0;
        loop {
            let rest = match self.send_next(&mut failures).await {
                Ok(rest) => rest,
                Err(error) => {
                    tracing::debug!(%error, "the outbox could not be read");
                    Some(RETRY)
                }
            };
            // While the mail server is away, a new mail changes nothing.
            let is_woken = failures == 0;
            tokio::select! {
                biased;
                () = &mut stop => return,
                () = sleep(rest.unwrap_or_default()) => {}
                () = self.outbox.added(), if is_woken && rest.is_some() => {}
            }
        }
    }

    /// Sends the mail that is due; returns how long to rest before the next one, if any.
    async fn send_next(&self, failures: &mut i64) -> sqlx::Result<Option<Duration>> {
        match self.outbox.next_due().await? {
            Some(Duration::ZERO) => {}
            due => return Ok(Some(due.unwrap_or(POLL).min(POLL))),
        }
        let Some(leased) = self.outbox.lease().await? else {
            // Another node was quicker.
            return Ok(None);
        };
        let letter = self.outbox.open(leased.id, &leased.sealed);
        let outcome = self.attempt(&leased, letter.as_deref(), *failures).await;
        let pauses = matches!(outcome, Outcome::Later { pauses: true, .. });
        let rest = match outcome {
            Outcome::Later { wait, pauses: true } => Some(wait),
            _ => None,
        };
        *failures = if pauses { *failures + 1 } else { 0 };
        self.record(&leased, letter, outcome).await;
        Ok(rest)
    }

    async fn attempt(&self, leased: &Leased, letter: Option<&[u8]>, failures: i64) -> Outcome {
        // Nobody waits for it any more, and its link would be good for longer than was said.
        if is_given_up(self.outbox.now().since(leased.created_at)) {
            return Outcome::GivenUp;
        }
        let later = |pauses| Outcome::Later {
            wait: match pauses {
                true => pause_after(failures + 1, rand::random()),
                false => wait_after(leased.deferrals + 1, rand::random()),
            },
            pauses,
        };
        let Some(letter) = letter else {
            tracing::error!(
                mail = %leased.id,
                "a mail was written under a SECRET_KEY that is neither the current one nor among \
                 SECRET_KEY_FALLBACKS"
            );
            return later(false);
        };
        let composed = self
            .compose
            .compose(leased.id, leased.created_at, letter)
            .await;
        let mail = match composed {
            Ok(Some(mail)) => mail,
            Ok(None) => return Outcome::Done,
            Err(error @ Error::Unavailable(_)) => {
                tracing::debug!(%error, "a mail could not be written");
                return later(true);
            }
            Err(error) => {
                let source = std::error::Error::source(&error).map(ToString::to_string);
                tracing::error!(%error, source, mail = %leased.id, "a mail could not be written");
                return later(false);
            }
        };
        let mail = Arc::new(mail);
        let Err(error) = self.send(mail.clone()).await else {
            return Outcome::Done;
        };
        let why = for_log(&error, &mail);
        tracing::warn!(mail = %mail.id, attempt = leased.attempts, "{why}");
        match error {
            MailError::Unavailable(_) => later(true),
            MailError::Deferred(_) => later(false),
            MailError::Refused(_) => Outcome::GivenUp,
        }
    }

    /// Sends a mail, in a task of its own: a mailer that panics fails with this mail alone.
    async fn send(&self, mail: Arc<Mail>) -> Result<(), MailError> {
        let mailer = self.mailer.clone();
        let mut sending = tokio::spawn(async move { mailer.send(&mail).await });
        match timeout(ATTEMPT_LIMIT, &mut sending).await {
            Ok(Ok(sent)) => sent,
            Ok(Err(error)) => Err(MailError::Deferred(error.to_string())),
            Err(_) => {
                sending.abort();
                let what = format!("no response within {} s", ATTEMPT_LIMIT.as_secs());
                Err(MailError::Deferred(what))
            }
        }
    }

    /// Writes down how an attempt ended, so that a mail that was sent is not sent again.
    async fn record(&self, leased: &Leased, letter: Option<Vec<u8>>, outcome: Outcome) {
        let outcome = Arc::new(outcome);
        for _ in 0..RECORD_TRIES {
            let state = (
                self.clone(),
                leased.clone(),
                letter.clone(),
                outcome.clone(),
            );
            let recorded = self
                .outbox
                .db()
                .write(state, |(worker, leased, letter, outcome), tx| {
                    Box::pin(worker.settle(tx, leased, letter.as_deref(), outcome))
                })
                .await;
            match recorded {
                Ok(()) => return,
                Err(error) => {
                    tracing::debug!(%error, "the end of an attempt to send could not be recorded");
                    sleep(RETRY).await;
                }
            }
        }
    }

    async fn settle(
        &self,
        tx: &mut Tx,
        leased: &Leased,
        letter: Option<&[u8]>,
        outcome: &Outcome,
    ) -> sqlx::Result<()> {
        let now = self.outbox.now();
        let (id, attempts) = (leased.id, leased.attempts);
        match outcome {
            Outcome::Done => store::delete(tx, id, attempts).await.map(drop),
            Outcome::Later { wait, pauses } => {
                store::postpone(tx, leased, now.after(*wait), !pauses).await
            }
            Outcome::GivenUp => {
                if store::delete(tx, id, attempts).await? {
                    self.compose.give_up(tx, letter, now).await?;
                }
                Ok(())
            }
        }
    }
}

/// On one line, and without tokens, which a mail server may have quoted.
fn for_log(error: &MailError, mail: &Mail) -> String {
    let mut text = error.to_string();
    if let Some(secret) = &mail.secret {
        text = text.replace(secret, "…");
    }
    let visible = text.chars().map(|char| match char.is_control() {
        true => ' ',
        false => char,
    });
    visible.take(RESPONSE_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_mail_server_says_shows_no_secret_and_is_one_short_line() {
        let mail = Mail {
            id: Uuid::nil(),
            written_at: Timestamp::from_unix_micros(0),
            to: "ann@example.com".to_owned(),
            subject: "s".to_owned(),
            text: "t".to_owned(),
            html: "h".to_owned(),
            secret: Some("s3cret".to_owned()),
        };
        let response = format!("554 no link #token=s3cret\r\nhere {}", "x".repeat(1_000));
        let line = for_log(&MailError::Refused(response), &mail);
        assert!(line.starts_with("the mail server refused a mail: 554 no link #token=…  here x"));
        assert_eq!(line.chars().count(), RESPONSE_CHARS);
    }
}
