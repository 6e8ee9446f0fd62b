//! Accounts, login and sessions behind one handle.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{Router, extract::DefaultBodyLimit, http::StatusCode};
use ipnet::IpNet;
use tower::layer::layer_fn;
use utoipa_axum::router::OpenApiRouter;

use super::{
    account::{Accounts, credentials::Credentials},
    audit::Action,
    letters::Mailing,
    purge,
    request::{
        extract::RequestSession,
        layer::{self, SessionLayer},
        require::RequireLayer,
    },
    routes::{self, Services, SignUpRoute},
    session::{Sessions, proof::Factors},
    statistics::{Count, Statistics},
    throttle::{AddressLimit, rate_limit::RateLimit},
    user::{self, User},
};
use crate::{
    clock::Timestamp,
    db::Db,
    http::{BODY_LIMIT, CrossSite, Error, trim_trailing_slash},
    mail::WaitingMails,
};

/// Accounts, login and sessions on one database. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Auth(Arc<Parts>);

#[derive(Debug)]
pub(super) struct Parts {
    pub sessions: Sessions,
    pub credentials: Arc<Credentials>,
    /// None where no mail is sent.
    pub mailing: Option<Mailing>,
    pub sign_up: bool,
    pub password_min_length: usize,
    pub trusted_proxies: Arc<[IpNet]>,
    pub cross_site: CrossSite,
    /// Where an app has nested the router, if it says so.
    pub mounted_at: Option<Arc<str>>,
    pub purged_rows: Count,
}

impl Auth {
    pub(super) fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    /// The database.
    pub fn db(&self) -> &Db {
        self.0.sessions.db()
    }

    /// The present moment, by the clock of the builder.
    pub fn now(&self) -> Timestamp {
        self.0.sessions.now()
    }

    /// The accounts.
    pub fn accounts(&self) -> &Accounts {
        &self.0.credentials.accounts
    }

    /// Gives requests a session, for `Router::layer`. Applied twice, the outer one counts.
    pub fn layer(&self) -> SessionLayer {
        self.session_layer(true, false)
    }

    /// Lets requests of users pass for whom `is_allowed` is true, for `Router::layer`; others
    /// get 403, visitors 401. It brings [`Auth::layer`] along.
    pub fn require<F>(&self, is_allowed: F) -> RequireLayer<F>
    where
        F: Fn(&User) -> bool + Clone + Send + Sync + 'static,
    {
        RequireLayer::new(self.layer(), is_allowed)
    }

    /// Logs `user` in on a new session, from a handler of your own that has verified them; the
    /// session that came with the request ends. The response sets the cookie.
    ///
    /// # Errors
    /// [`Error::BadCredentials`] when the account was deleted or disabled.
    pub async fn log_in(&self, session: &RequestSession, user: &User) -> Result<(), Error> {
        self.log_in_by(session, user, Factors::One).await
    }

    /// The same for a user who has given a second factor of yours, such as that of another service:
    /// it counts for [`SecondFactor`](super::SecondFactor) and
    /// [`require_second_factor`](super::AuthBuilder::require_second_factor).
    ///
    /// # Errors
    /// As [`log_in`](Self::log_in).
    pub async fn log_in_with_second_factor(
        &self,
        session: &RequestSession,
        user: &User,
    ) -> Result<(), Error> {
        self.log_in_by(session, user, Factors::Two).await
    }

    async fn log_in_by(
        &self,
        session: &RequestSession,
        user: &User,
        factors: Factors,
    ) -> Result<(), Error> {
        let RequestSession { handle, client } = session;
        let account = user::store::find_by_id(self.db(), user.id).await?;
        let account = account.ok_or(Error::BadCredentials)?;
        let login = (
            self.clone(),
            account,
            client.clone(),
            handle.replaced().await?,
        );
        let begun = self
            .db()
            .write(login, move |(auth, account, client, replaced), tx| {
                Box::pin(async move {
                    if !user::store::note_login(tx, account, auth.now()).await? {
                        return Err(Error::BadCredentials);
                    }
                    let (sessions, user) = (&auth.0.sessions, &account.user);
                    sessions
                        .begin(tx, user, client, replaced, Action::LogIn, factors)
                        .await
                })
            });
        handle.log_in(begun.await?);
        Ok(())
    }

    /// The routes, to be nested in an app: `nest("/api/auth", auth.router())`. Everything under
    /// that path is theirs: what is unknown there is a 404 problem, and every path also works
    /// with a trailing slash. Cross-site requests are refused, and bodies over 64 KiB. In an app
    /// with state, nest it after `with_state`.
    ///
    /// It has a fallback; an app with one of its own that wants the routes at its root merges
    /// [`routes`](Self::routes).
    pub fn router(&self) -> Router {
        let routes = self.plain_routes().fallback(async || Error::NotFound);
        let service = self.0.cross_site.clone().around_unchecked(routes);
        Router::new().fallback_service(trim_trailing_slash(service))
    }

    /// The routes without a fallback, to be merged into an app: `merge(auth.routes())`. As
    /// [`router`](Self::router), but for unknown paths and trailing slashes, which are the app's.
    pub fn routes(&self) -> Router {
        let cross_site = self.0.cross_site.clone();
        let layer = layer_fn(move |route| cross_site.clone().around_unchecked(route));
        self.plain_routes().layer(layer)
    }

