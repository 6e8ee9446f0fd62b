//! Gives the device of a session a new proof, once it has answered a challenge.

use std::time::Duration;

use axum::http::HeaderValue;
use uuid::Uuid;

use super::{
    Forgotten, Instructions, Sessions,
    jwt::Jwt,
    moment::Purpose,
    refused::Refusal,
    store::{self, Bound},
};
use crate::{
    auth::{
        audit::{self, Action, Event},
        session::live::{LiveSession, NotLive},
    },
    clock::{CLOCKS_APART, Timestamp},
    http::{Client, Error},
};

/// How long a device may take to answer a challenge.
const CHALLENGE_LIFETIME: Duration = Duration::from_secs(5 * 60);
const PATH: &str = "/device/refresh";
/// The shortest time that two challenges are apart.
const TICK: Duration = Duration::from_micros(1);

/// A request for a new proof.
pub(crate) struct Asked<'a> {
    /// The session, which this alone names: its browser may have lost the cookie of the proof.
    pub public_id: Uuid,
    /// The public id in the session cookie that came along, if one did whose signature is right.
    pub cookie: Option<Uuid>,
    /// The JWT, once there was a challenge.
    pub response: Option<&'a [u8]>,
    pub host: &'a str,
    pub client: &'a Client,
}

/// How a refresh goes on.
pub(crate) enum Refresh {
    /// The device has to answer this first.
    Challenge(String),
    /// What the browser is to keep, and the `Set-Cookie` of the proof.
    Proven(Instructions, HeaderValue),
    /// The browser needs no proof of this session any more.
    Forget(Forgotten),
}

impl Sessions {
    /// Refreshes the proof of a session. This is no use of it.
    ///
    /// # Errors
    /// [`Error::BadDeviceProof`] when the response is not one or another key has signed it;
    /// [`Error::TooManyAttempts`] for too many without the session's cookie.
    pub async fn refresh_device(
        &self,
        asked: &Asked<'_>,
    ) -> Result<Result<Refresh, NotLive>, Error> {
        let (devices, public_id, now) = (&self.0.devices, asked.public_id, self.now());
        let has_cookie = match asked.cookie {
            // Another login has taken the place of its cookie. Both have their proof in the same cookie,
            // so the browser must not go on renewing this one's.
            Some(other) if other != public_id => {
                return Ok(Ok(Refresh::Forget(Forgotten::new(public_id))));
            }
            Some(_) => true,
            None => {
                devices.guesses.count(asked.client.ip, now)?;
                false
            }
        };
        let (bound, session) = match self.find_bound(public_id).await? {
            Ok(found) => found,
            Err(reason) if has_cookie => return Ok(Err(reason)),
            // A stranger learns no more.
            Err(_) => return Ok(Err(NotLive::Unknown)),
        };
        let challenge = || {
            // Newer than the last one that was answered, whatever the clock of the node says that made it.
            let made_at = now.max(bound.answered.after(TICK));
            let challenge = devices.moments.sign(Purpose::Refresh, public_id, made_at);
            Ok(Ok(Refresh::Challenge(challenge)))
        };
        let Some(response) = asked.response else {
            return challenge();
        };
        let jwt = Jwt::parse(response, (asked.host, PATH)).filter(|jwt| jwt.key.is_none());
        let jwt = jwt.ok_or(Error::BadDeviceProof)?;
        let made_at = jwt.challenge.as_bytes();
        let made_at = devices.moments.verify(Purpose::Refresh, public_id, made_at);
        let Some(made_at) = made_at else {
            return challenge();
        };
        if !jwt.is_signed_by(&bound.key) {
            let refusal = Refusal::WrongKey { has_cookie };
            self.note_refused(&session, refusal, asked.client).await;
            return Err(Error::BadDeviceProof);
        }
        let lifetime = CHALLENGE_LIFETIME.min(devices.lifetime);
        let is_fresh =
            now.since(made_at) < lifetime && made_at <= now.max(bound.answered).after(CLOCKS_APART);
        let is_answered = is_fresh
            && match devices.is_on {
                true => self.answer(public_id, made_at).await?,
                false => self.release(&session, made_at, asked.client).await?,
            };
        if !is_answered {
            return match self.look_again(public_id, bound.id).await? {
                Ok(_) => challenge(),
                Err(reason) => Ok(Err(reason)),
            };
        }
        if !devices.is_on {
            return Ok(Ok(Refresh::Forget(Forgotten::new(public_id))));
        }
        devices.counts.refreshes.add(1);
        // Not from now on: a response that is repeated brings what was lost, and no more.
        let (instructions, proof) = self.instructed(devices, public_id, made_at.min(now), now);
        Ok(Ok(Refresh::Proven(instructions, proof)))
    }

    async fn find_bound(
        &self,
        public_id: Uuid,
    ) -> Result<Result<(Bound, LiveSession), NotLive>, Error> {
        let Some(bound) = store::find(self.db(), public_id).await? else {
            return Ok(Err(NotLive::Unknown));
        };
        let session = self.look_again(public_id, bound.id).await?;
        Ok(session.map(|session| (bound, session)))
    }

    /// Records the answer; false when it does not count.
    async fn answer(&self, public_id: Uuid, challenge: Timestamp) -> sqlx::Result<bool> {
        let answer = (public_id, challenge);
        let answered = self.db().write(answer, |(public_id, challenge), tx| {
            Box::pin(store::answer(tx, *public_id, *challenge))
        });
        answered.await
    }

    /// Releases the session from its device, as binding is turned off; false when the answer does not
    /// count. The browser has proved that it is the owner's, and forgets the key.
    async fn release(
        &self,
        session: &LiveSession,
        challenge: Timestamp,
        client: &Client,
    ) -> sqlx::Result<bool> {
        let Some(user_id) = session.user_id() else {
            return Ok(false);
        };
        let event = Event::new(Action::ReleaseDevice, user_id, Some(client));
        let release = (session.public_id, challenge, event, self.now());
        let released = self
            .db()
            .write(release, |(public_id, challenge, event, now), tx| {
                Box::pin(async move {
                    let is_released = store::release(tx, *public_id, *challenge).await?;
                    if is_released {
                        tx.revoke([(*public_id).into()]);
                        audit::record(tx, *now, [event.clone()]).await?;
                    }
                    Ok(is_released)
                })
            });
        released.await
    }
}
