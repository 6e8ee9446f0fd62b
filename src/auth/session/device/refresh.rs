//! Gives the device of a session a new proof, once it has answered a challenge.

use std::time::Duration;

use axum::http::HeaderValue;
use uuid::Uuid;

use super::{
    CLOCKS_APART, Instructions, Sessions, jwt::Jwt, refused::Refusal, stamp::Purpose, store,
};
use crate::{
    auth::session::live::NotLive,
    clock::Timestamp,
    http::{Client, Error},
};

/// How long a device may take to answer a challenge.
const CHALLENGE_LIFETIME: Duration = Duration::from_secs(5 * 60);
const PATH: &str = "/device/refresh";
/// The shortest time that two challenges are apart.
const TICK: Duration = Duration::from_micros(1);

/// How a refresh goes on.
pub(crate) enum Refresh {
    /// The device has to answer this first.
    Challenge(String),
    /// What the browser is to keep, and the `Set-Cookie` of the proof.
    Proven(Instructions, HeaderValue),
}

impl Sessions {
    /// Refreshes the proof of a session, which `public_id` alone names: its browser may have lost the
    /// cookie of the proof. This is no use of the session.
    ///
    /// # Errors
    /// [`Error::BadDeviceProof`] when the response is not one or another key has signed it.
    pub async fn refresh_device(
        &self,
        public_id: Uuid,
        response: Option<&[u8]>,
        host: &str,
        client: &Client,
    ) -> Result<Result<Refresh, NotLive>, Error> {
        let devices = self.devices().ok_or(Error::NotFound)?;
        let Some(bound) = store::find(self.db(), public_id).await? else {
            return Ok(Err(NotLive::Unknown));
        };
        let session = match self.look_again(public_id, bound.id).await? {
            Ok(session) => session,
            Err(reason) => return Ok(Err(reason)),
        };
        let now = self.now();
        let challenge = || {
            // Newer than the last one that was answered, whatever the clock of the node says that made it.
            let made_at = now.max(bound.answered.after(TICK));
            let challenge = devices.stamps.sign(Purpose::Refresh, public_id, made_at);
            Ok(Ok(Refresh::Challenge(challenge)))
        };
        let Some(response) = response else {
            return challenge();
        };
        let jwt = Jwt::parse(response, (host, PATH)).filter(|jwt| jwt.key.is_none());
        let jwt = jwt.ok_or(Error::BadDeviceProof)?;
        let made_at = jwt.challenge.as_bytes();
        let made_at = devices.stamps.verify(Purpose::Refresh, public_id, made_at);
        let Some(made_at) = made_at else {
            return challenge();
        };
        if !jwt.is_signed_by(&bound.key) {
            self.note_refused(&session, Refusal::WrongKey, client).await;
            return Err(Error::BadDeviceProof);
        }
        let is_fresh = now.since(made_at) < CHALLENGE_LIFETIME
            && made_at <= now.max(bound.answered).after(CLOCKS_APART);
        if !is_fresh || !self.answer(public_id, made_at).await? {
            return match self.look_again(public_id, bound.id).await? {
                Ok(_) => challenge(),
                Err(reason) => Ok(Err(reason)),
            };
        }
        devices.counts.refreshes.add(1);
        let (instructions, proof) = self.instructed(devices, public_id, now);
        Ok(Ok(Refresh::Proven(instructions, proof)))
    }

    async fn answer(&self, public_id: Uuid, challenge: Timestamp) -> sqlx::Result<bool> {
        let answer = (public_id, challenge);
        let answered = self.db().write(answer, |(public_id, challenge), tx| {
            Box::pin(store::answer(tx, *public_id, *challenge))
        });
        answered.await
    }
}
