//! Binds a session to the device of its browser.

use std::time::Duration;

use axum::http::HeaderValue;
use uuid::Uuid;

use super::{
    Instructions, Sessions,
    jwt::{DeviceKey, Jwt},
    moment::Purpose,
    refused::Refusal,
    store,
};
use crate::{
    auth::{
        audit::{self, Action, Event},
        session::live::LiveSession,
    },
    clock::{CLOCKS_APART, Timestamp},
    db::Tx,
    http::{Client, Error},
};

/// How long after a login its browser may register a key: it does so at once.
const CHALLENGE_LIFETIME: Duration = Duration::from_secs(5 * 60);
const PATH: &str = "/device/register";

/// How a registration ended.
enum Bound {
    Now,
    /// With this key since then: the response was lost, and the browser asks again.
    Since(Timestamp),
    ToAnotherKey,
}

impl Sessions {
    /// Binds a session to the key that `response` brings along and is signed with. The response to the
    /// login has offered it, with a challenge.
    ///
    /// # Errors
    /// [`Error::BadDeviceProof`], and [`Error::NotFound`] where sessions are not bound.
    pub async fn register_device(
        &self,
        session: &LiveSession,
        response: &[u8],
        host: &str,
        client: &Client,
    ) -> Result<(Instructions, HeaderValue), Error> {
        let devices = self.devices().ok_or(Error::NotFound)?;
        let now = self.now();
        let (public_id, user_id) = (session.public_id, session.user_id());
        let user_id = user_id.ok_or(Error::BadDeviceProof)?;
        let jwt = Jwt::parse(response, (host, PATH)).ok_or(Error::BadDeviceProof)?;
        let made_at = devices
            .moments
            .verify(Purpose::Registration, public_id, jwt.challenge.as_bytes())
            .filter(|made_at| now.since(*made_at) < CHALLENGE_LIFETIME)
            .ok_or(Error::BadDeviceProof)?;
        let key = jwt.key.clone().ok_or(Error::BadDeviceProof)?;
        if made_at > now.after(CLOCKS_APART) || !jwt.is_signed_by(&key) {
            return Err(Error::BadDeviceProof);
        }
        let event = Event::new(Action::BindDevice, user_id, Some(client));
        let bind = (key, event, now);
        let bound = self.db().write(bind, move |(key, event, now), tx| {
            Box::pin(async move {
                let bound = bind_to(tx, public_id, key, *now).await?;
                if matches!(bound, Some(Bound::Now)) {
                    tx.revoke([public_id.into()]);
                    audit::record(tx, *now, [event.clone()]).await?;
                }
                Ok::<_, sqlx::Error>(bound)
            })
        });
        match bound.await? {
            None => Err(Error::BadDeviceProof),
            Some(Bound::ToAnotherKey) => {
                let refusal = Refusal::WrongKey { has_cookie: true };
                self.note_refused(session, refusal, client).await;
                Err(Error::BadDeviceProof)
            }
            Some(Bound::Now) => {
                devices.counts.registrations.add(1);
                Ok(self.instructed(devices, public_id, now, now))
            }
            Some(Bound::Since(bound_at)) => Ok(self.instructed(devices, public_id, bound_at, now)),
        }
    }
}

/// None when the session has ended.
async fn bind_to(
    tx: &mut Tx,
    public_id: Uuid,
    key: &DeviceKey,
    now: Timestamp,
) -> sqlx::Result<Option<Bound>> {
    if store::bind(tx, public_id, key, now).await? {
        return Ok(Some(Bound::Now));
    }
    let own = store::lock_key(tx, public_id).await?;
    Ok(own.map(|(own, bound_at)| {
        if own == *key {
            Bound::Since(bound_at)
        } else {
            Bound::ToAnotherKey
        }
    }))
}
