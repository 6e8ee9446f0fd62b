//! Challenges: each is bound to the browser that it was given to, and good for one attempt.

use std::time::Duration;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{
    ceremony::Ceremony,
    store::{self, ChallengeRow},
};
use crate::{auth::throttle::Attempt, clock::Timestamp, db::Db, http::Error};

const LIFETIME: Duration = Duration::from_secs(5 * 60);
/// Challenges that one browser may have open for one purpose: its pages ask for one each.
const MAX_OPEN: i64 = 16;

/// What a challenge is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Add,
    LogIn,
    Reauthenticate,
}

impl Purpose {
    fn as_str(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::LogIn => "log_in",
            Self::Reauthenticate => "reauthenticate",
        }
    }
}

/// The browser that a challenge is given to, by something that names it; the database has its hash
/// alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ChallengedBrowser(Vec<u8>);

impl ChallengedBrowser {
    /// One on which nobody is logged in, by a cookie of its own.
    pub fn visitor(cookie: &str) -> Self {
        Self(Sha256::digest(cookie).to_vec())
    }

    /// One on which somebody is, by their session.
    pub fn session(public_id: Uuid) -> Self {
        Self(Sha256::digest(public_id.as_bytes()).to_vec())
    }
}

/// Stores a challenge with what its response is to be checked against; older ones of the same browser
/// go when it has many.
///
/// # Errors
/// [`Error::TooManyAttempts`] when `attempt` must wait.
pub(super) async fn keep<S: Serialize>(
    db: &Db,
    ceremony: &Ceremony<S>,
    purpose: Purpose,
    browser: &ChallengedBrowser,
    attempt: Attempt,
    now: Timestamp,
) -> Result<(), Error> {
    let row = ChallengeRow {
        purpose: purpose.as_str().to_owned(),
        browser: browser.0.clone(),
        state: serde_json::to_string(&ceremony.state).map_err(Error::internal)?,
        expires_at: now.after(LIFETIME),
    };
    let keep = (ceremony.challenge.clone(), row, attempt, now);
    let kept = db.write(keep, |(challenge, row, attempt, now), tx| {
        Box::pin(async move {
            attempt.count_with(tx, *now).await?;
            store::delete_oldest_challenges(tx, row, MAX_OPEN - 1).await?;
            Ok::<_, Error>(store::insert_challenge(tx, challenge, row).await?)
        })
    });
    kept.await
}

/// Uses up the challenge that a response is to, whatever becomes of the response; without one, all
/// that this browser was given for the purpose. None when it was not given to this browser, for
/// this purpose, within its lifetime.
pub(super) async fn take<S: DeserializeOwned>(
    db: &Db,
    credential: &Value,
    purpose: Purpose,
    browser: &ChallengedBrowser,
    now: Timestamp,
) -> Result<Option<S>, Error> {
    let challenge = challenge_of(credential);
    // What anybody can send, as often as they like, is not to wait for the writer, nor have others wait.
    let is_open = match &challenge {
        Some(challenge) => store::has_challenge(db, challenge).await?,
        None => store::has_challenges(db, &browser.0, purpose.as_str()).await?,
    };
    if !is_open {
        return Ok(None);
    }
    let take = (challenge, browser.clone());
    let taken = db.write(take, move |(challenge, browser), tx| {
        Box::pin(async move {
            match challenge {
                Some(challenge) => store::take_challenge(tx, challenge).await,
                None => {
                    let purpose = purpose.as_str();
                    store::delete_challenges(tx, &browser.0, purpose).await?;
                    Ok::<_, sqlx::Error>(None)
                }
            }
        })
    });
    let is_good = |row: &ChallengeRow| {
        row.purpose == purpose.as_str() && row.browser == browser.0 && now < row.expires_at
    };
    match taken.await?.filter(is_good) {
        Some(row) => serde_json::from_str(&row.state)
            .map(Some)
            .map_err(Error::internal),
        None => Ok(None),
    }
}

/// The challenge that a response says it is to.
pub(super) fn challenge_of(credential: &Value) -> Option<Vec<u8>> {
    let encoded = credential
        .get("response")?
        .get("clientDataJSON")?
        .as_str()?;
    let client_data = BASE64_URL_SAFE_NO_PAD.decode(encoded).ok()?;
    let client_data: Value = serde_json::from_slice(&client_data).ok()?;
    let challenge = client_data.get("challenge")?.as_str()?;
    BASE64_URL_SAFE_NO_PAD.decode(challenge).ok()
}
