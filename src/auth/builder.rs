//! The settings of an [`Auth`], one by one.

use std::{fmt, num::NonZero, sync::Arc, thread::available_parallelism, time::Duration};

use ipnet::IpNet;
use thiserror::Error;

#[cfg(feature = "passkeys")]
use super::passkey::RelyingParty;
#[cfg(feature = "totp")]
use super::totp::Codes;
use super::{
    account::{
        Accounts,
        credentials::Credentials,
        hooks::{HookFuture, Hooks},
    },
    cookie::{Secret, SessionCookie, keys::KeyRing},
    letters::MailOptions,
    password::{MIN_PASSWORD_LENGTHS, warn_if_unoptimised},
    session::{Limits, Sessions, device::DeviceOptions, timeouts::Timeouts},
    state::{Auth, Parts},
    statistics::Count,
    throttle::{RateLimit, Throttle},
    user::User,
};
use crate::{
    clock::Clock,
    db::{Db, Tx},
    http::CrossSite,
};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Builds an [`Auth`]. Every setting but [`secret_key`](Self::secret_key) has a default.
#[must_use]
pub struct AuthBuilder {
    db: Db,
    clock: Clock,
    secret_key: Option<Secret>,
    secret_key_fallbacks: Vec<Secret>,
    secure_cookies: bool,
    limits: Limits,
    passwordless_login: bool,
    sign_up: bool,
    password_min_length: usize,
    pub(super) throttle: Throttle,
    password_hashes_at_once: usize,
    trusted_proxies: Vec<IpNet>,
    allowed_origins: Vec<String>,
    hooks: Hooks,
    pub(super) mail: MailOptions,
    #[cfg(feature = "totp")]
    totp_issuer: Option<String>,
    #[cfg(feature = "passkeys")]
    passkeys: Option<RelyingParty>,
    pub(super) devices: DeviceOptions,
}

/// Why an [`Auth`] could not be built. `Debug` is for people, too: it is what an app prints whose
/// `main` returns it.
#[derive(Error)]
#[non_exhaustive]
pub enum BuildError {
    /// There is no key to sign cookies with.
    #[error(
        "the secret key is not set: give `AuthBuilder::secret_key` one of at least 32 characters; \
         `handstamp secret` prints a fresh one"
    )]
    NoSecretKey,
    /// An allowed origin is not one.
    #[error("an allowed origin is not one: {0}")]
    AllowedOrigin(String),
    /// A parameter that a library below refuses.
    #[error("{0}")]
    Parameter(String),
}

impl fmt::Debug for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Cores less one, at least one: what hashing may use without slowing other requests.
pub(crate) fn spare_cores() -> usize {
    available_parallelism()
        .map_or(1, NonZero::get)
        .saturating_sub(1)
        .max(1)
}

impl Auth {
    /// Settings for accounts and sessions on `db`.
    pub fn builder(db: Db) -> AuthBuilder {
        AuthBuilder::new(db)
    }
}

impl AuthBuilder {
    fn new(db: Db) -> Self {
        let limit = |count, window| Some(RateLimit::new(count, window));
        Self {
            db,
            clock: Clock::system(),
            secret_key: None,
            secret_key_fallbacks: Vec::new(),
            secure_cookies: true,
            limits: Limits {
                timeouts: Timeouts {
                    idle: 14 * DAY,
                    absolute: 30 * DAY,
                },
                reauthentication_window: 10 * MINUTE,
                passkey_domain: None,
                per_user: 20,
                cache_entries: 100_000,
            },
            passwordless_login: false,
            sign_up: true,
            password_min_length: *MIN_PASSWORD_LENGTHS.start(),
            throttle: Throttle {
                per_account: limit(10, 15 * MINUTE),
                per_address: limit(50, 15 * MINUTE),
                signups: limit(20, HOUR),
                mails_per_account: limit(5, HOUR),
                mails_per_address: limit(20, HOUR),
            },
            password_hashes_at_once: spare_cores(),
            trusted_proxies: Vec::new(),
            allowed_origins: Vec::new(),
            hooks: Hooks::default(),
            mail: MailOptions::default(),
            #[cfg(feature = "totp")]
            totp_issuer: None,
            #[cfg(feature = "passkeys")]
            passkeys: None,
            devices: DeviceOptions::default(),
        }
    }

    /// The key that signs cookies; required. [`Secret::signing_key`] checks it.
    pub fn secret_key(mut self, key: Secret) -> Self {
        self.secret_key = Some(key);
        self
    }

    /// Older keys: cookies that they signed are accepted and re-signed. None by default.
    pub fn secret_key_fallbacks(mut self, keys: impl IntoIterator<Item = Secret>) -> Self {
        self.secret_key_fallbacks = keys.into_iter().collect();
        self
    }

