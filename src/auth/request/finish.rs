//! The end of a request: its values are saved, and its response gets a cookie.

use axum::http::{HeaderValue, StatusCode};

use super::{Current, SessionHandle, SetCookie, Values, lookup::Lookup};
use crate::{auth::session::live::LiveSession, http::Error};

impl SessionHandle {
    /// Saves the values that handlers wrote; returns the `Set-Cookie`, if any.
    pub async fn finish(&self, status: StatusCode) -> Result<Option<HeaderValue>, Error> {
        let current = {
            let current = self.lock();
            let values = current.values.as_ref();
            let is_modified = values.is_some_and(|values| values.session.is_modified());
            if current.set_cookie == SetCookie::No && !is_modified {
                return Ok(None);
            }
            current.clone()
        };
        // Boxed, as it is rare and would enlarge each request's future.
        Box::pin(self.carry_out(current, status)).await
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
            SetCookie::Keep => lookup.token().map(|token| cookie.keep(token)),
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
        let again = Lookup::ask(session.token(), None)
            .find(self.sessions())
            .await;
        again.is_ok_and(|found| found.is_ok())
    }
}
