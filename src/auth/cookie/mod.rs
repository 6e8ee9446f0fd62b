//! The session cookie, in requests and responses.

pub(crate) mod keys;
pub(crate) mod secret;
pub(crate) mod token;

pub(crate) use secret::Secret;
#[cfg(any(test, feature = "server"))]
pub(crate) use secret::generate_secret_key;

use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, header};
use cookie::{Cookie, SameSite};

use self::{
    keys::{KeyRing, Verified},
    token::SessionToken,
};

/// The name and attributes of the session cookie, and the keys that sign it.
#[derive(Clone, Debug)]
pub struct SessionCookie {
    name: &'static str,
    /// The name of the cookie that proves the device of a session.
    proof_name: &'static str,
    secure: bool,
    max_age: Duration,
    keys: KeyRing,
}

/// What the name of the proof's cookie has after that of the session's.
const PROOF_SUFFIX: &[u8] = b"-proof=";

/// The cookies of a request that are ours.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent<'a> {
    pub session: Result<&'a [u8], NoSession>,
    /// The first one.
    pub proof: Option<&'a [u8]>,
    /// There are others, which a neighbouring host may have set.
    pub has_more_proofs: bool,
}

/// Why a request names no session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NoSession {
    /// There is no cookie with the name.
    NoCookie,
    /// None of our keys has signed it.
    BadSignature,
    /// There are two cookies with the name: one is somebody else's, and nothing tells which.
    SentTwice,
}

impl SessionCookie {
    /// In production the name's `__Host-` prefix keeps every other host and plain http from
    /// setting it (RFC 6265bis, 4.1.3.2; ASVS 3.3.1).
    pub fn new(keys: KeyRing, max_age: Duration, production: bool) -> Self {
        let (name, proof_name) = if production {
            ("__Host-session", "__Host-session-proof")
        } else {
            ("session", "session-proof")
        };
        Self {
            name,
            proof_name,
            secure: production,
            max_age,
            keys,
        }
    }

    /// The cookie's name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Whether browsers send it over https alone.
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// The id of the signing key.
    pub fn key_id(&self) -> &str {
        self.keys.current_id()
    }

    /// The value of a request's only cookie with the name, not yet verified.
    pub fn value<'a>(&self, headers: &'a HeaderMap) -> Result<&'a [u8], NoSession> {
        let mut values = self.values(headers);
        match (values.next(), values.next()) {
            (None, _) => Err(NoSession::NoCookie),
            (Some(_), Some(_)) => Err(NoSession::SentTwice),
            (Some(value), None) => Ok(value),
        }
    }

    /// The values of a request's session cookie and of its proof, neither of them verified.
    pub(crate) fn read<'a>(&self, headers: &'a HeaderMap) -> Sent<'a> {
        let mut sent = Sent {
            session: Err(NoSession::NoCookie),
            proof: None,
            has_more_proofs: false,
        };
        for header in headers.get_all(header::COOKIE) {
            for pair in header.as_bytes().split(|byte| *byte == b';') {
                // Both names begin alike.
                let Some(rest) = pair.trim_ascii().strip_prefix(self.name.as_bytes()) else {
                    continue;
                };
                if let Some(value) = rest.strip_prefix(b"=") {
                    sent.session = match sent.session {
                        Err(NoSession::NoCookie) => Ok(value),
                        _ => Err(NoSession::SentTwice),
                    };
                } else if let Some(value) = rest.strip_prefix(PROOF_SUFFIX) {
                    sent.has_more_proofs = sent.proof.is_some();
                    sent.proof = sent.proof.or(Some(value));
                }
            }
        }
        sent
    }

    /// The values of all of a request's proofs.
    pub(crate) fn proofs<'a>(&self, headers: &'a HeaderMap) -> impl Iterator<Item = &'a [u8]> {
        let name = self.proof_name;
        let pairs = headers
            .get_all(header::COOKIE)
            .into_iter()
            .flat_map(|header| header.as_bytes().split(|byte| *byte == b';'));
        pairs.filter_map(move |pair| {
            let value = pair.trim_ascii().strip_prefix(name.as_bytes())?;
            value.strip_prefix(b"=")
        })
    }

    /// Every session that a validly signed cookie of a request names.
    pub fn signed_tokens(&self, headers: &HeaderMap) -> Vec<SessionToken> {
        let verified = self.values(headers).filter_map(|value| self.verify(value));
        verified.map(|verified| verified.token).collect()
    }

    fn values<'a>(&self, headers: &'a HeaderMap) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let name = self.name;
        headers
            .get_all(header::COOKIE)
            .iter()
            .flat_map(move |header| {
                let pairs = header.as_bytes().split(|byte| *byte == b';');
                pairs.filter_map(move |pair| value_of(name, pair))
            })
    }

    /// The session that a value names, if one of the keys has signed it.
    pub fn verify(&self, value: &[u8]) -> Option<Verified> {
        std::str::from_utf8(value)
            .ok()
            .and_then(|value| self.keys.verify(value))
    }

    /// The `Set-Cookie` that stores `token`.
    pub fn keep(&self, token: SessionToken) -> HeaderValue {
        self.keep_for(token, self.max_age)
    }

    /// The same, for a session that lives no longer than this.
    pub fn keep_for(&self, token: SessionToken, lifetime: Duration) -> HeaderValue {
        self.set_cookie(self.name, self.keys.sign(token), lifetime)
    }

    /// The `Set-Cookie` that removes the cookie; with the same attributes, as browsers refuse to
    /// replace a `__Host-` cookie without them.
    pub fn forget(&self) -> HeaderValue {
        self.set_cookie(self.name, String::new(), Duration::ZERO)
    }

    /// The name of the cookie that proves the device of a session.
    pub(crate) fn proof_name(&self) -> &'static str {
        self.proof_name
    }

    /// The attributes of both cookies but for their age, as a browser is told to expect them.
    pub(crate) fn attributes(&self) -> &'static str {
        if self.secure {
            "Path=/; Secure; HttpOnly; SameSite=Lax"
        } else {
            "Path=/; HttpOnly; SameSite=Lax"
        }
    }

    /// The `Set-Cookie` that stores the proof of a device.
    pub(crate) fn keep_proof(&self, proof: String, max_age: Duration) -> HeaderValue {
        self.set_cookie(self.proof_name, proof, max_age)
    }

    /// The `Set-Cookie` that removes the proof.
    pub(crate) fn forget_proof(&self) -> HeaderValue {
        self.set_cookie(self.proof_name, String::new(), Duration::ZERO)
    }

    fn set_cookie(&self, name: &'static str, value: String, max_age: Duration) -> HeaderValue {
        let max_age = i64::try_from(max_age.as_secs()).unwrap_or(i64::MAX);
        let cookie = Cookie::build((name, value))
            .http_only(true)
            .same_site(SameSite::Lax)
            .secure(self.secure)
            .path("/")
            .max_age(cookie::time::Duration::seconds(max_age))
            .build();
        // Name, base64 and attributes are all printable ASCII.
        HeaderValue::from_str(&cookie.to_string()).unwrap_or(HeaderValue::from_static(""))
    }
}

