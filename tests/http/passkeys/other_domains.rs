//! Passkeys that were added for another domain (`RP_ID`) than the present one: no browser can use them here.

use handstamp::auth::Application;
use reqwest::Method;
use serde_json::{Value, json};

use crate::helpers::{Answer, Authenticator, Browser, Database, Kind, Server, on_both_databases};

on_both_databases!(
    they_are_offered_to_nobody,
    they_are_no_way_in,
    nor_do_they_open_an_account_to_its_name_alone,
    one_of_an_unknown_domain_counts_and_its_use_tells,
);

const RP_ID: (&str, &str) = ("RP_ID", "example.test");
const RP_ORIGINS: (&str, &str) = ("RP_ORIGINS", "https://example.test");

/// A site that was at `localhost`, on the database of `before`.
async fn moved(before: &Server) -> Server {
    let database = Database::at(&before.database.url);
    Server::start_on(database, &[RP_ID, RP_ORIGINS]).await
}

/// An authenticator and a browser that are on the site after its move.
fn on_new_domain() -> Authenticator {
    Authenticator {
        origin: "https://example.test".to_owned(),
        rp_id: "example.test".to_owned(),
        ..Authenticator::default()
    }
}

async fn methods(browser: &Browser) -> Value {
    browser.session_info().await["reauthentication"]["methods"].clone()
}

async fn delete(browser: &Browser, id: &Value) -> Answer {
    browser.delete(&path_of(id)).await
}

fn path_of(id: &Value) -> String {
    format!("/passkeys/{}", id.as_str().unwrap())
}

async fn they_are_offered_to_nobody(kind: Kind) {
    let before = Server::start(kind).await;
    let browser = before.browser();
    browser.sign_up("Ann").await;
    let mut old = Authenticator::default();
    let old_id = browser.add_passkey(&mut old).await.json()["id"].clone();
    assert_eq!(methods(&browser).await, json!(["password", "passkey"]));

    let server = moved(&before).await;
    let browser = server.browser();
    browser.log_in("Ann").await;
    assert_eq!(methods(&browser).await, json!(["password"]));
    let options = browser.options("/reauthenticate/passkey/options").await;
    assert_eq!(options["allowCredentials"], json!([]));
    let options = browser.options("/passkeys/options").await;
    assert_eq!(options["excludeCredentials"], json!([]));
    let refused = server.browser().log_in_by_passkey(&mut old).await;
    assert_eq!(refused.code(), "bad_credentials");

    let mut new = on_new_domain();
    let new_id = browser.add_passkey(&mut new).await.json()["id"].clone();
    assert_eq!(methods(&browser).await, json!(["password", "passkey"]));
    let options = browser.options("/reauthenticate/passkey/options").await;
    let allowed = options["allowCredentials"].as_array().unwrap();
    assert_eq!(allowed.len(), 1);
    assert_eq!(allowed[0]["id"], new_id);
    let options = browser.options("/passkeys/options").await;
    let excluded = options["excludeCredentials"].as_array().unwrap();
    assert_eq!(excluded.len(), 1);
    assert_eq!(excluded[0]["id"], new_id);
    let answer = server.browser().log_in_by_passkey(&mut new).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    // Their owner sees and deletes them all the same.
    let list = browser.get("/passkeys").await.json();
    assert_eq!(list["passkeys"].as_array().unwrap().len(), 2);
    assert_eq!(delete(&browser, &new_id).await.status, 204);
    assert_eq!(methods(&browser).await, json!(["password"]));
    assert_eq!(delete(&browser, &old_id).await.status, 204);
}

async fn they_are_no_way_in(kind: Kind) {
    let before = Server::start_with(kind, &[("PASSWORDLESS_LOGIN", "on")]).await;
    let cyd = before.accounts().add(Application::new("Cyd")).await;
    cyd.unwrap();
    let browser = before.browser();
    browser.log_in_by_name("Cyd").await;
    for _ in 0..2 {
        let mut old = Authenticator::default();
        assert_eq!(browser.add_passkey(&mut old).await.status, 201);
    }
    let list = browser.get("/passkeys").await.json()["passkeys"].clone();
    let cookie = format!("session={}", browser.session().unwrap());

    let server = moved(&before).await;
    let browser = server.browser();
    let send = async |method: Method, path: &str, body: Value| {
        let request = browser.request(method, path).header("cookie", &cookie);
        browser.send(request.json(&body)).await
    };
    let delete =
        async |passkey: &Value| send(Method::DELETE, &path_of(&passkey["id"]), json!({})).await;
    assert_eq!(delete(&list[0]).await.code(), "last_credential");
    let options = send(Method::POST, "/passkeys/options", json!({})).await;
    let credential = on_new_domain().create(&options.json());
    let new = send(Method::POST, "/passkeys", json!({"credential": credential})).await;
    assert_eq!(new.status, 201, "{new:?}");
    assert_eq!(delete(&list[0]).await.status, 204);
    assert_eq!(delete(&new.json()).await.code(), "last_credential");
    assert_eq!(delete(&list[1]).await.status, 204);
    assert_eq!(delete(&new.json()).await.code(), "last_credential");
}

/// A move of the site must not let anybody in who knows the name.
async fn nor_do_they_open_an_account_to_its_name_alone(kind: Kind) {
    let passwordless = ("PASSWORDLESS_LOGIN", "on");
    let before = Server::start_with(kind, &[passwordless]).await;
    let cyd = before.accounts().add(Application::new("Cyd")).await;
    cyd.unwrap();
    let browser = before.browser();
    browser.log_in_by_name("Cyd").await;
    browser.add_passkey(&mut Authenticator::default()).await;
    let settings = [passwordless, RP_ID, RP_ORIGINS];
    let server = before.restart_with(&settings).await;
    let answer = server.browser().log_in_by_name("Cyd").await;
    assert_eq!(answer.code(), "bad_credentials");
}

async fn one_of_an_unknown_domain_counts_and_its_use_tells(kind: Kind) {
    let server = Server::start(kind).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    let mut authenticator = Authenticator::default();
    let added = browser.add_passkey(&mut authenticator).await.json();
    // As a version that does not know the column has added it.
    let unknown = "update passkeys set rp_id = null";
    server.database.execute(unknown).await;
    assert_eq!(browser.log_in("Ann").await.status, 200);
    assert_eq!(methods(&browser).await, json!(["password", "passkey"]));
    let options = browser.options("/reauthenticate/passkey/options").await;
    assert_eq!(options["allowCredentials"][0]["id"], added["id"]);
    let answer = server.browser().log_in_by_passkey(&mut authenticator).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let known = "passkeys where rp_id = 'localhost'";
    assert_eq!(server.database.count(known).await, 1);
}
