//! What the nodes behind the proxy see of the doctor's requests, and what it tells of the proxy.

use super::client::{Answer, Site, Unreachable};
use crate::{
    auth::Secret,
    clock::Clock,
    server::doctor::{
        report::Check,
        seen::{SEEN_TEMPLATE, Seen, TOKEN},
        token::Token,
    },
};

const CLIENT_ADDRESS: &str = "client_address";
const FORWARDED_PROTO: &str = "forwarded_proto";
/// Enough for a balancer to show each of some nodes.
const REQUESTS: usize = 16;
/// An address for documentation (RFC 5737), which no client has.
const MADE_UP: &str = "192.0.2.77";

/// What the site saw of several requests.
#[derive(Debug)]
pub(super) struct Sightings {
    pub answers: Vec<Answer>,
    pub seen: Vec<Seen>,
    /// Requests whose token the node did not know.
    pub refused: usize,
    /// What was seen of one that claimed an address.
    spoofed: Option<Seen>,
}

/// Asks the site what it sees.
///
/// # Errors
/// Why it does not tell.
pub(super) async fn collect(site: &Site, key: &Secret) -> Result<Sightings, String> {
    let mut sightings = Sightings {
        answers: Vec::new(),
        seen: Vec::new(),
        refused: 0,
        spoofed: None,
    };
    for _ in 0..REQUESTS {
        let (answer, seen) = look(site, key, &[])
            .await
            .map_err(|error| error.to_string())?;
        match seen {
            Some(seen) => sightings.seen.push(seen),
            None => sightings.refused += 1,
        }
        sightings.answers.push(answer);
    }
    if sightings.seen.is_empty() {
        return Err(
            "the site does not know the SECRET_KEY of the settings here, or the clock \
                    of this machine is wrong"
                .to_owned(),
        );
    }
    let spoof = [("x-forwarded-for", MADE_UP)];
    let spoofed = look(site, key, &spoof).await;
    sightings.spoofed = spoofed.ok().and_then(|(_, seen)| seen);
    Ok(sightings)
}

/// One request with a token, and what was seen of it.
pub(super) async fn look(
    site: &Site,
    key: &Secret,
    headers: &[(&str, &str)],
) -> Result<(Answer, Option<Seen>), Unreachable> {
    let token = Token::sign(key, Clock::system().now()).to_string();
    let mut all = vec![(TOKEN, &*token), ("origin", &*site.origin)];
    all.extend(headers);
    let answer = site.get(SEEN_TEMPLATE, &all).await?;
    let seen = match answer.status.as_u16() {
        200 => serde_json::from_slice(&answer.body).ok(),
        _ => None,
    };
    Ok((answer, seen))
}

impl Sightings {
    /// Whether each client is counted by its own address.
    pub fn client_address(&self) -> Check {
        let told = |seen: &Seen| {
            seen.client
                .map(|client| client.to_string())
                .unwrap_or_default()
        };
        for seen in &self.seen {
            let (peer, client) = (seen.peer, told(seen));
            let Some(first) = seen.forwarded_for.first() else {
                let what = format!(
                    "every client has the address {peer}, as no X-Forwarded-For comes: they are \
                     rate-limited as one"
                );
                let fix = "have the proxy send X-Forwarded-For (nginx: proxy_set_header \
                           X-Forwarded-For $proxy_add_x_forwarded_for)";
                return Check::fail(CLIENT_ADDRESS, what, fix);
            };
            if !seen.is_peer_trusted {
                let what = format!(
                    "every client has the address {peer}, of a proxy that TRUSTED_PROXIES does not \
                     hold: they are rate-limited as one"
                );
                let fix =
                    format!("add {peer} to TRUSTED_PROXIES, if it is your proxy, and restart");
                return Check::fail(CLIENT_ADDRESS, what, fix);
            }
            if !is_same_address(first, &client) {
                let what = format!(
                    "clients have the address {client}, of a proxy between the first, which says \
                     {first}, and handstamp"
                );
                let fix =
                    format!("add {client} to TRUSTED_PROXIES, if it is your proxy, and restart");
                return Check::fail(CLIENT_ADDRESS, what, fix);
            }
        }
        if let Some(spoofed) = &self.spoofed
            && spoofed
                .forwarded_for
                .last()
                .is_some_and(|last| last == MADE_UP)
        {
            let what = "clients choose their own address: the proxy passes their X-Forwarded-For \
                        on as it came";
            let fix = "have the proxy add the client's address (nginx: proxy_set_header \
                       X-Forwarded-For $proxy_add_x_forwarded_for)";
            return Check::fail(CLIENT_ADDRESS, what, fix);
        }
        let client = self.seen.first().map(told).unwrap_or_default();
        Check::pass(
            CLIENT_ADDRESS,
            format!("this machine has the address {client}"),
        )
    }

    /// Whether the scheme that the proxy tells is the one that was spoken.
    pub fn forwarded_proto(&self, site: &Site) -> Check {
        let spoken = if site.is_https() { "https" } else { "http" };
        for seen in &self.seen {
            let Some(proto) = &seen.forwarded_proto else {
                continue;
            };
            let told = proto.rsplit(',').next().unwrap_or_default().trim();
            if !told.eq_ignore_ascii_case(spoken) {
                let what = format!("{told:?} is told where {spoken} was spoken");
                let fix = "have the proxy say which scheme the browser spoke (nginx: \
                           proxy_set_header X-Forwarded-Proto $scheme)";
                return Check::fail(FORWARDED_PROTO, what, fix);
            }
        }
        match self.seen.iter().any(|seen| seen.forwarded_proto.is_some()) {
            true => Check::pass(FORWARDED_PROTO, format!("{spoken} is told")),
            false => Check::pass(
                FORWARDED_PROTO,
                "not told, which counts as https in production",
            ),
        }
    }

    /// The checks that only the site itself can answer, where it does not.
    pub fn unknown(why: &str) -> [Check; 2] {
        [CLIENT_ADDRESS, FORWARDED_PROTO].map(|name| Check::skipped(name, why))
    }
}

/// As `X-Forwarded-For` writes them, perhaps with a port or in brackets.
fn is_same_address(entry: &str, address: &str) -> bool {
    entry == address
        || entry
            .trim_start_matches('[')
            .starts_with(&format!("{address}]"))
        || entry
            .strip_prefix(address)
            .is_some_and(|rest| rest.starts_with(':') && !address.contains(':'))
}

#[cfg(test)]
mod tests {
    use super::is_same_address;

    #[test]
    fn entries_are_addresses_with_and_without_a_port() {
        for (entry, address) in [
            ("203.0.113.7", "203.0.113.7"),
            ("203.0.113.7:80", "203.0.113.7"),
            ("2001:db8::7", "2001:db8::7"),
            ("[2001:db8::7]:80", "2001:db8::7"),
        ] {
            assert!(is_same_address(entry, address), "{entry}");
        }
        for (entry, address) in [
            ("203.0.113.77", "203.0.113.7"),
            ("2001:db8::7:1", "2001:db8::7"),
            ("", "203.0.113.7"),
        ] {
            assert!(!is_same_address(entry, address), "{entry}");
        }
    }
}
