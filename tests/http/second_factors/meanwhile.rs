//! A passkey whose row, or whose user's, changes while it is checked: it is right all the same.

use futures_util::future::join_all;
use serde_json::json;

use super::passkey_logins::ann;
use crate::helpers::{Kind, Server, on_both_databases};

on_both_databases!(
    many_uses_of_one_passkey_at_once_all_count,
    a_password_that_changes_meanwhile_is_nothing_to_a_passkey,
);

async fn many_uses_of_one_passkey_at_once_all_count(kind: Kind) {
    let server = Server::start_with(kind, &[("SESSIONS_PER_USER", "100")]).await;
    let (browser, mut authenticator) = ann(&server).await;
    for round in 0..5 {
        let mut ready = Vec::new();
        for _ in 0..8 {
            let other = server.browser();
            let options = other.options("/login/passkey/options").await;
            ready.push((other, authenticator.get(&options)));
        }
        let options = browser.options("/reauthenticate/passkey/options").await;
        let proof = json!({"credential": authenticator.get(&options)});
        // As one that was not backed up when it was used last: the next use writes that it is.
        let change = "update passkeys set credential =
                      replace(credential, '\"backup_state\":true', '\"backup_state\":false')";
        server.database.execute(change).await;
        let logins = ready
            .iter()
            .map(|(other, credential)| other.send_passkey(credential.clone()));
        let proof = browser.post("/reauthenticate/passkey", proof);
        let (answers, proved) = tokio::join!(join_all(logins), proof);
        for answer in answers {
            assert_eq!(answer.status, 200, "{round}: {answer:?}");
        }
        assert_eq!(proved.status, 200, "{round}: {proved:?}");
        let not = "passkeys where credential like '%\"backup_state\":false%'";
        assert_eq!(server.database.count(not).await, 0, "it was written");
    }
    let failures = "audit_events where outcome = 'failure'";
    assert_eq!(server.database.count(failures).await, 0);
}

async fn a_password_that_changes_meanwhile_is_nothing_to_a_passkey(kind: Kind) {
    let server = Server::start(kind).await;
    let (_, mut authenticator) = ann(&server).await;
    for round in 0..20 {
        let other = server.browser();
        let options = other.options("/login/passkey/options").await;
        let login = other.send_passkey(authenticator.get(&options));
        let change = async {
            for number in 0..4 {
                let set = format!("update users set password_hash = '{round} {number}'");
                server.database.execute(&set).await;
            }
        };
        let (answer, ()) = tokio::join!(login, change);
        assert_eq!(answer.status, 200, "{round}: {answer:?}");
    }
}
