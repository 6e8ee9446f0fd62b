//! Requests with a session's cookie that its device has not sent.

use std::time::Duration;

use ipnet::IpNet;
use quick_cache::sync::Cache;
use uuid::Uuid;

use super::Sessions;
use crate::{
    auth::{
        audit::{self, Action, Event, Reason},
        letters::letter::{Letter, Recipient},
        session::live::LiveSession,
        throttle::{network, places, store::claim},
        user::User,
    },
    clock::Timestamp,
    db::Tx,
    http::{Client, Error},
};

/// One event for each address.
const EVENT_INTERVAL: Duration = Duration::from_secs(60 * 60);
/// One mail for each account: sessions are not limited, and who knows the password can begin many.
const MAIL_INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);
/// Refusals that are known to be recorded: repeated requests need no query then.
const REMEMBERED: usize = 4_096;

/// Why a request is not taken for one of the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Refusal {
    NoProof,
    /// Its proof is ours, and counts later: the lifetime of proofs was shortened, or the clock set back.
    EarlyProof,
    /// A registration or a refresh was signed with another key.
    WrongKey {
        /// Without it, it shows nothing of the session but that somebody knows its public id.
        has_cookie: bool,
    },
}

impl Refusal {
    fn reason(self) -> Reason {
        match self {
            Self::NoProof | Self::EarlyProof => Reason::NoDeviceProof,
            Self::WrongKey { .. } => Reason::WrongDeviceKey,
        }
    }

    /// Whether it shows that somebody has copied the cookie.
    fn shows_a_copy(self) -> bool {
        matches!(self, Self::NoProof | Self::WrongKey { has_cookie: true })
    }
}

type Recorded = (Uuid, Option<IpNet>, Refusal);

/// The refusals that were recorded last, and when.
#[derive(Debug)]
pub(super) struct Refused(Cache<Recorded, Timestamp>);

impl Default for Refused {
    fn default() -> Self {
        Self(Cache::new(REMEMBERED))
    }
}

impl Refused {
    fn is_new(&self, refused: &Recorded, now: Timestamp) -> bool {
        let at = self.0.get(refused);
        at.is_none_or(|at| now.since(at) >= EVENT_INTERVAL || at > now)
    }
}

/// What is recorded of a refusal.
#[derive(Debug)]
struct Record {
    sessions: Sessions,
    session: Uuid,
    user: User,
    refusal: Refusal,
    client: Client,
    now: Timestamp,
}

impl Sessions {
    /// Records that a request was refused, once an hour for each address, and tells the user once a day
    /// of those from where they were not seen, if their address is verified. A failure to do so changes nothing for the request.
    pub async fn note_refused(&self, session: &LiveSession, refusal: Refusal, client: &Client) {
        let Some(user) = &session.user else { return };
        let devices = &self.0.devices;
        devices.counts.refused.add(1);
        let (session, now) = (session.public_id, self.now());
        let refused = (session, client.ip.map(network), refusal);
        if !devices.refused.is_new(&refused, now) {
            return;
        }
        let record = Record {
            sessions: self.clone(),
            session,
            user: user.clone(),
            refusal,
            client: client.clone(),
            now,
        };
        let recorded = self
            .db()
            .write(record, |record, tx| Box::pin(record.write(tx)));
        match recorded.await {
            Ok(()) => devices.refused.0.insert(refused, now),
            Err(error) => {
                tracing::warn!(%error, "a request without its device's proof could not be recorded");
            }
        }
    }
}

impl Record {
    async fn write(&self, tx: &mut Tx) -> Result<(), Error> {
        let Self {
            session,
            user,
            client,
            now,
            ..
        } = self;
        let from = match client.ip {
            Some(ip) => network(ip).to_string(),
            None => "anywhere".to_owned(),
        };
        let reason = self.refusal.reason();
        let early = match self.refusal {
            Refusal::EarlyProof => " (early)",
            _ => "",
        };
        let event = format!(
            "device of {session}: {}{early} from {from}",
            reason.as_str()
        );
        if !claim(tx, &event, *now, now.after(EVENT_INTERVAL)).await? {
            return Ok(());
        }
        let event = Event::failure(Action::RefuseDeviceProof, reason, Some(user.id), client);
        audit::record(tx, *now, [event.about(*session)]).await?;
        let letters = &self.sessions.0.devices.letters;
        // Anybody can sign up with the address of somebody else, and have their own session refused.
        let is_told = self.refusal.shows_a_copy() && user.email_verified;
        let Some(to) = Recipient::of(user).filter(|_| is_told) else {
            return Ok(());
        };
        // A browser has no fresh proof on a page that a link on another site leads to, or once it has
        // signed too often: from where its user logs in, that is more likely than a thief.
        if letters.outbox().is_none() || places::is_known(tx, user.id, client.ip, *now).await? {
            return Ok(());
        }
        let mail = format!("device proof of {} refused, told", user.id);
        if claim(tx, &mail, *now, now.after(MAIL_INTERVAL)).await? {
            let letter = Letter::DeviceProofRefused {
                user_id: user.id,
                to,
                ip: client.ip.map(|ip| ip.to_string()),
            };
            letters.put(tx, *now, letter).await?;
        }
        Ok(())
    }
}
