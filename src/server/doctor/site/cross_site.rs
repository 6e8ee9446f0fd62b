//! Whether pages of other sites are refused, and the site's own are not.

use axum::http::Method;

use super::{
    client::{Site, Unreachable},
    sightings::Sightings,
};
use crate::server::doctor::report::Check;

const HOST: &str = "host";
const CROSS_SITE: &str = "cross_site";
const OTHER_ORIGIN: (&str, &str) = ("origin", "https://another-site.example");

/// The two checks. What is sent is a logout of nobody, which changes nothing.
pub(super) async fn check(site: &Site, sightings: Option<&Sightings>) -> [Check; 2] {
    match probe(site, sightings).await {
        Ok(checks) => checks,
        Err(error) => [HOST, CROSS_SITE].map(|name| Check::skipped(name, &error)),
    }
}

async fn probe(site: &Site, sightings: Option<&Sightings>) -> Result<[Check; 2], Unreachable> {
    let own = [("origin", &*site.origin)];
    let from_own_page = log_out(site, &own).await?;
    let from_other_page = log_out(site, &[OTHER_ORIGIN]).await?;
    // Alone: with Origin beside it, nobody would see that it was lost.
    let from_other_by_fetch = log_out(site, &[("sec-fetch-site", "cross-site")]).await?;

    let seen = sightings.and_then(|sightings| sightings.seen.first());
    let seen_host = seen.and_then(|seen| seen.host.as_deref());
    let authority = site.authority();
    let is_rewritten = match seen_host {
        Some(host) => !host.eq_ignore_ascii_case(authority),
        None => from_own_page == 403,
    };
    let host = if is_rewritten {
        let arrives = seen_host.unwrap_or("another");
        let what = format!(
            "the browser's Host {authority} does not arrive but {arrives}: the site's own pages \
             are refused as another site's"
        );
        let fix = "have the proxy pass Host on (nginx: proxy_set_header Host $http_host; Caddy \
                   does so by itself), instead of ALLOWED_ORIGINS";
        Check::fail(HOST, what, fix)
    } else if from_own_page == 403 {
        let what = "the site's own pages are refused as another site's, as the proxy tells \
                    another scheme than the browser spoke";
        let fix =
            "proxy_set_header X-Forwarded-Proto $scheme; TRUSTED_PROXIES is to hold the proxy";
        Check::fail(HOST, what, fix)
    } else if from_own_page != 200 {
        let what = format!("DELETE {}/logout responds {from_own_page}", site.prefix);
        Check::fail(HOST, what, "have the proxy pass every method on to the API")
    } else {
        Check::pass(HOST, format!("{authority} arrives as it was sent"))
    };

    let cross_site = if from_other_page == 200 || from_other_by_fetch == 200 {
        let lost = match (from_other_page, from_other_by_fetch) {
            (200, 200) => "Origin and Sec-Fetch-Site",
            (200, _) => "Origin",
            _ => "Sec-Fetch-Site",
        };
        let what = format!("pages of other sites may write: {lost} of a browser does not arrive");
        let fix = "have the proxy pass Origin and Sec-Fetch-Site on: no `proxy_set_header Origin \
                   \"\"` (nginx), no `header_up -Origin` (Caddy)";
        Check::fail(CROSS_SITE, what, fix)
    } else if from_other_page != 403 || from_other_by_fetch != 403 {
        let what = format!(
            "a page of another site gets {from_other_page} and {from_other_by_fetch}, not 403"
        );
        Check::fail(
            CROSS_SITE,
            what,
            "have the proxy pass every method on to the API",
        )
    } else {
        Check::pass(CROSS_SITE, "pages of other sites are refused")
    };
    Ok([host, cross_site])
}

async fn log_out(site: &Site, headers: &[(&str, &str)]) -> Result<u16, Unreachable> {
    let response = site.send(Method::DELETE, "/logout", headers, None).await?;
    Ok(response.status.as_u16())
}
