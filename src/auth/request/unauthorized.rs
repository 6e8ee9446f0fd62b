//! Why nobody is logged in, with a hint for the developer.

use axum::http::{Extensions, HeaderMap, Uri, header, uri::Authority};
use ipnet::IpNet;

use crate::auth::{cookie::NoSession, session::live::NotLive};
use crate::http::{Error, is_https};

/// The longest name of a host, in bytes (RFC 1035, 2.3.4).
const MAX_HOST_BYTES: usize = 255;

/// Why nobody is logged in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unauthorized {
    Cookie(NoSession),
    Session(NotLive),
    /// There is a session, but only a visitor's.
    Visitor,
    /// No login is half done on the session.
    #[cfg(feature = "totp")]
    FirstStepMissing,
    /// The session is bound to a device, and the request does not prove that it comes from there.
    DeviceProofMissing,
}

/// The circumstances of a request without the cookie.
#[derive(Clone, Debug)]
pub(crate) struct Circumstances {
    is_https: bool,
    /// The host that it was sent to.
    host: Option<String>,
    /// The host of the page that sent it, if that is another.
    page_host: Option<String>,
}

impl Circumstances {
    pub fn of(headers: &HeaderMap, extensions: &Extensions, trusted_proxies: &[IpNet]) -> Self {
        let host = host(headers);
        let page_host = page_host(headers).filter(|page| Some(page) != host.as_ref());
        Self {
            is_https: is_https(headers, extensions, trusted_proxies),
            host,
            page_host,
        }
    }

    /// Why a browser may not have sent the cookie.
    fn advice(&self, is_secure: bool) -> String {
        let mut advice = String::new();
        if is_secure && !self.is_https {
            advice += " The request came over plain http, and a Secure cookie is sent over https \
                       alone; if a proxy speaks https, name it in TRUSTED_PROXIES and have it \
                       send X-Forwarded-Proto.";
        }
        if let (Some(host), Some(page)) = (&self.host, &self.page_host) {
            advice += &format!(
                " A page of `{page}` sent it to `{host}`: browsers hold a SameSite cookie back then; \
                 serve page and API from one host, by a proxy."
            );
        } else if let Some(host) = &self.host {
            advice += &format!(
                " Browsers keep a cookie to the host that set it: this request was sent to `{host}`, \
                 so a login under another name of it does not count here."
            );
        }
        advice
    }
}

/// The host of a request without the port, which makes no difference to a cookie.
fn host(headers: &HeaderMap) -> Option<String> {
    let authority: Authority = headers.get(header::HOST)?.to_str().ok()?.parse().ok()?;
    shown(authority.host())
}

/// The host of the page that sent the request, as the browser says.
fn page_host(headers: &HeaderMap) -> Option<String> {
    let origin = headers.get(header::ORIGIN)?.to_str().ok()?;
    let origin: Uri = origin.parse().ok()?;
    shown(origin.host()?)
}

/// A host that is safe to repeat in a response.
fn shown(host: &str) -> Option<String> {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-.:[]_".contains(&byte);
    let is_shown = host.len() <= MAX_HOST_BYTES && host.bytes().all(is_name);
    is_shown.then(|| host.to_owned())
}

impl Unauthorized {
    /// The word for it that stays the same between versions.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cookie(NoSession::NoCookie) => "no_cookie",
            Self::Cookie(NoSession::BadSignature | NoSession::SentTwice) => "bad_signature",
            Self::Session(NotLive::Unknown) | Self::Visitor => "unknown_session",
            #[cfg(feature = "totp")]
            Self::FirstStepMissing => "unknown_session",
            Self::Session(NotLive::Expired) => "expired",
            Self::Session(NotLive::UserGone) => "user_gone",
            Self::DeviceProofMissing => "device_proof_missing",
        }
    }

    /// The 401 for a cookie of this name.
    pub fn into_error(
        self,
        cookie_name: &str,
        is_secure: bool,
        circumstances: Option<&Circumstances>,
    ) -> Error {
        let detail = match self {
            Self::Cookie(NoSession::NoCookie) => format!(
                "No `{cookie_name}` cookie came with the request. Log in first; then send it: \
                 `credentials: \"include\"` in fetch, `-b` and `-c` in curl.{}",
                circumstances.map_or_else(String::new, |them| them.advice(is_secure))
            ),
            Self::Cookie(NoSession::BadSignature) => format!(
                "The `{cookie_name}` cookie is not one that this server signed: it was changed on \
                 the way, or SECRET_KEY was and the old one is not in SECRET_KEY_FALLBACKS."
            ),
            Self::Cookie(NoSession::SentTwice) => format!(
                "Two cookies named `{cookie_name}` came with the request and nothing tells which is \
                 ours. Delete the one that another host or path has set."
            ),
            Self::Session(NotLive::Unknown) => {
                "The session has ended: it was logged out, revoked, replaced by a newer login \
                 or belongs to another database."
                    .to_owned()
            }
            #[cfg(feature = "totp")]
            Self::FirstStepMissing => {
                "No login is half done on this session: it took over ten minutes, is complete, or \
                 the account was changed. Begin with POST /login."
                    .to_owned()
            }
            Self::Visitor => "The session is a visitor's: nobody has logged in on it.".to_owned(),
            Self::Session(NotLive::Expired) => {
                "The session was unused for SESSION_IDLE_TIMEOUT, or is older than \
                 SESSION_ABSOLUTE_TIMEOUT."
                    .to_owned()
            }
            Self::DeviceProofMissing => format!(
                "The session is bound to the device that logged in, and the request does not prove that \
                 it comes from there: no valid `{cookie_name}-proof` cookie came along. A browser gets \
                 one from POST /device/refresh by itself."
            ),
            Self::Session(NotLive::UserGone) => {
                "The user of this session has been deleted or disabled.".to_owned()
            }
        };
        Error::NotLoggedIn {
            reason: self.as_str(),
            detail,
        }
    }
}
