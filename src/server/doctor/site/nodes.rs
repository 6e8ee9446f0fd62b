//! Whether every node has the same key.

use std::collections::BTreeSet;

use super::{client::Who, sightings::Sightings, visit::Visit};
use crate::server::doctor::report::Check;

const SAME_KEY: &str = "same_key";

/// The check, by what each node said of the doctor's own token and of a login's cookie.
pub(super) fn check(sightings: &Result<Sightings, String>, visit: Option<&Visit>) -> Check {
    let fix = "give every node the same SECRET_KEY and SECRET_KEY_FALLBACKS, and restart; a login \
               on one is none on another until then";
    let sightings = match sightings {
        Ok(sightings) => sightings,
        Err(why) => return Check::skipped(SAME_KEY, why),
    };
    if sightings.refused > 0 {
        let what = format!(
            "{} requests reached a node that has another SECRET_KEY",
            sightings.refused
        );
        return Check::fail(SAME_KEY, what, fix);
    }
    let ids: BTreeSet<&str> = sightings.seen.iter().map(|seen| &*seen.key_id).collect();
    if ids.len() > 1 {
        let what = "nodes sign with different keys, of which others are among SECRET_KEY_FALLBACKS";
        return Check::fail(SAME_KEY, what, fix);
    }
    if !ids.contains(&*sightings.own_key_id) {
        let what = "the site signs with another key than SECRET_KEY here, which is among its \
                    SECRET_KEY_FALLBACKS";
        let fix = "give SECRET_KEY here the value that it has on the nodes";
        return Check::fail(SAME_KEY, what, fix);
    }
    let is_unknown = |who: &Who| matches!(who, Who::Nobody(reason) if reason == "bad_signature");
    if visit.is_some_and(|visit| visit.who.iter().any(is_unknown)) {
        let what = "a node does not know the signature of a cookie that another node has signed";
        return Check::fail(SAME_KEY, what, fix);
    }
    Check::pass(SAME_KEY, passed(sightings))
}

/// What the pass is worth: a balancer may keep the doctor to one node.
fn passed(sightings: &Sightings) -> String {
    let nodes: BTreeSet<&str> = sightings.seen.iter().map(|seen| &*seen.node).collect();
    let requests = sightings.seen.len();
    let met = if nodes.len() == 1 {
        format!(
            "{requests} requests met one node, with the key of the settings here; others, to which \
             the balancer sends other clients, are not seen"
        )
    } else {
        format!(
            "{requests} requests met {} nodes, with the key of the settings here",
            nodes.len()
        )
    };
    match sightings.inconclusive {
        0 => met,
        inconclusive => format!("{met}; {inconclusive} met an older version, or were turned away"),
    }
}
