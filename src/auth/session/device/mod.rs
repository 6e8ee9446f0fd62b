//! Sessions that are bound to a device (Device Bound Session Credentials): their cookie counts only
//! beside a proof, which the browser renews every few minutes with a key that does not leave the device.

pub(crate) mod bound;
mod guesses;
mod instructions;
mod jwt;
mod moment;
mod options;
mod refresh;
mod refused;
mod registration;
pub(crate) mod store;

#[cfg(feature = "server")]
pub(crate) use self::options::SHORTEST_LIFETIME;
pub(crate) use self::{
    instructions::{Forgotten, Instructions},
    jwt::unquoted,
    moment::Text as DeviceProof,
    options::DeviceOptions,
    refresh::{Asked, Refresh},
    refused::Refusal,
};

use std::time::Duration;

use axum::http::HeaderValue;
use uuid::Uuid;

use self::{
    bound::BoundDevice,
    guesses::Guesses,
    moment::{MomentKeys, Purpose},
    refused::Refused,
    store::Endable,
};
use super::{Named, Sessions, live::LiveSession};
use crate::{
    auth::{cookie::token::SessionToken, letters::Letters, statistics::Count},
    clock::{CLOCKS_APART, Timestamp},
};

/// The cookie of a proof expires earlier than the proof, by this much or a tenth of its lifetime: for
/// requests that are under way then, and for nodes whose clocks differ.
const LEEWAY: Duration = Duration::from_secs(30);
/// The smallest `Max-Age` with which a browser stores a cookie.
const SHORTEST_MAX_AGE: Duration = Duration::from_secs(1);

/// How sessions are bound to devices.
#[derive(Debug)]
pub(crate) struct Devices {
    /// Whether it is offered and asked for. Sessions that are bound already are released where not.
    is_on: bool,
    moments: MomentKeys,
    lifetime: Duration,
    /// Hosts of other origins whose pages call.
    initiators: Vec<String>,
    letters: Letters,
    refused: Refused,
    guesses: Guesses,
    counts: DeviceCounts,
}

/// What is counted, for metrics.
#[derive(Debug, Default)]
pub(crate) struct DeviceCounts {
    pub registrations: Count,
    pub refreshes: Count,
    pub refused: Count,
}

impl Devices {
    pub fn counts(&self) -> &DeviceCounts {
        &self.counts
    }

    /// A proof for a session, which counts for its lifetime from `since`, and how long the browser is to
    /// keep it.
    fn prove(&self, session: Uuid, since: Timestamp, now: Timestamp) -> (String, Duration) {
        let expires_at = since.after(self.lifetime);
        let proof = self.moments.sign(Purpose::Proof, session, expires_at);
        let left = expires_at.since(now).min(self.lifetime);
        let max_age = left.saturating_sub(LEEWAY.min(self.lifetime / 10));
        (proof, max_age.max(SHORTEST_MAX_AGE))
    }

    /// Whether a proof counts for this session, which may be bound to no device.
    pub fn is_proof(&self, session: Uuid, proof: &[u8], now: Timestamp) -> bool {
        let expires_at = self.moments.verify(Purpose::Proof, session, proof);
        expires_at.is_some_and(|expires_at| self.counts_at(expires_at, now))
    }

    fn counts_at(&self, expires_at: Timestamp, now: Timestamp) -> bool {
        now < expires_at && !self.is_early(expires_at, now)
    }

    /// Whether a proof would count for longer than one that is made now.
    fn is_early(&self, expires_at: Timestamp, now: Timestamp) -> bool {
        expires_at > now.after(self.lifetime).after(CLOCKS_APART)
    }

    /// Until when requests with this proof count on a session that is bound to `device`; none when they
    /// do not.
    fn counts_until(
        &self,
        session: Uuid,
        device: &BoundDevice,
        proof: Option<&DeviceProof>,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let expires_at = proof.and_then(|text| {
            if let Some(expires_at) = device.verified(text) {
                return Some(expires_at);
            }
            let expires_at = self.moments.verify(Purpose::Proof, session, text)?;
            device.keep(*text, expires_at);
            Some(expires_at)
        });
        match expires_at {
            Some(expires_at) if self.counts_at(expires_at, now) => Some(expires_at),
            // Requests that were under way when it was bound, and those of other tabs, have none.
            _ => self.needed_from(device, now).filter(|needed| now < *needed),
        }
    }

    /// From when on requests need a proof; none when they need one at once, as the session was bound
    /// before the clock was set back.
    fn needed_from(&self, device: &BoundDevice, now: Timestamp) -> Option<Timestamp> {
        let is_plausible = device.bound_at() <= now.after(CLOCKS_APART);
        is_plausible.then(|| device.bound_at().after(self.lifetime))
    }

    /// The challenge of a registration on this session.
    pub fn registration_challenge(&self, session: Uuid, now: Timestamp) -> String {
        self.moments.sign(Purpose::Registration, session, now)
    }
}

impl Sessions {
    /// How sessions are bound to devices; none where that is neither offered nor asked for.
    pub fn devices(&self) -> Option<&Devices> {
        self.0.devices.is_on.then_some(&self.0.devices)
    }

    /// What was counted of devices, on or off.
    pub fn device_counts(&self) -> &DeviceCounts {
        self.0.devices.counts()
    }

    /// Whether a request with this proof proves the device of the session of a token, if that is bound
    /// to one.
    pub fn is_proven(&self, token: SessionToken, proof: Option<&DeviceProof>) -> bool {
        let Some(devices) = self.devices() else {
            return true;
        };
        let proved = token.public_id.zip(proof);
        proved.is_some_and(|(session, proof)| devices.is_proof(session, proof, self.now()))
    }

    /// Why a request with this proof, which does not count, is refused on a session that is bound.
    pub fn refusal(&self, session: Uuid, proof: Option<&DeviceProof>) -> Refusal {
        let Devices { moments, .. } = &self.0.devices;
        let expires_at = proof.and_then(|text| moments.verify(Purpose::Proof, session, text));
        match expires_at {
            Some(at) if self.0.devices.is_early(at, self.now()) => Refusal::EarlyProof,
            _ => Refusal::NoProof,
        }
    }

    /// Which sessions can be ended by a request that has named one so.
    pub(super) fn endable(&self, named: Named, now: Timestamp) -> Endable {
        match self.devices() {
            Some(devices) if !named.is_proven => Endable::Bound {
                after: now.before(devices.lifetime),
                until: now.after(CLOCKS_APART),
            },
            _ => Endable::Any,
        }
    }

    /// What the browser of a session is to keep, and the `Set-Cookie` of its proof, which counts from
    /// `since`.
    fn instructed(
        &self,
        devices: &Devices,
        session: Uuid,
        since: Timestamp,
        now: Timestamp,
    ) -> (Instructions, HeaderValue) {
        let (proof, max_age) = devices.prove(session, since, now);
        let instructions = Instructions::new(session, self.cookie(), devices);
        (instructions, self.cookie().keep_proof(proof, max_age))
    }

    /// Until when requests with this proof count on a session; none when they do not. One that is bound
    /// to no device needs none.
    pub fn proven_until(
        &self,
        session: &LiveSession,
        proof: Option<&DeviceProof>,
    ) -> Option<Timestamp> {
        match (self.devices(), &session.device) {
            (Some(devices), Some(device)) => {
                devices.counts_until(session.public_id, device, proof, self.now())
            }
            _ => Some(Timestamp::from_unix_micros(i64::MAX)),
        }
    }
}
