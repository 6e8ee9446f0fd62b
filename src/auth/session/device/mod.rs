//! Sessions that are bound to a device (Device Bound Session Credentials): their cookie counts only
//! beside a proof, which the browser renews every few minutes with a key that does not leave the device.

mod instructions;
mod jwt;
mod refresh;
mod refused;
mod registration;
mod stamp;
pub(crate) mod store;

pub(crate) use self::{
    instructions::Instructions, jwt::unquoted, refresh::Refresh, refused::Refusal,
    stamp::Text as ProofText,
};

use std::{
    sync::{PoisonError, RwLock},
    time::Duration,
};

use axum::http::HeaderValue;
use uuid::Uuid;

use self::{
    refused::Refused,
    stamp::{Purpose, Stamps},
};
use super::{Named, Sessions, live::LiveSession};
use crate::{
    auth::{
        cookie::{Secret, token::SessionToken},
        letters::Letters,
        statistics::Count,
    },
    clock::Timestamp,
};

/// How far the clocks of two nodes may be apart. A moment further ahead is from before the clock was set
/// back.
const CLOCKS_APART: Duration = Duration::from_secs(60);
/// The browser lets a proof go this much before the server does, at most: for requests that are under
/// way then, and for nodes whose clocks differ.
const LEEWAY: Duration = Duration::from_secs(30);
/// The shortest age of a cookie but none.
const SECOND: Duration = Duration::from_secs(1);

/// How sessions are bound to devices.
#[derive(Debug)]
pub(crate) struct Devices {
    stamps: Stamps,
    lifetime: Duration,
    /// Hosts of other origins whose pages call.
    initiators: Vec<String>,
    letters: Letters,
    refused: Refused,
    counts: DeviceCounts,
}

/// What is counted, for metrics.
#[derive(Debug, Default)]
pub(crate) struct DeviceCounts {
    pub registrations: Count,
    pub refreshes: Count,
    pub refused: Count,
}

/// The device that a session is bound to, as the cache holds it.
#[derive(Debug)]
pub(crate) struct BoundDevice {
    bound_at: Timestamp,
    /// The proof that was verified last, which the browser sends for minutes, and when it expires.
    verified: RwLock<Option<(ProofText, Timestamp)>>,
}

impl BoundDevice {
    pub fn new(bound_at: Timestamp) -> Self {
        Self {
            bound_at,
            verified: RwLock::default(),
        }
    }

    fn verified(&self, text: &ProofText) -> Option<Timestamp> {
        let verified = self.verified.read().unwrap_or_else(PoisonError::into_inner);
        let (known, expires_at) = (*verified)?;
        is_same(&known, text).then_some(expires_at)
    }

    fn keep(&self, text: ProofText, expires_at: Timestamp) {
        let mut verified = self
            .verified
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *verified = Some((text, expires_at));
    }
}

/// In constant time: every byte is looked at, whichever differ.
fn is_same(one: &ProofText, other: &ProofText) -> bool {
    let differences = one.iter().zip(other).map(|(one, other)| one ^ other);
    differences.fold(0, |all, difference| all | difference) == 0
}

impl Devices {
    /// `lifetime` is that of a proof. Nodes of one database have the same keys.
    pub fn new(
        (key, fallbacks): (&Secret, &[Secret]),
        lifetime: Duration,
        allowed_origins: &[String],
        letters: Letters,
    ) -> Self {
        let host = |origin: &String| {
            let (_, authority) = origin.split_once("://")?;
            let port = authority
                .rfind(':')
                .filter(|at| !authority[*at..].contains(']'));
            Some(authority[..port.unwrap_or(authority.len())].to_owned())
        };
        Self {
            stamps: Stamps::new(key, fallbacks),
            lifetime,
            initiators: allowed_origins.iter().filter_map(host).collect(),
            letters,
            refused: Refused::default(),
            counts: DeviceCounts::default(),
        }
    }

    pub fn counts(&self) -> &DeviceCounts {
        &self.counts
    }

