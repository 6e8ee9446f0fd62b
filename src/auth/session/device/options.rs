//! The settings of device-bound sessions.

use std::{sync::Arc, time::Duration};

use super::{DeviceCounts, Devices, guesses::Guesses, moment::MomentKeys, refused::Refused};
use crate::auth::{AuthBuilder, BuildError, Secret, letters::Letters};

const LIFETIME: Duration = Duration::from_secs(10 * 60);
/// A browser keeps a cookie for whole seconds.
pub(crate) const SHORTEST_LIFETIME: Duration = Duration::from_secs(1);

/// How sessions are bound to devices, if they are.
#[derive(Debug)]
pub(crate) struct DeviceOptions {
    is_on: bool,
    lifetime: Duration,
    mounted_at: Option<String>,
}

impl Default for DeviceOptions {
    fn default() -> Self {
        Self {
            is_on: false,
            lifetime: LIFETIME,
            mounted_at: None,
        }
    }
}

impl DeviceOptions {
    /// Where an app has nested the router, if it says so.
    pub fn mounted_at(&self) -> Result<Option<Arc<str>>, BuildError> {
        let Some(path) = &self.mounted_at else {
            return Ok(None);
        };
        let path = path.trim_end_matches('/');
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
        let is_path = path.is_empty() || path.starts_with('/');
        if !is_path || path.contains("//") || !path.bytes().all(is_plain) {
            let what = "`AuthBuilder::mounted_at` takes a path such as `/api/auth`";
            return Err(BuildError::Parameter(what.to_owned()));
        }
        Ok(Some(path.into()))
    }

    /// Nodes of one database have the same keys.
    pub fn build(
        self,
        (key, fallbacks): (&Secret, &[Secret]),
        allowed_origins: &[String],
        letters: Letters,
    ) -> Result<Devices, BuildError> {
        if self.lifetime < SHORTEST_LIFETIME {
            let what = "the proof of a device must count for at least a second";
            return Err(BuildError::Parameter(what.to_owned()));
        }
        Ok(Devices {
            is_on: self.is_on,
            moments: MomentKeys::new(key, fallbacks),
            lifetime: self.lifetime,
            initiators: allowed_origins
                .iter()
                .filter_map(|origin| host(origin))
                .collect(),
            letters,
            refused: Refused::default(),
            guesses: Guesses::default(),
            counts: DeviceCounts::default(),
        })
    }
}

/// The host of an origin.
fn host(origin: &str) -> Option<String> {
    let (_, authority) = origin.split_once("://")?;
    let port = authority
        .rfind(':')
        .filter(|at| !authority[*at..].contains(']'));
    Some(authority[..port.unwrap_or(authority.len())].to_owned())
}

/// Device-bound sessions.
impl AuthBuilder {
    /// Whether browsers that support it bind the session of a login to their device (Device Bound Session
    /// Credentials): a copy of its cookie is worthless elsewhere. Off by default; it needs https. Others
    /// notice nothing of it. A login by [`Auth::log_in`](crate::Auth::log_in) offers it where
    /// [`mounted_at`](Self::mounted_at) says where [`Auth::router`](crate::Auth::router) is.
    ///
    /// A request that comes from a link on another site brings the cookie but no fresh proof: a page that
    /// is rendered for the user of the session may have to be loaded again.
    pub fn device_bound_sessions(mut self, on: bool) -> Self {
        self.devices.is_on = on;
        self
    }

    /// How long a proof of the device counts, which the browser renews by itself; at least a second. Ten
    /// minutes by default. Below four minutes Chromium runs out of signatures and sends requests without
    /// a proof.
    pub fn device_proof_lifetime(mut self, lifetime: Duration) -> Self {
        self.devices.lifetime = lifetime;
        self
    }

    /// Where the app nests [`Auth::router`](crate::Auth::router), as browsers see it: `/api/auth`. Needed
    /// for logins by [`Auth::log_in`](crate::Auth::log_in) on sessions that are bound to a device, and for
    /// nothing else.
    pub fn mounted_at(mut self, path: impl Into<String>) -> Self {
        self.devices.mounted_at = Some(path.into());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mounted_at(path: &str) -> Option<String> {
        let options = DeviceOptions {
            mounted_at: Some(path.to_owned()),
            ..DeviceOptions::default()
        };
        options.mounted_at().ok()?.map(|path| path.to_string())
    }

    #[test]
    fn a_path_to_the_router_is_one() {
        assert_eq!(mounted_at("/api/auth").as_deref(), Some("/api/auth"));
        assert_eq!(mounted_at("/api/").as_deref(), Some("/api"));
        for root in ["", "/", "//"] {
            assert_eq!(mounted_at(root).as_deref(), Some(""), "{root}");
        }
        for wrong in [
            "api",
            "//host",
            "/a//b",
            "/a\"b",
            "/a b",
            "/a\n",
            "/é",
            "https://x/api",
        ] {
            assert_eq!(mounted_at(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn hosts_are_those_of_origins() {
        assert_eq!(host("https://app.example").as_deref(), Some("app.example"));
        assert_eq!(host("http://localhost:3000").as_deref(), Some("localhost"));
        assert_eq!(host("http://[::1]:3000").as_deref(), Some("[::1]"));
        assert_eq!(host("http://[::1]").as_deref(), Some("[::1]"));
    }
}
