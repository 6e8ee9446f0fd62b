use serde_json::{Value, json};

use crate::helpers::{Answer, Authenticator, Browser};

impl Browser {
    /// The options that a route gives.
    pub async fn options(&self, path: &str) -> Value {
        let answer = self.post(path, json!({})).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    /// Adds a passkey to the account that is logged in.
    pub async fn add_passkey(&self, authenticator: &mut Authenticator) -> Answer {
        let options = self.options("/passkeys/options").await;
        let credential = authenticator.create(&options);
        self.post("/passkeys", json!({"credential": credential}))
            .await
    }

    /// Logs in with a passkey.
    pub async fn log_in_by_passkey(&self, authenticator: &mut Authenticator) -> Answer {
        let options = self.options("/login/passkey/options").await;
        self.send_passkey(authenticator.get(&options)).await
    }

    /// The response of an authenticator, to log in.
    pub async fn send_passkey(&self, credential: Value) -> Answer {
        self.post("/login/passkey", json!({"credential": credential}))
            .await
    }
}
