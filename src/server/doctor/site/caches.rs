//! Whether something on the way stores responses.

use std::collections::HashMap;

use super::client::{Response, Site, Unreachable};
use crate::server::doctor::report::Check;

const NO_STORE: &str = "no_store";
const CACHE: &str = "cache";
/// Both forbid to be stored.
const PATHS: [&str; 2] = ["/checklogin", "/healthz"];
const TIMES: usize = 3;

/// Responses to requests that were repeated, none of which may be stored.
pub(super) async fn repeat(site: &Site) -> Result<Vec<Response>, Unreachable> {
    let mut responses = Vec::new();
    for path in PATHS {
        for _ in 0..TIMES {
            responses.push(site.get(path, &[]).await?);
        }
    }
    Ok(responses)
}

/// The two checks on caching. `distinguishes_users` is false when a request without a cookie got a
/// user's response.
pub(super) fn check(responses: &[&Response], distinguishes_users: bool) -> [Check; 2] {
    // Responses of health checks are public, and the proxy may send its own.
    let private = responses.iter().filter(|response| {
        response.is_of_the_server() && response.body.len() > "{\"status\":\"ok\"}".len()
    });
    let stored = private.filter(|response| !response.is_no_store()).count();
    let no_store = match stored {
        0 => Check::pass(NO_STORE, "Cache-Control: no-store comes"),
        count => Check::fail(
            NO_STORE,
            format!("{count} responses of the API come without Cache-Control: no-store"),
            "have the proxy leave Cache-Control alone",
        ),
    };
    [no_store, cache(responses, distinguishes_users)]
}

/// The check, where the requests could not be repeated.
pub(super) fn not_repeated(error: &Unreachable) -> Check {
    Check::skipped(CACHE, error)
}

fn cache(responses: &[&Response], distinguishes_users: bool) -> Check {
    let fix = "turn the cache off for the API (nginx: no proxy_cache, no proxy_ignore_headers \
               Cache-Control), then empty it: it may hold what is one user's alone";
    if !distinguishes_users {
        let what = "a request without a cookie got the response of a user: something on the way \
                    stores responses";
        return Check::fail(CACHE, what, fix);
    }
    let mut times = HashMap::<&str, usize>::new();
    for id in responses
        .iter()
        .filter_map(|response| response.request_id())
    {
        *times.entry(id).or_default() += 1;
    }
    let repeated = times.values().filter(|times| **times > 1).count();
    let aged = responses
        .iter()
        .filter(|response| response.header("age").is_some_and(is_aged))
        .count();
    if repeated > 0 {
        let what = "the same response came to several requests: something on the way stores it, \
                    though it says no-store";
        Check::fail(CACHE, what, fix)
    } else if aged > 0 {
        Check::fail(CACHE, "responses come with an Age, as from a cache", fix)
    } else if times.is_empty() {
        Check::skipped(
            CACHE,
            "the proxy removes X-Request-Id, which tells responses apart",
        )
    } else {
        Check::pass(
            CACHE,
            format!("{} responses, each a new one", responses.len()),
        )
    }
}

/// Caches that pass a response on without storing it say 0.
fn is_aged(age: &str) -> bool {
    age.trim().parse().is_ok_and(|age: u64| age > 0)
}

#[cfg(test)]
mod tests {
    use super::is_aged;

    #[test]
    fn a_response_that_was_passed_on_has_no_age() {
        assert!(is_aged("1") && is_aged(" 86400"));
        assert!(!is_aged("0") && !is_aged(" 0 ") && !is_aged("") && !is_aged("new"));
    }
}
