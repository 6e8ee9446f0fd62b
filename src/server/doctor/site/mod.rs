//! The checks of a deployed site, through its proxy.

mod api;
mod caches;
mod client;
mod compression;
mod cookies;
mod cross_site;
mod nodes;
mod sightings;
mod transport;
mod visit;

use url::Url;

use self::{
    client::{ACCEPT_ALL_ENCODINGS, Site},
    sightings::Sightings,
};
use super::report::Check;
use crate::server::settings::{Config, Variables};

const NO_SETTINGS: &str =
    "only to be seen where the site's SECRET_KEY is set, as on its own machine";

/// Examines the site at `url`, with the help of the settings here as far as they are the site's.
pub(super) async fn examine(url: &Url, variables: &Variables) -> Vec<Check> {
    let config = Config::for_server(variables).ok();
    let (site, https) = transport::https(Site::new(url), url).await;
    let mut checks = vec![https];
    let (site, nobody) = match api::find(site, config.as_ref()).await {
        Ok((site, nobody, reachable)) => {
            checks.push(reachable);
            (site, nobody)
        }
        Err(unreachable) => {
            checks.push(unreachable);
            return checks;
        }
    };
    checks.push(transport::hsts(&site, &nobody));

    let key = config
        .as_ref()
        .and_then(|config| config.secret_key.as_ref());
    let sightings = match key {
        Some(key) => sightings::collect(&site, key).await,
        None => Err(NO_SETTINGS.to_owned()),
    };
    // Settings of another site name another database: the login would fail, and count as a guess.
    let visit = match (&config, &sightings) {
        (Some(config), Ok(_)) => visit::visit(&site, config).await,
        (_, Err(why)) => Err(why.clone()),
        (None, Ok(_)) => Err(NO_SETTINGS.to_owned()),
    };

    checks.extend(cross_site::check(&site, sightings.as_ref().ok()).await);
    match &sightings {
        Ok(sightings) => {
            checks.push(sightings.client_address());
            checks.push(sightings.forwarded_proto(&site));
        }
        Err(why) => checks.extend(Sightings::unknown(why)),
    }
    checks.push(nodes::check(&sightings, &visit));

    let visited = || visit.iter().flat_map(|visit| &visit.answers);
    let seen = || sightings.iter().flat_map(|sightings| &sightings.answers);
    let set: Vec<_> = visited().collect();
    checks.extend(cookies::check(&site, &set).await);
    match caches::repeat(&site).await {
        Ok(repeated) => {
            let answers: Vec<_> = [&nobody]
                .into_iter()
                .chain(&repeated)
                .chain(visited())
                .chain(seen())
                .collect();
            let is_told_apart =
                nobody.status != 200 && visit.as_ref().map_or(true, |visit| visit.is_told_apart);
            checks.extend(caches::check(&answers, is_told_apart));
        }
        Err(error) => checks.push(caches::not_repeated(&error)),
    }
    checks.push(match &visit {
        Ok(visit) => visit.log_out.clone(),
        Err(why) => visit::not_visited(why),
    });

    let mut encoded: Vec<_> = visit.iter().flat_map(|visit| &visit.encoded).collect();
    let long = match key {
        Some(key) if sightings.is_ok() => sightings::look(&site, key, &[ACCEPT_ALL_ENCODINGS])
            .await
            .ok(),
        _ => None,
    };
    encoded.extend(long.iter().map(|(answer, _)| answer));
    checks.push(compression::of_api(&site, &encoded).await);
    checks.push(compression::of_page(&site).await);
    checks
}
