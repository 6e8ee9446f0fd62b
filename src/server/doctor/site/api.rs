//! Finds the API: at the address given, or below the prefix that the site tells.

use url::Url;

use super::client::{Response, Site, Unreachable};
use crate::server::{doctor::report::Check, settings::Config};

const REACHABLE: &str = "reachable";

/// The site with the prefix of its API, and the response of `/checklogin` to nobody.
pub(super) async fn find(
    site: Site,
    config: Option<&Config>,
) -> Result<(Site, Response, Check), Check> {
    let mut candidates = vec![site.prefix.clone()];
    candidates.extend(config.map(|config| config.api_prefix.clone()));
    let mut last = match described_prefix(&site).await {
        Ok(prefix) => {
            candidates.extend(prefix);
            "it does not respond as handstamp does".to_owned()
        }
        Err(error) => {
            let what = format!("{} does not respond: {error}", site.origin);
            let fix = "start the proxy, or correct the address or its certificate (SSL_CERT_FILE \
                       names one's own authority)";
            return Err(Check::fail(REACHABLE, what, fix));
        }
    };
    let mut elsewhere = None;
    for prefix in candidates {
        let site = site.with_prefix(prefix);
        match site.get("/checklogin", &[]).await {
            Ok(response) if is_own(&response) => {
                let what = format!("handstamp responds at {}{}/", site.origin, site.prefix);
                return Ok((site, response, Check::pass(REACHABLE, what)));
            }
            Ok(response) => {
                let (status, origin) = (response.status.as_u16(), &site.origin);
                last = format!("{origin}{}/checklogin responds {status}", site.prefix);
                elsewhere = elsewhere.or_else(|| leads_elsewhere(&site, &response));
            }
            Err(error) => last = error.to_string(),
        }
    }
    if let Some(elsewhere) = elsewhere {
        let what = format!("{} leads to {elsewhere}", site.origin);
        let fix = format!("examine that: handstamp doctor {elsewhere}");
        return Err(Check::fail(REACHABLE, what, fix));
    }
    let fix = "have the proxy pass every path of the API on to handstamp; with API_PREFIX, give \
               the address with it";
    Err(Check::fail(REACHABLE, last, fix))
}

/// The other site that a redirect leads to.
fn leads_elsewhere(site: &Site, response: &Response) -> Option<String> {
    let target = response
        .header("location")
        .filter(|_| response.status.is_redirection())?;
    let target = Url::parse(&site.origin).ok()?.join(target).ok()?;
    let origin = target.origin().ascii_serialization();
    (origin != site.origin).then_some(origin)
}

/// A cache may hold the response to somebody else, which is found later.
fn is_own(response: &Response) -> bool {
    match response.status.as_u16() {
        401 => response.field("code").as_deref() == Some("not_logged_in"),
        200 => response.field("username").is_some(),
        _ => false,
    }
}

/// The prefix that the description of the API names, which is at the root in any case.
async fn described_prefix(site: &Site) -> Result<Option<String>, Unreachable> {
    let root = site.with_prefix(String::new());
    let description = root.get("/openapi.json", &[]).await?.json();
    let server = description
        .as_ref()
        .and_then(|it| it.pointer("/servers/0/url")?.as_str());
    Ok(server
        .filter(|url| url.starts_with('/'))
        .map(|url| url.trim_end_matches('/').to_owned()))
}