    /// Whether the cookie is `Secure` and has the `__Host-` prefix (ASVS 3.3.1), so that
    /// browsers send it over https alone. On by default; turn it off to develop over http.
    pub fn secure_cookies(mut self, on: bool) -> Self {
        self.secure_cookies = on;
        self
    }

    /// How long a session lives without being used. 14 days by default.
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.limits.timeouts.idle = timeout;
        self
    }

    /// How long a session lives, regardless of activity. 30 days by default.
    pub fn absolute_timeout(mut self, timeout: Duration) -> Self {
        self.limits.timeouts.absolute = timeout;
        self
    }

    /// Sessions of one user at a time; one more login ends the oldest. 20 by default.
    pub fn sessions_per_user(mut self, count: usize) -> Self {
        self.limits.per_user = count;
        self
    }

    /// How long a login, or another proof of who a user is, counts where one is asked for: to end other
    /// sessions, and in handlers with [`RecentlyAuthenticated`](super::RecentlyAuthenticated). Ten minutes.
    pub fn reauthentication_window(mut self, window: Duration) -> Self {
        self.limits.reauthentication_window = window;
        self
    }

    /// Sessions cached in memory; 0 turns the cache off. 100,000 by default: about 60 MB.
    pub fn session_cache_entries(mut self, entries: usize) -> Self {
        self.limits.cache_entries = entries;
        self
    }

    /// Whether an account without a password logs in by its name alone. Off by default, and
    /// for development only.
    pub fn passwordless_login(mut self, on: bool) -> Self {
        self.passwordless_login = on;
        self
    }

    /// Whether `POST /signup` makes accounts; off, it gets 403 `signup_closed`. On by default.
    pub fn sign_up(mut self, open: bool) -> Self {
        self.sign_up = open;
        self
    }

    /// Characters of the shortest password, 8 to 64. 8 by default (ASVS 6.2.1); 15 meets
    /// NIST SP 800-63B-4 where a password is the only factor.
    pub fn password_min_length(mut self, chars: usize) -> Self {
        self.password_min_length = chars;
        self
    }

    /// Failed logins of one account; past it, 429. Ten in 15 minutes by default; none turns
    /// the limit off.
    pub fn login_failures_per_account(mut self, limit: Option<RateLimit>) -> Self {
        self.throttle.per_account = limit;
        self
    }

    /// Failed logins from one address; past it, 429. Fifty in 15 minutes by default; none
    /// turns the limit off.
    pub fn login_failures_per_address(mut self, limit: Option<RateLimit>) -> Self {
        self.throttle.per_address = limit;
        self
    }

    /// Sign-ups from one address; past it, 429. Twenty an hour by default; none turns the
    /// limit off.
    pub fn signups_per_address(mut self, limit: Option<RateLimit>) -> Self {
        self.throttle.signups = limit;
        self
    }

    /// Passwords hashed at a time, each with 19 MiB; further logins queue for up to three
    /// seconds, then 503. Cores less one by default, at least one.
    pub fn password_hashes_at_once(mut self, count: usize) -> Self {
        self.password_hashes_at_once = count;
        self
    }

    /// Proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are trusted. None by default.
    pub fn trusted_proxies(mut self, proxies: impl IntoIterator<Item = IpNet>) -> Self {
        self.trusted_proxies = proxies.into_iter().collect();
        self
    }

    /// Other origins whose pages may call [`Auth::router`] with cookies, as browsers write them:
    /// `https://app.example`. None by default. Where [`Layers`](crate::http::Layers) are around
    /// the app, theirs count.
    pub fn allowed_origins(mut self, origins: impl IntoIterator<Item = String>) -> Self {
        self.allowed_origins = origins.into_iter().collect();
        self
    }

    /// Runs `hook` for each new account, in the transaction that inserts it: what it writes is
    /// committed with the account, and when it fails there is no account. It may run twice, awaits
    /// nothing but the database, and has a second.
    ///
    /// ```no_run
    /// # fn example(builder: handstamp::auth::AuthBuilder) -> handstamp::auth::AuthBuilder {
    /// builder.on_sign_up(|tx, user| Box::pin(async move {
    ///     let insert = "insert into profiles (user_id) values ($1)";
    ///     if let Some(conn) = tx.sqlite() {
    ///         sqlx::query(insert).bind(user.id).execute(conn).await?;
    ///     }
    ///     Ok(())
    /// }))
    /// # }
    /// ```
    pub fn on_sign_up<F>(mut self, hook: F) -> Self
    where
        F: for<'a> Fn(&'a mut Tx, &'a User) -> HookFuture<'a> + Send + Sync + 'static,
    {
        self.hooks.set_on_sign_up(hook);
        self
    }

    /// Who must have a second factor: of those for whom `policy` is true, every session on which none
    /// was given is refused with 403 `second_factor_required`, [`CurrentUser`](super::CurrentUser) and
    /// all other extractors included. All that they can do on it is to add one (`/totp`, `/passkeys`),
    /// to prove again who they are, to look at `GET /session`, and to log out. Who has one already
    /// cannot add another there, but has to give the one that they have. Nobody by default.
    ///
    /// It is called for each request on such a session, so that it must be quick, and counts at once
    /// for those that are logged in.
    ///
    /// ```
    /// # use handstamp::auth::AuthBuilder;
    /// fn strict(builder: AuthBuilder) -> AuthBuilder {
    ///     builder.require_second_factor(|user| user.username.ends_with(".admin"))
    /// }
    /// ```
    pub fn require_second_factor<F>(mut self, policy: F) -> Self
    where
        F: Fn(&User) -> bool + Send + Sync + 'static,
    {
        self.hooks.set_needs_second_factor(policy);
        self
    }

    /// Lets users turn on a second factor: codes of an authenticator app (TOTP), which shows them
    /// beside the name of the `issuer`. Off by default. Once users have it, leave it on: they could
    /// not log in without.
    #[cfg(feature = "totp")]
    pub fn totp(mut self, issuer: impl Into<String>) -> Self {
        self.totp_issuer = Some(issuer.into());
        self
    }

    /// Lets users log in with passkeys, which are bound to this site. Off by default. Once users have
    /// one, leave it on: some may have nothing else.
    #[cfg(feature = "passkeys")]
    pub fn passkeys(mut self, relying_party: RelyingParty) -> Self {
        self.limits.passkey_domain = Some(relying_party.id().into());
        self.passkeys = Some(relying_party);
        self
    }

    /// Where the time comes from. The system's clock by default.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Builds it. The database has to be migrated before the first request.
    ///
    /// # Errors
    /// [`BuildError::NoSecretKey`] without a key to sign with; [`BuildError::AllowedOrigin`];
    /// [`BuildError::Parameter`] when a setting says that it is out of range, or mail lacks what it needs.
    pub fn build(self) -> Result<Auth, BuildError> {
        let secret_key = self.secret_key.ok_or(BuildError::NoSecretKey)?;
        warn_if_unoptimised();
        let trusted_proxies: Arc<[IpNet]> = self.trusted_proxies.into();
        let (proxies, origins) = (trusted_proxies.clone(), self.allowed_origins);
        let cross_site = CrossSite::new(proxies, origins.clone(), self.secure_cookies)
            .map_err(|error| BuildError::AllowedOrigin(error.to_string()))?;
        let keys = KeyRing::new(&secret_key, &self.secret_key_fallbacks);
        if !MIN_PASSWORD_LENGTHS.contains(&self.password_min_length) {
            let what = "the shortest password must have 8 to 64 characters";
            return Err(BuildError::Parameter(what.to_owned()));
        }
        let max_age = self.limits.timeouts.absolute;
        let cookie = SessionCookie::new(keys, max_age, self.secure_cookies);
        let accounts = Accounts::new(
            self.db.clone(),
            self.clock.clone(),
            self.password_hashes_at_once,
        )
        .map_err(|error| BuildError::Parameter(error.to_string()))?
        .with_password_min_length(self.password_min_length);
        #[cfg(feature = "totp")]
        let totp = (self.totp_issuer)
            .map(|issuer| Codes::new(issuer, &secret_key, &self.secret_key_fallbacks))
            .transpose()
            .map_err(BuildError::Parameter)?;
        let (letters, mailing) = self.mail.build(
            self.db.clone(),
            self.clock.clone(),
            &secret_key,
            &self.secret_key_fallbacks,
        )?;
        let mounted_at = self.devices.mounted_at()?;
        let keys = (&secret_key, &*self.secret_key_fallbacks);
        let devices = self.devices.build(keys, &origins, letters.clone())?;
        let sessions = Sessions::new(self.db, self.clock, cookie, devices, self.limits)
            .map_err(BuildError::Parameter)?;
        Ok(Auth::new(Parts {
            sessions,
            credentials: Arc::new(Credentials {
                accounts: accounts.with_letters(letters),
                throttle: self.throttle,
                passwordless_login: self.passwordless_login,
                hooks: self.hooks,
                logins: Arc::default(),
                #[cfg(feature = "totp")]
                totp,
                #[cfg(feature = "passkeys")]
                passkeys: self.passkeys,
            }),
            mailing,
            sign_up: self.sign_up,
            password_min_length: self.password_min_length,
            trusted_proxies,
            cross_site,
            mounted_at,
            purged_rows: Count::default(),
        }))
    }
}

impl fmt::Debug for AuthBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthBuilder").finish_non_exhaustive()
    }
}
