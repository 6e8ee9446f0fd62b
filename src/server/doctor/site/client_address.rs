//! Whether each client is counted by its own address.

use std::net::IpAddr;

use super::sightings::{MADE_UP, Sightings};
use crate::{
    http::{is_private, parse_hop},
    server::doctor::{report::Check, seen::Seen},
};

pub(super) const NAME: &str = "client_address";
const APPEND: &str = "(nginx: proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for)";

/// The check.
pub(super) fn check(sightings: &Sightings) -> Check {
    if let Some(failed) = sightings.seen.iter().find_map(hidden) {
        return failed;
    }
    match &sightings.spoofed {
        None => {
            let why = "what comes of an address that a client makes up was not to be seen";
            return Check::skipped(NAME, why);
        }
        Some(spoofed) if is_accepted(sightings, spoofed) => {
            let what = "clients choose their own address: a proxy passes their X-Forwarded-For on \
                        as it came";
            let fix = format!(
                "have the proxy that clients connect to replace it by their address, and each \
                 further one add to it {APPEND}"
            );
            return Check::fail(NAME, what, fix);
        }
        Some(_) => {}
    }
    let seen = || sightings.seen.iter();
    let is_doubtful =
        |seen: &&Seen| seen.is_client_trusted || seen.client.as_ref().is_some_and(is_private);
    if sightings.is_public
        && let Some(seen) = seen().find(is_doubtful)
    {
        let why = format!(
            "this machine has the address {}, which is no client's on the internet: look from \
             outside. If every client has it, a balancer or NAT before the proxy hides theirs",
            text(seen)
        );
        return Check::skipped(NAME, why);
    }
    let client = seen().next().map(text).unwrap_or_default();
    Check::pass(NAME, format!("this machine has the address {client}"))
}

/// Whether a client's own claim counts.
fn is_accepted(sightings: &Sightings, spoofed: &Seen) -> bool {
    // On the proxy's own machine, the doctor's address is a trusted proxy's, of which claims count.
    let is_proxy = |seen: &Seen| sightings.is_seen_as_itself && seen.is_client_trusted;
    if sightings.seen.iter().any(is_proxy) {
        let last = spoofed.forwarded_for.last();
        let last = last.and_then(|last| parse_hop(last.as_bytes()));
        return last == Some(MADE_UP);
    }
    spoofed.client == Some(MADE_UP)
}

/// The check, where a proxy's address counts as the client's.
fn hidden(seen: &Seen) -> Option<Check> {
    let peer = seen.peer;
    let Some(first) = seen.forwarded_for.first() else {
        let what = format!(
            "every client has the address {peer}, as no X-Forwarded-For comes: they are \
             rate-limited as one"
        );
        let fix = format!("have the proxy send X-Forwarded-For {APPEND}");
        return Some(Check::fail(NAME, what, fix));
    };
    if !seen.is_peer_trusted {
        let what = format!(
            "every client has the address {peer}, of a proxy that TRUSTED_PROXIES does not hold: \
             they are rate-limited as one"
        );
        let fix = format!("add {peer} to TRUSTED_PROXIES, if it is your proxy, and restart");
        return Some(Check::fail(NAME, what, fix));
    }
    let address = parse_hop(first.as_bytes()).map(|it| it.to_canonical());
    if address.is_some() && address == seen.client {
        return None;
    }
    let client = text(seen);
    let what = format!(
        "clients have the address {client}, of a proxy between the first, which says {first}, and \
         handstamp"
    );
    let fix = format!("add {client} to TRUSTED_PROXIES, if it is your proxy, and restart");
    Some(Check::fail(NAME, what, fix))
}

fn text(seen: &Seen) -> String {
    let client = seen.client.as_ref();
    client.map(IpAddr::to_string).unwrap_or_default()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::server::doctor::report::Status;

    fn seen(forwarded_for: &[&str], client: &str) -> Seen {
        Seen {
            node: String::new(),
            key_id: String::new(),
            client: Some(client.parse().unwrap()),
            peer: "10.0.0.1".parse().unwrap(),
            is_peer_trusted: true,
            is_client_trusted: client.starts_with("10."),
            forwarded_for: forwarded_for.iter().map(|it| (*it).to_owned()).collect(),
            forwarded_proto: None,
            host: None,
            padding: String::new(),
        }
    }

    fn status(is_public: bool, own: Seen, spoofed: Option<Seen>) -> Status {
        status_on(false, is_public, own, spoofed)
    }

    fn status_on(
        is_seen_as_itself: bool,
        is_public: bool,
        own: Seen,
        spoofed: Option<Seen>,
    ) -> Status {
        check(&Sightings {
            responses: Vec::new(),
            seen: vec![own],
            refused: 0,
            inconclusive: 0,
            own_key_id: String::new(),
            spoofed,
            is_seen_as_itself,
            is_public,
        })
        .status
    }

    #[test]
    fn an_address_is_the_same_in_whichever_form() {
        for first in ["203.0.113.7", "::ffff:203.0.113.7", "[::ffff:cb00:7107]:80"] {
            let own = seen(&[first], "203.0.113.7");
            let spoofed = seen(&["192.0.2.77", first], "203.0.113.7");
            assert_eq!(status(true, own, Some(spoofed)), Status::Pass, "{first}");
        }
        for first in ["203.0.113.77", "unknown", ""] {
            let own = seen(&[first], "203.0.113.7");
            assert_eq!(status(true, own, None), Status::Fail, "{first}");
        }
    }

    #[test]
    fn a_proxy_that_passes_made_up_addresses_on_is_named_however_many_follow() {
        let own = seen(&["10.0.0.2"], "10.0.0.2");
        let spoofed = seen(&["192.0.2.77", "10.0.0.2"], "192.0.2.77");
        let status_on =
            |is_here, is_public| status_on(is_here, is_public, own.clone(), Some(spoofed.clone()));
        assert_eq!(status_on(false, false), Status::Fail);
        // On the machine of that proxy its own claims count, as they should.
        assert_eq!(status_on(true, false), Status::Pass);
        assert_eq!(status_on(true, true), Status::Skipped);
    }

    #[test]
    fn no_client_of_the_internet_has_a_private_address() {
        for client in [
            "172.17.0.1",
            "10.0.0.2",
            "127.0.0.1",
            "fd00::1",
            "100.64.0.1",
        ] {
            let (own, spoofed) = (seen(&[client], client), seen(&[client], client));
            let both = [true, false]
                .map(|is_public| status(is_public, own.clone(), Some(spoofed.clone())));
            assert_eq!(both, [Status::Skipped, Status::Pass], "{client}");
        }
    }
}
