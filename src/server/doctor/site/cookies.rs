//! The session cookie as it arrives at a browser.

use axum::http::{Method, header};

use super::client::{Response, Site, Unreachable};
use crate::server::doctor::report::Check;

const FLAGS: &str = "cookie_flags";
const PREFIX: &str = "cookie_prefix";
const HOST_PREFIX: &str = "__Host-";
/// Cookies that no server has signed: each is removed, with the flags that any has.
const FORGED: (&str, &str) = ("cookie", "__Host-session=doctor; session=doctor");

/// The two checks, of every `Set-Cookie` in `responses` and of one that removes a forged cookie.
pub(super) async fn check(site: &Site, responses: &[&Response]) -> [Check; 2] {
    let removal = match removal(site).await {
        Ok(removal) => removal,
        Err(error) => return [FLAGS, PREFIX].map(|name| Check::skipped(name, &error)),
    };
    let responses = responses.iter().copied().chain([&removal]);
    let cookies: Vec<SetCookie> = responses.flat_map(set_cookies).collect();
    let Some(first) = cookies.first() else {
        let what = "the logout of a forged cookie sets none: Cookie or Set-Cookie is lost on \
                    the way";
        let fix = "have the proxy pass Cookie and Set-Cookie on unchanged";
        return [
            Check::fail(FLAGS, what, fix),
            Check::skipped(PREFIX, "no cookie is set"),
        ];
    };
    let unprefixed = cookies.iter().find(|it| !it.name.starts_with(HOST_PREFIX));
    let prefix = match unprefixed {
        Some(cookie) => Check::fail(
            PREFIX,
            format!(
                "the cookie is {}: another site of the domain may set it",
                cookie.name
            ),
            "APP_ENV=production names it __Host-session; have the proxy leave its name alone",
        ),
        None => Check::pass(PREFIX, &first.name),
    };
    let faults = cookies.iter().find_map(SetCookie::faults);
    let flags = match faults {
        Some(faults) => Check::fail(
            FLAGS,
            format!("the cookie comes with {faults}"),
            "APP_ENV=production sets Secure, HttpOnly, SameSite=Lax and Path=/; have the proxy \
             leave Set-Cookie alone (nginx: no proxy_cookie_flags, _path or _domain)",
        ),
        None => Check::pass(FLAGS, "Secure, HttpOnly, SameSite, Path=/ and no Domain"),
    };
    [flags, prefix]
}

async fn removal(site: &Site) -> Result<Response, Unreachable> {
    site.send(Method::DELETE, "/logout", &[FORGED], None).await
}

/// A `Set-Cookie` header.
#[derive(Debug)]
pub(super) struct SetCookie {
    pub name: String,
    pub value: String,
    /// In lower case.
    attributes: Vec<String>,
}

/// The session cookies that a response sets.
pub(super) fn set_cookies(response: &Response) -> impl Iterator<Item = SetCookie> {
    let values = response.headers.get_all(header::SET_COOKIE).iter();
    let cookies = values.filter_map(|value| SetCookie::parse(value.to_str().ok()?));
    cookies.filter(|cookie| cookie.name.trim_start_matches(HOST_PREFIX) == "session")
}

impl SetCookie {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let (name, value) = parts.next()?.split_once('=')?;
        Some(Self {
            name: name.to_owned(),
            value: value.to_owned(),
            attributes: parts.map(str::to_ascii_lowercase).collect(),
        })
    }

    /// Whether it removes the cookie.
    pub fn is_removal(&self) -> bool {
        self.attributes.iter().any(|it| it == "max-age=0")
    }

    fn faults(&self) -> Option<String> {
        let has = |wanted: &[&str]| self.attributes.iter().any(|it| wanted.contains(&&**it));
        let mut faults = Vec::new();
        for (wanted, fault) in [
            (&["secure"][..], "no Secure"),
            (&["httponly"], "no HttpOnly"),
            (&["samesite=lax", "samesite=strict"], "no SameSite=Lax"),
            (&["path=/"], "no Path=/"),
        ] {
            if !has(wanted) {
                faults.push(fault);
            }
        }
        if self.attributes.iter().any(|it| it.starts_with("domain")) {
            faults.push("a Domain");
        }
        (!faults.is_empty()).then(|| faults.join(", "))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn every_missing_flag_is_named() {
        let faults = |text: &str| SetCookie::parse(text).unwrap().faults().unwrap_or_default();
        let good = "__Host-session=x; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=1";
        assert_eq!(faults(good), "");
        assert_eq!(faults(&good.to_uppercase()), "");
        assert_eq!(faults(&good.replace("; Secure", "")), "no Secure");
        assert_eq!(
            faults("session=x; SameSite=None; Path=/a; Domain=example.com"),
            "no Secure, no HttpOnly, no SameSite=Lax, no Path=/, a Domain"
        );
        assert!(SetCookie::parse("session").is_none());
    }
}
