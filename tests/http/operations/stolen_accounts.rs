//! What an operator does about accounts that somebody else has got into.

use serde_json::{Value, json};

use crate::{
    helpers::{
        Authenticator, AuthenticatorApp, Browser, Database, Kind, MailServer, PASSWORD, Process,
        failed, on_both_databases, succeeded,
    },
    mail::{
        email_change::change,
        outbox::workplace,
        recovery::{NEW, reset},
        verification::verify,
    },
};

on_both_databases!(
    an_operator_lists_and_deletes_passkeys,
    the_page_gives_an_account_back_whose_address_was_changed,
    an_operator_changes_an_address,
);

const ANN: &str = "ann@example.com";

/// One whose passkeys are for the site of these servers.
fn authenticator() -> Authenticator {
    Authenticator {
        origin: crate::helpers::PUBLIC_URL.to_owned(),
        rp_id: "app.example".to_owned(),
        ..Authenticator::default()
    }
}

async fn an_operator_lists_and_deletes_passkeys(kind: Kind) {
    let mail = MailServer::start();
    let database = Database::new(kind).await;
    let place = workplace(&database, &mail, &[]);
    let process = place.serve();
    let browser = process.browser();
    browser.sign_up("Ann").await;
    let list = || succeeded(&place.run(&["user", "passkeys", "ann"]));
    assert_eq!(list(), "Ann has no passkeys\n");
    let mut authenticator = authenticator();
    let added = browser.add_passkey(&mut authenticator).await;
    assert_eq!(added.status, 201, "{added:?}");
    let id = added.json()["id"].as_str().unwrap().to_owned();
    assert!(
        list().contains(&id) && list().contains("Passkey"),
        "{}",
        list()
    );
    let json = succeeded(&place.run(&["user", "passkeys", "Ann", "--json"]));
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json, added.json());

    let unknown = place.run(&["user", "passkeys", "Ann", "--delete", "AAAA"]);
    let error = failed(&unknown, 1);
    assert!(error.contains("Ann has no passkey AAAA"), "{error}");
    let deleted = place.run(&["user", "passkeys", "Ann", "--delete", &id]);
    let said = succeeded(&deleted);
    assert!(said.starts_with("deleted a passkey of Ann"), "{said}");
    assert_eq!(list(), "Ann has no passkeys\n");
    let answer = process
        .browser()
        .log_in_by_passkey(&mut authenticator)
        .await;
    assert_eq!(answer.code(), "bad_credentials");
    assert_eq!(browser.check().await.status, 200, "sessions go on");
    mail.with_subject(ANN, "An operator has deleted a passkey")
        .await;
    let events = succeeded(&place.run(&["audit", "--user", "Ann"]));
    assert_eq!(events.matches("delete_passkey").count(), 1, "{events}");
}

/// The commands under "A stolen account" of docs/operations.md, in their order.
fn commands_of_the_page() -> Vec<String> {
    let page = include_str!("../../../docs/operations.md");
    let (_, section) = page.split_once("### A stolen account").unwrap();
    let (_, block) = section.split_once("```sh\n").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    let lines = block.lines().map(|line| line.split('#').next().unwrap());
    lines.map(|line| line.trim().to_owned()).collect()
}

async fn the_page_gives_an_account_back_whose_address_was_changed(kind: Kind) {
    let mail = MailServer::start();
    let database = Database::new(kind).await;
    let place = workplace(&database, &mail, &[]);
    let process = place.serve();
    let thief = process.browser();
    thief.sign_up("Ann").await;
    let link = mail.with_subject(ANN, "Confirm").await;
    assert_eq!(verify(&thief, &link.token()).await.status, 204);
    let mut passkey = authenticator();
    let added = thief.add_passkey(&mut passkey).await;
    assert_eq!(added.status, 201, "{added:?}");
    let id = added.json()["id"].as_str().unwrap().to_owned();
    let begun = thief.post("/totp", json!({})).await.json();
    let app = AuthenticatorApp::of_system(begun["secret"].as_str().unwrap());
    let confirm = json!({"code": app.code()});
    assert_eq!(thief.post("/totp/confirm", confirm).await.status, 200);
    assert_eq!(change(&thief, "thief@example.com").await.status, 202);
    let link = mail.with_subject("thief@example.com", "Confirm").await;
    assert_eq!(verify(&thief, &link.token()).await.status, 204);

    for command in commands_of_the_page() {
        let (pipe, command) = match command.rsplit_once(" | ") {
            Some((_, command)) => (true, command),
            None => (false, &*command),
        };
        let command = command.replace("NAME", "Ann").replace("ID", &id);
        let command = command.replace(" E", &format!(" {ANN}"));
        let mut words = command.split_whitespace();
        assert_eq!(words.next(), Some("handstamp"), "{command}");
        let words: Vec<&str> = words.collect();
        let output = match pipe {
            true => place.run_with_input(&words, "a password that nobody knows"),
            false => place.run(&words),
        };
        let said = succeeded(&output);
        match words[..2] {
            ["user", "show"] => assert!(said.contains("thief@example.com"), "{said}"),
            ["audit", _] => assert!(said.contains("change_email"), "{said}"),
            ["user", "reset"] => assert!(said.contains(ANN), "{said}"),
            _ => {}
        }
    }
    let link = mail.with_subject(ANN, "Choose a new").await;
    let owner = process.browser();
    assert_eq!(reset(&owner, &link.token(), NEW).await.status, 204);
    assert_eq!(owner.log_in_with("Ann", NEW).await.status, 200);
    assert_is_out(&process, &thief, &mut passkey).await;
    let sent = mail.received_by("thief@example.com");
    assert!(
        sent.iter()
            .all(|mail| !mail.subject().contains("Choose a new")),
        "{sent:?}"
    );
}

/// Whatever the thief tries.
async fn assert_is_out(process: &Process, thief: &Browser, passkey: &mut Authenticator) {
    assert_eq!(thief.check().await.status, 401);
    let other = process.browser();
    let answer = other.log_in_with("Ann", PASSWORD).await;
    assert_eq!(answer.code(), "bad_credentials");
    let answer = other.log_in_by_passkey(passkey).await;
    assert_eq!(answer.code(), "bad_credentials");
    let forgot = json!({"email": "thief@example.com"});
    assert_eq!(other.post("/password/forgot", forgot).await.status, 202);
}

async fn an_operator_changes_an_address(kind: Kind) {
    let mail = MailServer::start();
    let database = Database::new(kind).await;
    let place = workplace(&database, &mail, &[]);
    let process = place.serve();
    let browser = process.browser();
    browser.sign_up("Ann").await;
    process.browser().sign_up("Ben").await;
    let email = |name: &str, email: &str| place.run(&["user", "email", name, "--email", email]);
    assert_eq!(
        succeeded(&email("ann", "anna@example.com")),
        "the address of Ann is anna@example.com, not verified yet\n"
    );
    let told = mail.with_subject(ANN, "address was changed").await;
    assert!(told.text().contains("anna@example.com"), "{told:?}");
    assert_eq!(browser.check().await.json()["email"], "anna@example.com");
    let error = failed(&email("Ann", "ben@example.com"), 1);
    assert!(error.contains("already"), "{error}");
    assert!(failed(&email("Ann", "nobody"), 2).contains("email"));
    assert!(failed(&email("Nobody", "x@example.com"), 1).contains("Nobody"));
    let events = succeeded(&place.run(&["audit", "--user", "Ann"]));
    assert_eq!(events.matches("change_email").count(), 1, "{events}");
}
