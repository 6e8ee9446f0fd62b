//! https: plain http leads to it, and browsers remember it.

use axum::http::Method;
use url::Url;

use super::client::{Response, Site};
use crate::server::doctor::report::Check;

const HTTPS: &str = "https";
const HSTS: &str = "hsts";
/// A year (ASVS 3.4.1).
const MIN_MAX_AGE: u64 = 31_536_000;

/// Checks that plain http leads to https. Returns the site at its https address, too.
pub(super) async fn https(site: Site, url: &Url) -> (Site, Check) {
    let mut plain = url.clone();
    if site.is_https() {
        if url.port().is_some() {
            let why = "which port speaks plain http is not known; give its address, http://…";
            return (site, Check::skipped(HTTPS, why));
        }
        // It cannot fail between these two schemes.
        let _ = plain.set_scheme("http");
    }
    let asked = site.request(Method::GET, plain.as_str(), &[], None).await;
    let response = match asked {
        Ok(response) => response,
        Err(error) if site.is_https() => {
            let what = format!("{plain} does not respond at all ({error})");
            return (site, Check::pass(HTTPS, what));
        }
        Err(error) => {
            let fix = "start the proxy, or correct the address";
            return (site, Check::fail(HTTPS, error, fix));
        }
    };
    let target = response
        .header("location")
        .filter(|_| response.status.is_redirection());
    match target.and_then(|target| plain.join(target).ok()) {
        Some(target) if target.scheme() == "https" && target.host() != plain.host() => {
            let there = target.origin().ascii_serialization();
            let what = format!("{plain} leads to another host, {there}, which is not examined");
            let fix = format!(
                "have it lead to the same host over https first; to examine the other one, \
                 handstamp doctor {there}"
            );
            (site, Check::fail(HTTPS, what, fix))
        }
        Some(target) if target.scheme() == "https" => {
            let at = site.at(&target);
            (at, Check::pass(HTTPS, format!("{plain} leads to {target}")))
        }
        _ => {
            let what = format!(
                "{plain} responds {} instead of leading to https: passwords and cookies travel \
                 readable, and browsers do not send back the Secure cookie",
                response.status.as_u16()
            );
            let fix = "serve port 443 with TLS, and on port 80 nothing but a redirect (nginx: \
                       return 308 https://$host$request_uri; Caddy does so by itself)";
            (site, Check::fail(HTTPS, what, fix))
        }
    }
}

/// Checks `Strict-Transport-Security` (RFC 6797).
pub(super) fn hsts(site: &Site, response: &Response) -> Check {
    if !site.is_https() {
        return Check::skipped(HSTS, "it counts over https alone");
    }
    let fix = "APP_ENV=production sends it; have the proxy pass it on, and send none of its own";
    match response.header("strict-transport-security") {
        None => Check::fail(HSTS, "no Strict-Transport-Security comes", fix),
        Some(value) if max_age(value).is_some_and(|age| age >= MIN_MAX_AGE) => {
            Check::pass(HSTS, value)
        }
        Some(value) => Check::fail(HSTS, format!("{value:?} is less than a year"), fix),
    }
}

fn max_age(value: &str) -> Option<u64> {
    let mut parts = value.split(';').map(str::trim);
    let age = parts.find_map(|part| {
        part.to_ascii_lowercase()
            .strip_prefix("max-age=")
            .map(str::to_owned)
    })?;
    age.trim_matches('"').parse().ok()
}

#[cfg(test)]
mod tests {
    use super::max_age;

    #[test]
    fn the_age_is_found_wherever_it_stands() {
        assert_eq!(max_age("max-age=31536000"), Some(31_536_000));
        assert_eq!(
            max_age("includeSubDomains; Max-Age=\"60\"; preload"),
            Some(60)
        );
        assert_eq!(max_age("includeSubDomains"), None);
    }
}