/// The value of a `name=value` pair, if it has the name.
fn value_of<'a>(name: &str, pair: &'a [u8]) -> Option<&'a [u8]> {
    pair.trim_ascii()
        .strip_prefix(name.as_bytes())?
        .strip_prefix(b"=")
}

#[cfg(test)]
mod fuzz_targets;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::auth::cookie::token::testing::token;
    use crate::auth::cookie::{Secret, generate_secret_key};

    fn session_cookie(production: bool) -> SessionCookie {
        let secret = Secret::signing_key(&generate_secret_key()).unwrap();
        SessionCookie::new(
            KeyRing::new(&secret, &[]),
            Duration::from_secs(60),
            production,
        )
    }

    fn read(cookie: &SessionCookie, values: &[&[u8]]) -> Result<Verified, NoSession> {
        let values = values
            .iter()
            .map(|value| HeaderValue::from_bytes(value).unwrap());
        let headers = values.map(|value| (header::COOKIE, value)).collect();
        let value = cookie.value(&headers)?;
        cookie.verify(value).ok_or(NoSession::BadSignature)
    }

    fn pair(cookie: &SessionCookie, token: SessionToken) -> String {
        cookie
            .keep(token)
            .to_str()
            .unwrap()
            .split(';')
            .next()
            .unwrap()
            .to_owned()
    }

    #[test]
    fn attributes() {
        let token = token(1);
        let development = session_cookie(false).keep(token);
        let development = development.to_str().unwrap();
        assert!(development.starts_with("session="));
        assert!(development.ends_with("; HttpOnly; SameSite=Lax; Path=/; Max-Age=60"));
        let production = session_cookie(true);
        let kept = production.keep(token);
        assert!(kept.to_str().unwrap().starts_with("__Host-session="));
        assert!(kept.to_str().unwrap().contains("; Secure"));
        assert_eq!(
            production.forget(),
            "__Host-session=; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=0"
        );
    }

    #[test]
    fn found_among_others_and_refused_when_there_are_two() {
        let cookie = session_cookie(false);
        let token = token(1);
        let pair = pair(&cookie, token);
        let found = Ok(Verified {
            token,
            stale: false,
        });
        assert_eq!(
            read(&cookie, &[format!("a=1; {pair};b=2").as_bytes()]),
            found
        );
        assert_eq!(read(&cookie, &[b"name=caf\xe9", pair.as_bytes()]), found);
        assert_eq!(
            read(&cookie, &[b"xsession=1; sessions=2"]),
            Err(NoSession::NoCookie)
        );
        assert_eq!(read(&cookie, &[b"session="]), Err(NoSession::BadSignature));
        for twice in [format!("{pair}; session=x"), format!("session=x; {pair}")] {
            assert_eq!(
                read(&cookie, &[twice.as_bytes()]),
                Err(NoSession::SentTwice)
            );
        }
        assert_eq!(
            read(&cookie, &[pair.as_bytes(), b"session=x"]),
            Err(NoSession::SentTwice)
        );
    }

    proptest! {
        #[test]
        fn any_header_is_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if HeaderValue::from_bytes(&bytes).is_ok() {
                prop_assert!(read(&session_cookie(false), &[&bytes]).is_err());
            }
        }
    }
}
