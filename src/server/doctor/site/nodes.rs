//! Whether every node has the same key.

use std::collections::BTreeSet;

use super::{sightings::Sightings, visit::Visit};
use crate::server::doctor::report::Check;

const SAME_KEY: &str = "same_key";

/// The check, by what each node said of the doctor's own token and of a login's cookie.
pub(super) fn check(sightings: &Result<Sightings, String>, visit: &Result<Visit, String>) -> Check {
    let fix = "give every node the same SECRET_KEY and SECRET_KEY_FALLBACKS, and restart; a login \
               on one is none on another until then";
    let refused = sightings.as_ref().map_or(0, |sightings| sightings.refused);
    if refused > 0 {
        let what = format!("{refused} requests reached a node that has another SECRET_KEY");
        return Check::fail(SAME_KEY, what, fix);
    }
    let ids = sightings.iter().flat_map(|sightings| &sightings.seen);
    let ids: BTreeSet<&str> = ids.map(|seen| &*seen.key_id).collect();
    if ids.len() > 1 {
        let what = "nodes sign with different keys, of which others are among SECRET_KEY_FALLBACKS";
        return Check::fail(SAME_KEY, what, fix);
    }
    let refusals = visit
        .iter()
        .flat_map(|visit| visit.refusals.iter().flatten());
    if refusals.into_iter().any(|reason| reason == "bad_signature") {
        let what = "a node does not know the signature of a cookie that another node has signed";
        return Check::fail(SAME_KEY, what, fix);
    }
    match sightings {
        Ok(sightings) => {
            let count = sightings.seen.len();
            Check::pass(
                SAME_KEY,
                format!("{count} requests met the key of the settings here"),
            )
        }
        Err(why) => Check::skipped(SAME_KEY, why),
    }
}
