//! Logging in by two steps: a password, then a code.

use std::time::Duration;

use uuid::Uuid;

use super::{
    recovery_code,
    store::{self, SecretRow},
};
use crate::{
    auth::{
        account::credentials::{Credentials, Verified},
        audit::{self, Action, Event, Reason},
        cookie::token::SessionToken,
        letters::letter::SecurityChange,
        session::{self, LoggedIn, Replaced, Sessions, proof::Factors},
        throttle::{Attempt, Used},
        user::{self, Account, AccountState, User},
    },
    clock::Timestamp,
    db::Tx,
    http::{Client, Error},
};

/// How long the second step may take.
const LIFETIME: Duration = Duration::from_secs(10 * 60);

/// Records the first step of a login, on a new session that logs nobody in.
///
/// # Errors
/// [`Error::BadCredentials`] when the account was changed since it was verified.
pub(crate) async fn begin_second_step(
    credentials: &Credentials,
    sessions: &Sessions,
    verified: Verified,
    client: Client,
    replaced: Replaced,
) -> Result<SessionToken, Error> {
    // Nobody is to be stuck between the steps.
    credentials.codes()?;
    let begin = (credentials.clone(), sessions.clone(), verified, client);
    let begun = credentials.db().write(
        (begin, replaced),
        |((credentials, sessions, verified, client), replaced), tx| {
            Box::pin(async move {
                let (account, now) = (&verified.account, credentials.now());
                if !user::store::lock_unchanged(tx, account).await? {
                    return Err(Error::BadCredentials);
                }
                // It has not failed, and does not clear the count before the code was right, too.
                if let Some(attempt) = verified.counted_attempt() {
                    attempt.take_back_with(tx, now).await?;
                }
                let begun = sessions.begin_for_nobody(tx, client, replaced).await?;
                let (token, session_id) = begun;
                let user_id = account.user.id;
                let expires_at = now.after(LIFETIME);
                store::insert_half_login(tx, session_id, user_id, now, expires_at).await?;
                let event = Event::new(Action::BeginLogIn, user_id, Some(client));
                audit::record(tx, now, [event]).await?;
                Ok(token)
            })
        },
    );
    begun.await
}

/// What somebody proves with in the second step.
#[derive(Clone)]
pub(crate) enum Factor {
    /// A code of their authenticator app.
    Totp(String),
    RecoveryCode(String),
}

/// The second step of a login.
#[derive(Clone)]
pub(crate) struct SecondStep {
    credentials: Credentials,
    /// The session on which the first step was done.
    session_id: Uuid,
    user_id: Uuid,
    factor: Factor,
    client: Client,
    /// The codes that were tried.
    tried: Attempt,
}

impl SecondStep {
    /// None when no login is half done on this session.
    pub async fn find(
        credentials: &Credentials,
        session_id: Uuid,
        factor: Factor,
        client: Client,
    ) -> Result<Option<Self>, Error> {
        let now = credentials.now();
        let user_id = store::find_half_login(credentials.db(), session_id, now).await?;
        Ok(user_id.map(|user_id| Self {
            tried: credentials.throttle.second_factor(user_id),
            credentials: credentials.clone(),
            session_id,
            user_id,
            factor,
            client,
        }))
    }

    /// Checks the code and logs its user in, in one transaction: of many that use the same code at
    /// once, one succeeds. None when the login is no longer half done.
    ///
    /// # Errors
    /// [`Error::BadCode`], [`Error::TooManyAttempts`]
    pub async fn log_in(
        mut self,
        sessions: &Sessions,
        replaced: Replaced,
    ) -> Result<Option<(User, LoggedIn)>, Error> {
        let db = self.credentials.db().clone();
        // Before the wait, and after it: who is over the limit lets others wait for nothing.
        self.tried.check(&db, self.credentials.now()).await?;
        let codes = self.credentials.codes()?.clone();
        let _turn = codes.turns.of(self.user_id).await;
        self.tried.check(&db, self.credentials.now()).await?;
        let account = user::store::find_by_id(&db, self.user_id).await?;
        let Some(account) = account else {
            return Ok(None);
        };
        let login = self.credentials.throttle;
        let mut login = login.log_in(&account.user.username, self.client.ip);
        match login.check(&db, self.credentials.now()).await {
            // Others have tried passwords; this one was right.
            Ok(()) | Err(Error::TooManyAttempts { .. }) => {}
            Err(error) => return Err(error),
        }
        let proof = self.prepare().await?;
        let step = (self, sessions.clone(), login, replaced, proof);
        let done = db.write(step, |(step, sessions, login, replaced, proof), tx| {
            Box::pin(step.log_in_with(tx, sessions, login, replaced, proof))
        });
        match done.await? {
            Done::LoggedIn(user, token) => Ok(Some((user, token))),
            Done::NothingToDo => Ok(None),
            Done::WrongCode => Err(Error::BadCode),
        }
    }

