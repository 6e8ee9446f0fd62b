//! Requests with a session's cookie that its device has not sent.

use std::{net::IpAddr, time::Duration};

use ipnet::IpNet;
use quick_cache::sync::Cache;
use uuid::Uuid;

use super::Sessions;
use crate::{
    auth::{
        audit::{self, Action, Event, Reason},
        letters::letter::{Letter, Recipient},
        session::live::LiveSession,
        throttle::{network, store::claim},
        user::User,
    },
    clock::Timestamp,
    db::Tx,
    http::{Client, Error},
};

/// One event for each address.
const EVENT_INTERVAL: Duration = Duration::from_secs(60 * 60);
/// One mail for each session, wherever the requests come from.
const MAIL_INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);
/// What was recorded lately, so that most requests need not ask the database.
const REMEMBERED: usize = 4_096;

/// Why a request is not taken for one of the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    NoProof,
    /// A registration or a refresh was signed with another key.
    WrongKey,
}

/// The sessions and addresses whose refusal was recorded last, and when.
#[derive(Debug)]
pub(super) struct Refused(Cache<(Uuid, Option<IpNet>), Timestamp>);

impl Default for Refused {
    fn default() -> Self {
        Self(Cache::new(REMEMBERED))
    }
}

impl Refused {
    fn is_new(&self, session: Uuid, ip: Option<IpAddr>, now: Timestamp) -> bool {
        let at = self.0.get(&(session, ip.map(network)));
        at.is_none_or(|at| now.since(at) >= EVENT_INTERVAL || at > now)
    }

    fn keep(&self, session: Uuid, ip: Option<IpAddr>, now: Timestamp) {
        self.0.insert((session, ip.map(network)), now);
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
    /// Records that a request was refused, once an hour for each address, and tells the user, once a
    /// day. A failure to do so changes nothing for the request.
    pub async fn note_refused(&self, session: &LiveSession, refusal: Refusal, client: &Client) {
        let (Some(devices), Some(user)) = (self.devices(), &session.user) else {
            return;
        };
        devices.counts.refused.add(1);
        let (session, now) = (session.public_id, self.now());
        if !devices.refused.is_new(session, client.ip, now) {
            return;
        }
        devices.refused.keep(session, client.ip, now);
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
        if let Err(error) = recorded.await {
            tracing::warn!(%error, "a request without its device's proof could not be recorded");
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
        let event = format!("device of {session} not proved from {from}");
        if !claim(tx, &event, *now, now.after(EVENT_INTERVAL)).await? {
            return Ok(());
        }
        let reason = match self.refusal {
            Refusal::NoProof => Reason::NoDeviceProof,
            Refusal::WrongKey => Reason::WrongDeviceKey,
        };
        let event = Event::failure(Action::RefuseDeviceProof, reason, Some(user.id), client);
        audit::record(tx, *now, [event.about(*session)]).await?;
        let Some(devices) = self.sessions.devices() else {
            return Ok(());
        };
        let Some(to) = Recipient::of(user) else {
            return Ok(());
        };
        let mail = format!("device of {session} not proved, by mail");
        if claim(tx, &mail, *now, now.after(MAIL_INTERVAL)).await? {
            let letter = Letter::DeviceProofRefused {
                user_id: user.id,
                to,
                ip: client.ip.map(|ip| ip.to_string()),
            };
            devices.letters.put(tx, *now, letter).await?;
        }
        Ok(())
    }
}