    fn plain_routes(&self) -> Router {
        let router: Router = self.documented_router().into();
        router
            .method_not_allowed_fallback(async || Error::Status(StatusCode::METHOD_NOT_ALLOWED))
            .layer(DefaultBodyLimit::max(BODY_LIMIT))
    }

    /// The routes with their description, for an app that describes its own (OpenAPI).
    pub fn documented_router(&self) -> OpenApiRouter {
        let services = Services {
            credentials: self.0.credentials.clone(),
        };
        let options = routes::Options {
            cookie: self.0.sessions.cookie().name(),
            sign_up: match (
                self.0.sign_up,
                self.accounts().letters().requires_verification(),
            ) {
                (false, _) => SignUpRoute::Closed,
                (true, false) => SignUpRoute::LogsIn,
                (true, true) => SignUpRoute::Verifies,
            },
            password_min_length: self.0.password_min_length,
        };
        routes::table(services, &options).layer(self.session_layer(false, true))
    }

    /// A rate limit for requests of one purpose, which names its counts in the database.
    pub fn address_limit(&self, purpose: &'static str, limit: RateLimit) -> AddressLimit {
        let sessions = &self.0.sessions;
        AddressLimit::new(sessions.db(), sessions.clock(), purpose, limit)
    }

    /// Removes every session that expired over an hour ago, in batches; returns how many.
    ///
    /// # Errors
    /// When the database is not available; what was removed until then stays removed.
    pub async fn purge_expired_sessions(&self) -> sqlx::Result<u64> {
        purge::sessions(self.db(), self.now(), &self.0.purged_rows).await
    }

    /// Removes counts of attempts that no longer matter and audit events older than 90 days, in
    /// batches; returns how many.
    ///
    /// # Errors
    /// When the database is not available; what was removed until then stays removed.
    pub async fn purge_records(&self) -> sqlx::Result<u64> {
        purge::records(self.db(), self.now(), &self.0.purged_rows).await
    }

    /// What was counted since this was built, and how things stand; for an app's metrics. It asks
    /// no database.
    pub fn statistics(&self) -> Statistics {
        let Parts {
            sessions,
            credentials,
            purged_rows,
            ..
        } = &*self.0;
        let cache = sessions.cache_counts();
        let (in_use, size) = self.db().pool_use();
        let devices = sessions.device_counts();
        Statistics {
            logins: credentials.logins.read(),
            session_cache_hits: cache.hits.get(),
            session_cache_misses: cache.misses.get(),
            password_hash_queue: credentials.accounts.passwords().waiting(),
            db_pool_in_use: in_use,
            db_pool_size: size,
            revocation_lag: self.db().revocations().lag(),
            purged_rows: purged_rows.get(),
            event_streams: sessions.event_streams().taken(),
            device_registrations: devices.registrations.get(),
            device_refreshes: devices.refreshes.get(),
            device_proofs_refused: devices.refused.get(),
        }
    }

    /// How many sessions of users are live, read from the database: a scan of all sessions.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn count_live_sessions(&self) -> sqlx::Result<u64> {
        self.0.sessions.count_live().await
    }

    /// How many mails wait to be sent and for how long the oldest has, read from the database; none
    /// where no mail is sent.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn waiting_mails(&self) -> sqlx::Result<Option<WaitingMails>> {
        match self.accounts().letters().outbox() {
            Some(outbox) => outbox.waiting().await.map(Some),
            None => Ok(None),
        }
    }

    /// The id of the key that signs cookies, which reveals nothing of it.
    #[cfg(feature = "server")]
    pub(crate) fn key_id(&self) -> &str {
        self.0.sessions.cookie().key_id()
    }

    fn session_layer(&self, with_values: bool, is_router: bool) -> SessionLayer {
        SessionLayer::new(layer::Options {
            sessions: self.0.sessions.clone(),
            trusted_proxies: self.0.trusted_proxies.clone(),
            hooks: self.0.credentials.hooks.clone(),
            with_values,
            is_router,
            mounted_at: self.0.mounted_at.clone(),
        })
    }
}

/// Sends the mails of this process and of others on the same database until `stop`, for a task of
/// its own; the mail that is being sent then is finished first. Returns at once where there is no
/// [`mailer`](super::AuthBuilder::mailer).
///
/// ```no_run
/// # fn example(auth: handstamp::Auth) {
/// tokio::spawn(handstamp::auth::keep_mailing(auth, std::future::pending()));
/// # }
/// ```
pub async fn keep_mailing(auth: Auth, stop: impl Future<Output = ()>) {
    if let Some(mailing) = &auth.0.mailing {
        mailing.work(stop).await;
    }
}

/// Purges now and at every `interval`, without slowing requests; for a task of its own. Before, secrets
/// of codes that an older key has encrypted are encrypted with the present one.
pub async fn keep_purging(auth: Auth, interval: Duration) -> Infallible {
    let sessions = &auth.0.sessions;
    #[cfg(feature = "totp")]
    loop {
        match auth.0.credentials.reseal_secrets().await {
            Ok(0) => break,
            Ok(resealed) => {
                tracing::info!(resealed, "encrypted second factors with the present key");
                break;
            }
            Err(error) => tracing::warn!(%error, "second factors could not be encrypted again"),
        }
        tokio::time::sleep(interval).await;
    }
    purge::keep(
        sessions.db(),
        sessions.clock(),
        interval,
        &auth.0.purged_rows,
    )
    .await
}