    /// What is to be used up, if the code is right. Read before the transaction, in which others who
    /// log in as the same user wait.
    async fn prepare(&self) -> Result<Proof, Error> {
        let code = match &self.factor {
            Factor::Totp(code) => code,
            Factor::RecoveryCode(code) => {
                return Ok(Proof::RecoveryCode(recovery_code::hash(code)));
            }
        };
        let (db, now) = (self.credentials.db(), self.credentials.now());
        let Some(SecretRow { id, sealed }) = store::find_confirmed(db, self.user_id).await? else {
            return Ok(Proof::Wrong);
        };
        let codes = self.credentials.codes()?;
        Ok(match codes.step_of(id, &sealed, code, now)? {
            Some(step) => Proof::Step {
                id,
                step,
                resealed: codes.resealed(id, &sealed)?,
            },
            None => Proof::Wrong,
        })
    }

    async fn log_in_with(
        &self,
        tx: &mut Tx,
        sessions: &Sessions,
        login: &Attempt,
        replaced: &Replaced,
        proof: &Proof,
    ) -> Result<Done, Error> {
        let now = self.credentials.now();
        // First of all, as every change of an account locks it before what belongs to it.
        let account = user::store::lock_account(tx, self.user_id).await?;
        let is_usable = |account: &Account| {
            account.state() == AccountState::Enabled && account.totp_since.is_some()
        };
        let Some(account) = account.filter(is_usable) else {
            return Ok(Done::NothingToDo);
        };
        let used = self.tried.count_with(tx, now).await?;
        if !proof.use_up(tx, self.user_id).await? {
            self.record_failure(tx, used, now).await?;
            return Ok(Done::WrongCode);
        }
        let is_half_done = store::delete_half_login(tx, self.session_id, now).await?;
        if !is_half_done || !session::store::lock(tx, self.session_id).await? {
            tx.abandon();
            return Ok(Done::NothingToDo);
        }
        self.tried.succeed(tx, now).await?;
        if let Factor::RecoveryCode(_) = self.factor {
            self.note_recovery_code(tx, now).await?;
        }
        let verified = Verified::otherwise(account, login.clone());
        self.credentials.log_in(tx, &verified, &self.client).await?;
        let user = verified.user();
        let (action, factors) = (Action::LogIn, Factors::Two);
        let begun = sessions.begin(tx, user, &self.client, replaced, action, factors);
        Ok(Done::LoggedIn(user.clone(), begun.await?))
    }

    async fn record_failure(&self, tx: &mut Tx, used: Used, now: Timestamp) -> sqlx::Result<()> {
        let (action, reason) = (Action::LogIn, Reason::WrongCode);
        let failed = Event::failure(action, reason, Some(self.user_id), &self.client);
        let lock_out = (used != Used::Some).then(|| failed.as_lock_out(Reason::CodeLimit));
        audit::record(tx, now, [Some(failed), lock_out].into_iter().flatten()).await
    }

    async fn note_recovery_code(&self, tx: &mut Tx, now: Timestamp) -> Result<(), Error> {
        let change = SecurityChange::RecoveryCodeUsed;
        let told = self
            .credentials
            .tell_of_change(tx, self.user_id, change, now);
        told.await?;
        let event = Event::new(Action::UseRecoveryCode, self.user_id, Some(&self.client));
        Ok(audit::record(tx, now, [event]).await?)
    }
}

/// What a code proves.
enum Proof {
    Wrong,
    /// It is of this step, of the secret `id`.
    Step {
        id: Uuid,
        step: i64,
        /// The secret encrypted again, where an older key has.
        resealed: Option<Vec<u8>>,
    },
    /// Its hash.
    RecoveryCode(Vec<u8>),
}

impl Proof {
    /// Uses it up; false when it is wrong, or somebody has.
    async fn use_up(&self, tx: &mut Tx, user_id: Uuid) -> sqlx::Result<bool> {
        match self {
            Self::Wrong => Ok(false),
            Self::RecoveryCode(hash) => store::use_recovery_code(tx, user_id, hash).await,
            Self::Step { id, step, resealed } => {
                let is_used_up = store::use_step(tx, *id, *step).await?;
                if let Some(sealed) = resealed.as_ref().filter(|_| is_used_up) {
                    store::reseal(tx, *id, sealed).await?;
                }
                Ok(is_used_up)
            }
        }
    }
}

/// What became of the second step.
enum Done {
    LoggedIn(User, LoggedIn),
    /// The login is no longer half done: it has expired, or the account was changed.
    NothingToDo,
    WrongCode,
}
