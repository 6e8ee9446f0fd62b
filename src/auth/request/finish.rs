//! The end of a request: its values are saved, and its response gets a cookie, and after a login the
//! offer to bind it to the device of its browser.

use std::sync::Once;

use axum::{
    extract::Request,
    http::{HeaderName, HeaderValue, StatusCode, header},
};

use super::{Current, SessionHandle, SetCookie, Values, lookup::Lookup};
use crate::{
    auth::{cookie::token::SessionToken, session::live::LiveSession},
    http::{Error, TrailingSlash},
};

const REGISTRATION: HeaderName = HeaderName::from_static("secure-session-registration");
const PATH: &str = "device/register";

/// Where a request stands in the router of [`Auth`](crate::Auth), wherever that is nested.
#[derive(Clone, Copy, Debug)]
pub(super) struct Router {
    /// How many folders below the router the address is, as a browser resolves links.
    depth: usize,
}

impl Router {
    /// Of a request that has come to the router.
    fn of(request: &Request) -> Self {
        let slashes = request.uri().path().bytes().filter(|byte| *byte == b'/');
        let is_trimmed = request.extensions().get::<TrailingSlash>().is_some();
        Self {
            depth: slashes.count().saturating_sub(1) + usize::from(is_trimmed),
        }
    }
}

impl SessionHandle {
    /// Saves the values that handlers wrote; returns the headers of the response.
    pub async fn finish(
        &self,
        status: StatusCode,
    ) -> Result<Vec<(HeaderName, HeaderValue)>, Error> {
        let current = {
            let current = self.lock();
            let values = current.values.as_ref();
            let is_modified = values.is_some_and(|values| values.session.is_modified());
            if current.set_cookie == SetCookie::No && !is_modified {
                return Ok(Vec::new());
            }
            current.clone()
        };
        // Boxed, as it is rare and would enlarge each request's future.
        Box::pin(self.headers_of(current, status)).await
    }

    async fn headers_of(
        &self,
        current: Current,
        status: StatusCode,
    ) -> Result<Vec<(HeaderName, HeaderValue)>, Error> {
        let (set_cookie, token) = (current.set_cookie, current.lookup.token());
        let cookie = self.carry_out(current, status).await?;
        let cookie = cookie.map(|cookie| (header::SET_COOKIE, cookie));
        let more = match set_cookie {
            SetCookie::KeepAndBind => token.and_then(|token| self.registration(token)),
            SetCookie::Forget if self.0.has_proof_cookie => {
                let forget = self.sessions().cookie().forget_proof();
                Some((header::SET_COOKIE, forget))
            }
            _ => None,
        };
        Ok(cookie.into_iter().chain(more).collect())
    }

    async fn carry_out(
        &self,
        current: Current,
        status: StatusCode,
    ) -> Result<Option<HeaderValue>, Error> {
        let Current {
            lookup,
            values,
            set_cookie,
        } = current;
        let cookie = self.sessions().cookie();
        let written =
            values.filter(|values| values.session.is_modified() && !status.is_server_error());
        if lookup.is_unproven() && matches!(set_cookie, SetCookie::No | SetCookie::Resign) {
            // A request without the proof of its device must not change the session's values.
            return Ok(None);
        }
        if let Some(Values { session, store }) = written {
            if session.is_empty().await {
                // A handler has flushed the session.
                return Ok(match lookup.id() {
                    Some(_) if !self.is_replaced().await? => Some(cookie.forget()),
                    _ => None,
                });
            }
            session.save().await?;
            // A visitor's first value, or one whose session had ended, makes a new session.
            if let Some(created) = store.created() {
                let is_set = set_cookie != SetCookie::Withheld && !self.is_replaced().await?;
                return Ok(is_set.then(|| cookie.keep(created)));
            }
        }
        Ok(match set_cookie {
            SetCookie::No | SetCookie::Withheld => None,
            SetCookie::Keep | SetCookie::KeepAndBind => {
                lookup.token().map(|token| cookie.keep(token))
            }
            #[cfg(feature = "totp")]
            SetCookie::KeepFor(lifetime) => {
                lookup.token().map(|token| cookie.keep_for(token, lifetime))
            }
            SetCookie::Resign => match lookup.found() {
                Some(session) if self.is_still_there(session).await => {
                    self.sessions()
                        .record_resigned(session, self.0.client.as_ref())
                        .await;
                    Some(cookie.keep(session.token()))
                }
                _ => None,
            },
            SetCookie::Forget => Some(cookie.forget()),
        })
    }

    /// Whether another session has just taken the place of that of the request's cookie. A request that
    /// was sent before the browser had the new cookie makes a visitor's session like any other, but
    /// its response must not bring that one's cookie.
    pub(super) async fn is_replaced(&self) -> Result<bool, Error> {
        match self.lookup().id() {
            Some(id) => self.sessions().is_just_replaced(id).await,
            None => Ok(false),
        }
    }

    /// Whether a session that was found is still live at the end of the request: what replaced it
    /// meanwhile has set a cookie that must not be overwritten.
    async fn is_still_there(&self, session: &LiveSession) -> bool {
        let again = Lookup::ask(session.token()).find(self.sessions()).await;
        again.is_ok_and(|found| found.is_ok())
    }

    /// Notes that the request has come to the router of [`Auth`](crate::Auth).
    pub(super) fn enter_router(&self, request: &Request) {
        if self.sessions().devices().is_some() {
            self.0.router.get_or_init(|| Router::of(request));
        }
    }

    /// The header that offers to bind the session of a login. None where sessions are not bound, and for
    /// a login outside of the router when nobody has said where that is.
    fn registration(&self, token: SessionToken) -> Option<(HeaderName, HeaderValue)> {
        let (sessions, session) = (self.sessions(), token.public_id?);
        let devices = sessions.devices()?;
        let path = match (self.0.router.get(), &self.0.options.mounted_at) {
            // A proxy may have taken a prefix off the address: a relative path is right either way.
            (Some(router), _) => "../".repeat(router.depth) + PATH,
            (None, Some(prefix)) => format!("{prefix}/{PATH}"),
            (None, None) => {
                warn_of_unbound_login();
                return None;
            }
        };
        let challenge = devices.registration_challenge(session, sessions.now());
        let offer = format!("(ES256);path=\"{path}\";challenge=\"{challenge}\"");
        Some((REGISTRATION, HeaderValue::from_str(&offer).ok()?))
    }
}

/// An app that has turned device-bound sessions on is to hear that these logins are not bound.
fn warn_of_unbound_login() {
    static TOLD: Once = Once::new();
    TOLD.call_once(|| {
        tracing::warn!(
            "a login outside of `Auth::router` is not bound to its device, as \
             `AuthBuilder::mounted_at` does not say where the router is"
        );
    });
}
