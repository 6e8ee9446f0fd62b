//! Logging in by two steps: a password, then a code.

use std::time::Duration;

use uuid::Uuid;

use super::{
    factor::Factor,
    permits::Permit,
    recovery_code,
    store::{self, SecretRow},
    wrong_codes::WrongCode,
};
use crate::{
    auth::{
        account::credentials::{Credentials, Verified},
        audit::{self, Action, Event},
        letters::letter::{Change, SecurityChange},
        session,
        throttle::Attempt,
        user::{self, Account, AccountState, User},
    },
    clock::Timestamp,
    db::Tx,
    http::{Client, Error},
};

/// How long the second step may take, and the session between the steps lives.
pub(crate) const LIFETIME: Duration = Duration::from_secs(10 * 60);
/// Half-done logins of one user; one more ends the oldest. Right passwords have no limit.
const MAX_HALF_DONE: i64 = 5;

impl Credentials {
    /// Admits somebody whose password was right and whose code is yet to come, in the transaction that
    /// begins the session of the second step: before that session, as every change of an account locks it
    /// before what belongs to it.
    ///
    /// # Errors
    /// [`Error::BadCredentials`] when the account was changed since it was verified.
    pub async fn admit_to_second_step(
        &self,
        tx: &mut Tx,
        verified: &Verified,
    ) -> Result<(), Error> {
        // Nobody is to be stuck between the steps.
        self.codes()?;
        if !user::store::lock_unchanged(tx, &verified.account).await? {
            return Err(Error::BadCredentials);
        }
        // It has not failed, and does not clear the count before the code was right, too.
        match verified.counted_attempt() {
            Some(attempt) => attempt.take_back_with(tx, self.now()).await,
            None => Ok(()),
        }
    }

    /// Records that the first step of a login was done, on a session that was begun for the second.
    pub async fn begin_second_step(
        &self,
        tx: &mut Tx,
        user: &User,
        session_id: Uuid,
        client: &Client,
    ) -> Result<(), Error> {
        let now = self.now();
        store::forget_ended_half_logins(tx, user.id, now).await?;
        store::delete_half_logins(tx, user.id, MAX_HALF_DONE - 1).await?;
        let expires_at = now.after(LIFETIME);
        store::insert_half_login(tx, session_id, user.id, now, expires_at).await?;
        let event = Event::new(Action::BeginLogIn, user.id, Some(client));
        Ok(audit::record(tx, now, [event]).await?)
    }
}

/// A login whose first step is done.
#[derive(Debug)]
pub(crate) struct SecondStep {
    credentials: Credentials,
    /// The session on which the first step was done.
    session_id: Uuid,
    user_id: Uuid,
    client: Client,
    /// The codes that were tried.
    tried: Attempt,
    /// Consecutive wrong codes when the login was looked up.
    failures: i64,
}

/// A code that is to be checked.
pub(crate) struct PreparedStep {
    step: SecondStep,
    factor: Factor,
    proof: Proof,
    login: Attempt,
    /// Held until the login is committed.
    _permit: Permit,
}

/// Why nobody was logged in by the second step.
#[derive(Debug)]
pub(crate) enum Refused {
    /// The login is no longer half done: it has expired, or the account was changed.
    NotHalfDone,
    WrongCode,
    /// No code is taken.
    LockedOut,
}

impl SecondStep {
    /// None when no login is half done on this session.
    pub async fn find(
        credentials: &Credentials,
        session_id: Uuid,
        client: Client,
    ) -> Result<Option<Self>, Error> {
        let now = credentials.now();
        let found = store::find_half_login(credentials.db(), session_id, now).await?;
        Ok(found.map(|(user_id, failures)| Self {
            tried: credentials.throttle.second_factor(user_id),
            credentials: credentials.clone(),
            session_id,
            user_id,
            client,
            failures,
        }))
    }

    /// Waits until other codes of the same user were checked, and reads what this one is checked
    /// against. None when the account was deleted.
    ///
    /// # Errors
    /// [`Error::TooManyAttempts`], [`Error::CodesLockedOut`]
    pub async fn prepare(mut self, factor: Factor) -> Result<Option<PreparedStep>, Error> {
        // Time does not lift this one, so it comes before one that asks to wait.
        if factor.is_locked_out(self.failures) {
            return Err(Error::CodesLockedOut);
        }
        let db = self.credentials.db().clone();
        // Before the wait as well as after it: past the limit, others are not made to wait.
        self.tried.check(&db, self.credentials.now()).await?;
        let permits = &self.credentials.codes()?.permits;
        let permit = permits.acquire(self.user_id).await?;
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
        Ok(Some(PreparedStep {
            proof: self.proof_of(&factor).await?,
            step: self,
            factor,
            login,
            _permit: permit,
        }))
    }

    /// What is to be used up, if the code is right. Read before the transaction, in which others who
    /// log in as the same user wait.
    async fn proof_of(&self, factor: &Factor) -> Result<Proof, Error> {
        let code = match factor {
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
}

impl PreparedStep {
    /// Checks the code, in the transaction that begins the session of its user: of many that use the
    /// same code at once, one succeeds.
    pub async fn check(&self, tx: &mut Tx) -> Result<Result<Verified, Refused>, Error> {
        let Self { step, factor, .. } = self;
        let SecondStep {
            credentials,
            user_id,
            client,
            ..
        } = step;
        let now = credentials.now();
        // First of all, as every change of an account locks it before what belongs to it.
        let account = user::store::lock_account(tx, *user_id).await?;
        let is_usable = |account: &Account| {
            account.state() == AccountState::Enabled && account.totp_since.is_some()
        };
        let Some(account) = account.filter(is_usable) else {
            return Ok(Err(Refused::NotHalfDone));
        };
        let failures = store::count_failures(tx, *user_id).await?;
        if factor.is_locked_out(failures) {
            return Ok(Err(Refused::LockedOut));
        }
        let used = step.tried.count_with(tx, now).await?;
        if !self.proof.use_up(tx, *user_id).await? {
            let wrong = WrongCode {
                user: &account.user,
                factor,
                client,
                used,
                failures,
            };
            wrong.record(tx, credentials, now).await?;
            return Ok(Err(Refused::WrongCode));
        }
        let is_half_done = store::delete_half_login(tx, step.session_id, now).await?;
        if !is_half_done || !session::store::lock(tx, step.session_id).await? {
            tx.abandon();
            return Ok(Err(Refused::NotHalfDone));
        }
        step.tried.succeed(tx, now).await?;
        if let Factor::RecoveryCode(_) = factor {
            store::clear_failures(tx, *user_id).await?;
            self.note_recovery_code(tx, &account.user, now).await?;
        }
        let verified = Verified::otherwise(account, self.login.clone());
        credentials.log_in(tx, &verified, client).await?;
        Ok(Ok(verified))
    }

    async fn note_recovery_code(
        &self,
        tx: &mut Tx,
        user: &User,
        now: Timestamp,
    ) -> Result<(), Error> {
        let client = Some(&self.step.client);
        let change = Change::new(SecurityChange::RecoveryCodeUsed, client);
        let credentials = &self.step.credentials;
        credentials.tell_of_change(tx, user, &change, now).await?;
        let event = Event::new(Action::UseRecoveryCode, user.id, client);
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
