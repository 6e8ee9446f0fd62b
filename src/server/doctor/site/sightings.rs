//! What the nodes behind the proxy see of the doctor's requests, and what it tells of the proxy.

use std::net::{IpAddr, Ipv4Addr, UdpSocket};

use super::client::{Response, Site, Unreachable};
use crate::{
    auth::{Secret, key_id},
    clock::Clock,
    server::doctor::{
        report::Check,
        seen::{REFUSED, SEEN_TEMPLATE, Seen, TOKEN},
        token::{Token, is_proof},
    },
};

pub(super) const FORWARDED_PROTO: &str = "forwarded_proto";
/// Enough for a balancer to show each of some nodes.
const REQUESTS: usize = 16;
/// An address for documentation (RFC 5737), which no client has.
pub(super) const MADE_UP: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 77));

/// What the site saw of several requests.
#[derive(Debug)]
pub(super) struct Sightings {
    pub responses: Vec<Response>,
    pub seen: Vec<Seen>,
    /// Requests whose token the node did not know.
    pub refused: usize,
    /// Requests that got another response, of an older version or a proxy.
    pub inconclusive: usize,
    /// The id of the key of the settings here.
    pub own_key_id: String,
    /// What was seen of one that claimed to be from [`MADE_UP`].
    pub spoofed: Option<Seen>,
    /// Whether the address that the site sees is one of this machine.
    pub is_seen_as_itself: bool,
    /// Whether the site's address is one of the internet.
    pub is_public: bool,
}

/// What a response tells.
#[derive(Debug)]
pub(super) enum Sighting {
    Seen(Box<Seen>),
    /// That the node does not know the key.
    Refused,
    Inconclusive,
}

/// Requests `/healthz/seen` several times.
///
/// # Errors
/// Why no response was conclusive.
pub(super) async fn collect(site: &Site, key: &Secret) -> Result<Sightings, String> {
    let mut sightings = Sightings {
        responses: Vec::new(),
        seen: Vec::new(),
        refused: 0,
        inconclusive: 0,
        own_key_id: key_id(key),
        spoofed: None,
        is_seen_as_itself: false,
        is_public: site.is_public().await,
    };
    for _ in 0..REQUESTS {
        let looked = look(site, key, &[]).await;
        let (response, sighting) = looked.map_err(|error| error.to_string())?;
        match sighting {
            Sighting::Seen(seen) => sightings.seen.push(*seen),
            Sighting::Refused => sightings.refused += 1,
            Sighting::Inconclusive => sightings.inconclusive += 1,
        }
        sightings.responses.push(response);
    }
    if sightings.seen.is_empty() {
        return Err(sightings.why_blind(site));
    }
    let client = sightings.seen.first().and_then(|seen| seen.client);
    // Nobody else's address can be bound.
    sightings.is_seen_as_itself = client.is_some_and(|client| UdpSocket::bind((client, 0)).is_ok());
    let made_up = MADE_UP.to_string();
    if let Ok((_, Sighting::Seen(seen))) = look(site, key, &[("x-forwarded-for", &made_up)]).await {
        sightings.spoofed = Some(*seen);
    }
    Ok(sightings)
}

/// One request with a token, and what was seen of it.
pub(super) async fn look(
    site: &Site,
    key: &Secret,
    headers: &[(&str, &str)],
) -> Result<(Response, Sighting), Unreachable> {
    let token = Token::sign(key, Clock::system().now()).to_string();
    let mut all = vec![(TOKEN, &*token)];
    all.extend(headers);
    let response = site.get(SEEN_TEMPLATE, &all).await?;
    let proof = response.header(TOKEN).unwrap_or_default();
    let sighting = match response.status.as_u16() {
        200 if is_proof(proof, key, &token, &response.body) => {
            let seen = serde_json::from_slice(&response.body);
            seen.map_or(Sighting::Inconclusive, |seen| {
                Sighting::Seen(Box::new(seen))
            })
        }
        404 if proof == REFUSED => Sighting::Refused,
        _ => Sighting::Inconclusive,
    };
    Ok((response, sighting))
}

impl Sightings {
    fn why_blind(&self, site: &Site) -> String {
        if self.refused > 0 {
            return "the site does not know the SECRET_KEY of the settings here, or the clock of \
                    this machine is wrong"
                .to_owned();
        }
        let status = self.responses.last().map_or(0, |it| it.status.as_u16());
        format!(
            "the site is of an older version, or its proxy does not pass {}{SEEN_TEMPLATE} on: it \
             responds {status}",
            site.prefix
        )
    }

    /// Whether `X-Forwarded-Proto` has the scheme of the site's address.
    pub fn forwarded_proto(&self, site: &Site) -> Check {
        let scheme = if site.is_https() { "https" } else { "http" };
        for seen in &self.seen {
            let Some(proto) = &seen.forwarded_proto else {
                continue;
            };
            let forwarded = proto.rsplit(',').next().unwrap_or_default().trim();
            if !forwarded.eq_ignore_ascii_case(scheme) {
                let what = format!("X-Forwarded-Proto is {forwarded:?} where {scheme} was used");
                let fix = "have the proxy say which scheme the browser spoke (nginx: \
                           proxy_set_header X-Forwarded-Proto $scheme)";
                return Check::fail(FORWARDED_PROTO, what, fix);
            }
        }
        let what = if self.seen.iter().any(|seen| seen.forwarded_proto.is_some()) {
            format!("X-Forwarded-Proto is {scheme}")
        } else {
            "no X-Forwarded-Proto, which counts as https in production".to_owned()
        };
        Check::pass(FORWARDED_PROTO, what)
    }
}
