//! The checks of a deployed site, through its proxy.

mod api;
mod caches;
mod client;
mod client_address;
mod compression;
mod cookies;
mod cross_site;
mod nodes;
mod sightings;
mod transport;
mod visit;

use url::Url;

use self::{
    client::{ACCEPT_ALL_ENCODINGS, Response, Site, Who},
    sightings::Sightings,
    visit::Visit,
};
use super::{report::Check, stop::Stop};
use crate::{
    auth::Secret,
    server::settings::{Config, Variables},
};

const NO_SETTINGS: &str =
    "only to be seen where the site's SECRET_KEY is set, as on its own machine";

/// Examines the site at `url`, with the help of the settings here as far as they are the site's.
pub(super) async fn examine(url: &Url, variables: &Variables, stop: &Stop) -> Vec<Check> {
    let mut checks = Vec::new();
    let settings = settings(variables);
    if let Some(Some(found)) = stop.unless(find(url, &settings, &mut checks)).await {
        // It has an account to remove, and stops by itself.
        let visit = match (&settings, &found.sightings) {
            (Ok(settings), Ok(_)) => visit::visit(&found.site, &settings.config, stop).await,
            // Settings of another site name another database: the login would fail, and count as
            // a guess.
            (_, Err(why)) | (Err(why), _) => Err(visit::not_tried(why)),
        };
        checks.push(match &visit {
            Ok(visit) => visit.log_in.clone(),
            Err(check) => check.clone(),
        });
        let rest = go_on(&found, &settings, visit.as_ref().ok(), &mut checks);
        stop.unless(rest).await;
    }
    if stop.is_requested() {
        let what = "the examination was interrupted: further checks are missing";
        checks.push(Check::fail(
            "interrupted",
            what,
            "run the doctor again, to its end",
        ));
    }
    checks
}

/// Settings with a key, which may be the site's.
struct Settings {
    config: Config,
    key: Secret,
}

/// The settings here, or why they are of no use.
fn settings(variables: &Variables) -> Result<Settings, String> {
    if variables.get("SECRET_KEY").is_none() {
        return Err(NO_SETTINGS.to_owned());
    }
    let config = Config::for_server(variables).map_err(|error| {
        let mistake = error.0.first().map_or("", |mistake| mistake);
        let mistake = variables.without_secrets(mistake);
        format!("the settings here are of no use: {mistake}")
    })?;
    let key = config.secret_key.clone().ok_or(NO_SETTINGS)?;
    Ok(Settings { config, key })
}

/// A site that responds.
struct Found {
    site: Site,
    /// What `/checklogin` responds to nobody.
    nobody: Response,
    sightings: Result<Sightings, String>,
}

/// The first checks, without which there are no others.
async fn find(
    url: &Url,
    settings: &Result<Settings, String>,
    checks: &mut Vec<Check>,
) -> Option<Found> {
    let (site, https) = transport::https(Site::new(url), url).await;
    checks.push(https);
    let config = settings.as_ref().ok().map(|settings| &settings.config);
    let (site, nobody) = match api::find(site, config).await {
        Ok((site, nobody, reachable)) => {
            checks.push(reachable);
            (site, nobody)
        }
        Err(unreachable) => {
            checks.push(unreachable);
            return None;
        }
    };
    checks.push(transport::hsts(&site, &nobody));
    let sightings = match settings {
        Ok(settings) => sightings::collect(&site, &settings.key).await,
        Err(why) => Err(why.clone()),
    };
    Some(Found {
        site,
        nobody,
        sightings,
    })
}

async fn go_on(
    found: &Found,
    settings: &Result<Settings, String>,
    visit: Option<&Visit>,
    checks: &mut Vec<Check>,
) {
    let Found {
        site,
        nobody,
        sightings,
    } = found;
    checks.extend(cross_site::check(site, sightings.as_ref().ok()).await);
    match sightings {
        Ok(sightings) => {
            checks.push(client_address::check(sightings));
            checks.push(sightings.forwarded_proto(site));
        }
        // The site alone can tell.
        Err(why) => {
            let names = [client_address::NAME, sightings::FORWARDED_PROTO];
            checks.extend(names.map(|name| Check::skipped(name, why)));
        }
    }
    checks.push(nodes::check(sightings, visit));

    let visited = || visit.iter().flat_map(|visit| &visit.responses);
    let seen = || sightings.iter().flat_map(|sightings| &sightings.responses);
    let set: Vec<_> = visited().collect();
    checks.extend(cookies::check(site, &set).await);
    match caches::repeat(site).await {
        Ok(repeated) => {
            let responses: Vec<_> = [nobody]
                .into_iter()
                .chain(&repeated)
                .chain(visited())
                .chain(seen())
                .collect();
            let others = visit.map(|visit| visit.without_cookie.clone());
            let is_somebody = [Who::of(nobody)]
                .iter()
                .chain(&others)
                .any(|who| *who == Who::User);
            checks.extend(caches::check(&responses, !is_somebody));
        }
        Err(error) => checks.push(caches::not_repeated(&error)),
    }
    checks.push(match visit {
        Some(visit) => visit.device.clone(),
        None => Check::skipped(visit::device::NAME, "nobody is logged in, see log_in"),
    });
    checks.push(match visit {
        Some(visit) => visit.log_out.clone(),
        None => visit::not_logged_in(),
    });

    let mut encoded: Vec<_> = visit.iter().flat_map(|visit| &visit.encoded).collect();
    let long = match settings {
        Ok(settings) if sightings.is_ok() => {
            let looked = sightings::look(site, &settings.key, &[ACCEPT_ALL_ENCODINGS]);
            looked.await.ok()
        }
        _ => None,
    };
    encoded.extend(long.iter().map(|(response, _)| response));
    checks.push(compression::of_api(site, &encoded).await);
    checks.push(compression::of_page(site).await);
}