    /// A proof for a session, and how long the browser is to keep it.
    fn prove(&self, session: Uuid, now: Timestamp) -> (String, Duration) {
        let expires_at = now.after(self.lifetime);
        let proof = self.stamps.sign(Purpose::Proof, session, expires_at);
        let max_age = self.lifetime - LEEWAY.min(self.lifetime / 10);
        // Less would remove it at once.
        (proof, max_age.max(SECOND))
    }

    /// Whether a proof counts for this session, which may be bound to no device.
    pub fn is_proof(&self, session: Uuid, proof: &[u8], now: Timestamp) -> bool {
        let expires_at = self.stamps.verify(Purpose::Proof, session, proof);
        expires_at.is_some_and(|expires_at| self.counts_at(expires_at, now))
    }

    fn counts_at(&self, expires_at: Timestamp, now: Timestamp) -> bool {
        now < expires_at && expires_at <= now.after(self.lifetime).after(CLOCKS_APART)
    }

    /// Until when requests with this proof count on a session that is bound to `device`; none when they
    /// do not.
    fn counts_until(
        &self,
        session: Uuid,
        device: &BoundDevice,
        proof: Option<&ProofText>,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let expires_at = proof.and_then(|text| {
            if let Some(expires_at) = device.verified(text) {
                return Some(expires_at);
            }
            let expires_at = self.stamps.verify(Purpose::Proof, session, text)?;
            device.keep(*text, expires_at);
            Some(expires_at)
        });
        match expires_at {
            Some(expires_at) if self.counts_at(expires_at, now) => Some(expires_at),
            // Requests that were under way when it was bound, and those of other tabs, have none.
            _ => self.needed_from(device, now).filter(|needed| now < *needed),
        }
    }

    /// From when on requests need a proof; none when that was long ago.
    fn needed_from(&self, device: &BoundDevice, now: Timestamp) -> Option<Timestamp> {
        let is_plausible = device.bound_at <= now.after(CLOCKS_APART);
        is_plausible.then(|| device.bound_at.after(self.lifetime))
    }

    /// The challenge of a registration on this session.
    pub fn registration_challenge(&self, session: Uuid, now: Timestamp) -> String {
        self.stamps.sign(Purpose::Registration, session, now)
    }
}

impl Sessions {
    /// How sessions are bound to devices; none where they are not.
    pub fn devices(&self) -> Option<&Devices> {
        self.0.devices.as_ref()
    }

    /// Whether a request with this proof proves the device of the session of a token, if that is bound
    /// to one.
    pub fn is_proven(&self, token: SessionToken, proof: Option<&ProofText>) -> bool {
        let Some(devices) = self.devices() else {
            return true;
        };
        let proved = token.public_id.zip(proof);
        proved.is_some_and(|(session, proof)| devices.is_proof(session, proof, self.now()))
    }

    /// A session that was bound to a device at this moment or before cannot be ended by the request that
    /// has named it.
    pub(super) fn unproven_since(&self, named: Named, now: Timestamp) -> Timestamp {
        match self.devices() {
            Some(devices) if !named.is_proven => now.before(devices.lifetime),
            // Long before any was.
            _ => Timestamp::from_unix_micros(0),
        }
    }

    /// What the browser of a session is to keep, and the `Set-Cookie` of its proof.
    fn instructed(
        &self,
        devices: &Devices,
        session: Uuid,
        now: Timestamp,
    ) -> (Instructions, HeaderValue) {
        let (proof, max_age) = devices.prove(session, now);
        let instructions = Instructions::new(session, self.cookie(), devices);
        (instructions, self.cookie().keep_proof(proof, max_age))
    }

    /// Until when requests with this proof count on a session; none when they do not. One that is bound
    /// to no device needs none.
    pub fn proven_until(
        &self,
        session: &LiveSession,
        proof: Option<&ProofText>,
    ) -> Option<Timestamp> {
        match (&self.0.devices, &session.device) {
            (Some(devices), Some(device)) => {
                devices.counts_until(session.public_id, device, proof, self.now())
            }
            _ => Some(Timestamp::from_unix_micros(i64::MAX)),
        }
    }
}
