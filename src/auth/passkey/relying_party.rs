//! The site as authenticators know it.

use std::{fmt, sync::Arc};

use serde_json::Value;
use url::Url;
use webauthn_rs::{Webauthn, WebauthnBuilder, prelude::WebauthnError};

use crate::auth::BuildError;

/// The site as authenticators know it: the domain that passkeys are bound to, and the origins of the
/// pages that may use them. Cheap to clone.
#[derive(Clone)]
pub struct RelyingParty(Arc<Site>);

struct Site {
    id: String,
    webauthn: Webauthn,
    /// Whether refused origins are logged, as in development.
    logs_refused_origins: bool,
}

impl fmt::Debug for RelyingParty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RelyingParty").finish_non_exhaustive()
    }
}

impl RelyingParty {
    /// The domain `id`, such as `app.example`, and the origins of its pages, such as
    /// `https://app.example`, which are on that domain or below it. Passkeys are of no use under
    /// another domain later.
    ///
    /// # Errors
    /// [`BuildError::Parameter`] when an origin is not one, or not of the domain.
    pub fn new<'a>(
        id: &str,
        origins: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, BuildError> {
        Self::build(id, origins, false, false)
    }

    /// The same, while a page is developed: an origin that is refused is logged, as the response does
    /// not say so.
    #[cfg(feature = "server")]
    pub(crate) fn in_development<'a>(
        id: &str,
        origins: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, BuildError> {
        Self::build(id, origins, false, true)
    }

    /// The same, on whatever port a page is: for a server that has yet to get one.
    #[cfg(feature = "server")]
    pub(crate) fn on_any_port(id: &str, origin: &str) -> Result<Self, BuildError> {
        Self::build(id, [origin], true, true)
    }

    fn build<'a>(
        id: &str,
        origins: impl IntoIterator<Item = &'a str>,
        on_any_port: bool,
        logs_refused_origins: bool,
    ) -> Result<Self, BuildError> {
        let parameter = |what: String| BuildError::Parameter(what);
        let parse = |origin: &str| {
            Url::parse(origin).map_err(|_| parameter(format!("`{origin}` is no origin")))
        };
        let origins: Vec<Url> = origins.into_iter().map(parse).collect::<Result<_, _>>()?;
        for origin in &origins {
            WebauthnBuilder::new(id, origin).map_err(|_| {
                let origin = origin.origin().ascii_serialization();
                parameter(format!("the origin {origin} is not of the domain `{id}`"))
            })?;
        }
        let first = origins
            .first()
            .ok_or_else(|| parameter("passkeys need an origin".to_owned()))?;
        let unusable = |_| parameter(format!("`{id}` cannot be the domain of passkeys"));
        let mut builder = WebauthnBuilder::new(id, first)
            .map_err(unusable)?
            .rp_name(id)
            .allow_any_port(on_any_port);
        for origin in &origins[1..] {
            builder = builder.append_allowed_origin(origin);
        }
        Ok(Self(Arc::new(Site {
            id: id.to_owned(),
            webauthn: builder.build().map_err(unusable)?,
            logs_refused_origins,
        })))
    }

    /// The domain that passkeys are bound to.
    pub fn id(&self) -> &str {
        &self.0.id
    }

    pub(super) fn webauthn(&self) -> &Webauthn {
        &self.0.webauthn
    }

    /// Logs the origin of a response that was refused for it, while a page is developed.
    pub(super) fn note_refused(&self, error: &WebauthnError, client_data: &[u8]) {
        if !self.0.logs_refused_origins || !matches!(error, WebauthnError::InvalidRPOrigin) {
            return;
        }
        let client_data: Option<Value> = serde_json::from_slice(client_data).ok();
        let origin = client_data.and_then(|data| Url::parse(data.get("origin")?.as_str()?).ok());
        let origin = origin.map(|origin| origin.origin().ascii_serialization());
        tracing::warn!(
            origin,
            "a passkey was refused, as RP_ORIGINS does not name the origin of the page"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_of_the_domain_or_below_it() {
        let new = |id, origins: &[&str]| RelyingParty::new(id, origins.iter().copied());
        assert!(new("app.example", &["https://app.example"]).is_ok());
        assert!(new("app.example", &["https://www.app.example"]).is_ok());
        assert!(new("localhost", &["http://localhost:5000"]).is_ok());
        for (id, origins) in [
            ("app.example", &["https://example"][..]),
            ("app.example", &["https://evilapp.example"]),
            (
                "app.example",
                &["https://app.example", "https://evil.example"],
            ),
            ("app.example", &["app.example"]),
            ("app.example", &[]),
            ("127.0.0.1", &["http://127.0.0.1:5000"]),
        ] {
            assert!(new(id, origins).is_err(), "{id} {origins:?}");
        }
    }
}
