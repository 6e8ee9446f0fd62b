//! Somebody else has got into an account and adds ways to log in: who does what the mails say, or asks
//! an operator, has their account for themselves again.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    helpers::{
        Answer, Authenticator, Browser, Kind, MailServer, PASSWORD, Server, TwoSteps, find_user,
        on_both_databases,
    },
    mail::{
        email_change::change,
        outbox::is_empty,
        recovery::{NEW, forgot, reset},
        verification::verify,
    },
};

on_both_databases!(
    a_passkey_of_a_thief_goes_as_its_mail_says,
    a_new_password_names_the_passkeys_that_stay,
    two_step_login_of_a_thief_is_for_an_operator_to_end,
    a_change_that_is_taken_back_takes_along_what_was_added_since,
    also_with_the_link_of_the_second_mail,
    proving_again_keeps_nothing_that_was_added,
    who_proves_an_address_first_gets_rid_of_what_a_stranger_added,
    of_an_owner_with_two_steps_only_new_recovery_codes_go,
);

const ANN: &str = "ann@example.com";
const MINUTE: Duration = Duration::from_secs(60);
/// Longer than the link that takes a change back lives.
const THREE_DAYS: Duration = Duration::from_secs(3 * 24 * 60 * 60);

async fn start(kind: Kind, mail: &MailServer) -> Server {
    let settings = [
        ("PUBLIC_URL", "http://localhost:5000"),
        ("MAILS_PER_ACCOUNT", "unlimited"),
    ];
    let server = Server::start_with_mail(kind, mail, &settings).await;
    server.clock.stop();
    server
}

/// Somebody whose address is verified. Who has stolen their session has the same browser.
async fn ann(server: &Server, mail: &MailServer) -> Browser {
    let browser = server.browser();
    browser.sign_up("Ann").await;
    let link = mail.with_subject(ANN, "Confirm").await;
    assert_eq!(verify(&browser, &link.token()).await.status, 204);
    browser
}

async fn add_passkey_named(browser: &Browser, name: &str) -> Authenticator {
    let mut authenticator = Authenticator::default();
    let options = browser.options("/passkeys/options").await;
    let credential = authenticator.create(&options);
    let body = json!({"credential": credential, "name": name});
    assert_eq!(browser.post("/passkeys", body).await.status, 201);
    authenticator
}

/// Deletes the passkey of this name, as the settings of a page do.
async fn delete_passkey_named(browser: &Browser, name: &str) -> Answer {
    let passkeys = browser.get("/passkeys").await.json()["passkeys"].clone();
    let passkeys: Vec<Value> = serde_json::from_value(passkeys).unwrap();
    let named = passkeys.iter().find(|passkey| passkey["name"] == name);
    let id = named.unwrap()["id"].as_str().unwrap();
    browser.delete(&format!("/passkeys/{id}")).await
}

/// The token of the link for who has forgotten the password, whose mail waits up to a second.
async fn forgotten(server: &Server, mail: &MailServer) -> String {
    assert_eq!(forgot(&server.browser(), ANN).await.status, 202);
    server.clock.advance(Duration::from_secs(1));
    mail.with_subject(ANN, "Choose a new").await.token()
}

/// Asserts that a passkey logs nobody in.
async fn is_out(server: &Server, authenticator: &mut Authenticator) {
    let answer = server.browser().log_in_by_passkey(authenticator).await;
    assert_eq!(answer.code(), "bad_credentials");
}

async fn a_passkey_of_a_thief_goes_as_its_mail_says(kind: Kind) {
    let mail = MailServer::start();
    let server = start(kind, &mail).await;
    let thief = ann(&server, &mail).await;
    let request = thief.request(Method::POST, "/passkeys/options");
    let options = thief.send(request).await.json();
    let mut authenticator = Authenticator::default();
    let body = json!({"credential": authenticator.create(&options), "name": "Work laptop"});
    let request = thief.request(Method::POST, "/passkeys").json(&body);
    let firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/150.0 Firefox/150.0";
    let added = thief.send(request.header("user-agent", firefox)).await;
    assert_eq!(added.status, 201, "{added:?}");
    let by_passkey = server.browser();
    let answer = by_passkey.log_in_by_passkey(&mut authenticator).await;
    assert_eq!(answer.status, 200);

    let notice = mail.with_subject(ANN, "A passkey was added").await;
    let text = notice.text().replace('\n', " ");
    for words in [
        "“Work laptop”",
        "Firefox on Linux",
        "127.0.0.1",
        "log in, delete this passkey in your settings, and then change your password",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let owner = server.browser();
    assert_eq!(owner.log_in("Ann").await.status, 200);
    assert_eq!(
        delete_passkey_named(&owner, "Work laptop").await.status,
        204
    );
    let body = json!({"current_password": PASSWORD, "new_password": NEW});
    assert_eq!(owner.post("/password", body).await.status, 204);
    is_out(&server, &mut authenticator).await;
    assert_eq!(thief.check().await.status, 401);
    assert_eq!(by_passkey.check().await.status, 401);
    assert_eq!(owner.check().await.status, 200);
}

async fn a_new_password_names_the_passkeys_that_stay(kind: Kind) {
    let mail = MailServer::start();
    let server = start(kind, &mail).await;
    let thief = ann(&server, &mail).await;
    let mut mine = add_passkey_named(&thief, "My phone").await;
    let mut thiefs = add_passkey_named(&thief, "Work laptop").await;

    let owner = server.browser();
    let link = forgotten(&server, &mail).await;
    assert_eq!(reset(&owner, &link, NEW).await.status, 204);
    assert_eq!(thief.check().await.status, 401);
    let told = mail.with_subject(ANN, "password was changed").await;
    for words in ["“My phone”", "“Work laptop”", "delete"] {
        assert!(told.text().contains(words), "{words}: {told:?}");
    }
    assert_eq!(owner.log_in_with("Ann", NEW).await.status, 200);
    assert_eq!(
        delete_passkey_named(&owner, "Work laptop").await.status,
        204
    );
    is_out(&server, &mut thiefs).await;
    let answer = server.browser().log_in_by_passkey(&mut mine).await;
    assert_eq!(answer.status, 200);

    // Changed by its user, or by an operator.
    let body = json!({"current_password": NEW, "new_password": PASSWORD});
    assert_eq!(owner.post("/password", body).await.status, 204);
    is_empty(&server.database).await;
    let accounts = server.accounts();
    let user = find_user(accounts, "Ann").await;
    accounts.set_password(&user, NEW.to_owned()).await.unwrap();
    is_empty(&server.database).await;
    let mut told = mail.received_by(ANN);
    told.retain(|mail| mail.subject().contains("password was changed"));
    assert_eq!(told.len(), 3);
    for mail in &told[1..] {
        assert!(mail.text().contains("“My phone”"), "{mail:?}");
        assert!(!mail.text().contains("Work laptop"), "{mail:?}");
    }
}

async fn two_step_login_of_a_thief_is_for_an_operator_to_end(kind: Kind) {
    let mail = MailServer::start();
    let server = start(kind, &mail).await;
    let thief = ann(&server, &mail).await;
    let thief = TwoSteps::turn_on(&server, thief).await;
    let notice = mail.with_subject(ANN, "Two-step login was turned on").await;
    let text = notice.text().replace('\n', " ");
    assert!(text.contains("ask those who run the site"), "{text}");

    let owner = server.browser();
    let link = forgotten(&server, &mail).await;
    assert_eq!(reset(&owner, &link, NEW).await.status, 204);
    assert_eq!(owner.log_in_with("Ann", NEW).await.status, 202);
    let accounts = server.accounts();
    let user = find_user(accounts, "Ann").await;
    assert!(accounts.reset_second_factor(&user).await.unwrap());
    assert_eq!(owner.log_in_with("Ann", NEW).await.status, 200);
    assert_eq!(thief.browser.check().await.status, 401);
}

/// The link in the mail to the old address about a change that was requested.
async fn undo_link(mail: &MailServer) -> String {
    mail.with_subject(ANN, "about to change").await.token()
}

/// Follows the link that takes a change back, and the one to choose a new password that comes then.
async fn take_back(server: &Server, mail: &MailServer, undo: &str) -> Browser {
    let owner = server.browser();
    assert_eq!(verify(&owner, undo).await.status, 204);
    let link = mail.with_subject(ANN, "Choose a new").await;
    assert_eq!(reset(&owner, &link.token(), NEW).await.status, 204);
    owner
}

async fn a_change_that_is_taken_back_takes_along_what_was_added_since(kind: Kind) {
    let mail = MailServer::start();
    let server = start(kind, &mail).await;
    let owner = ann(&server, &mail).await;
    let mut old = add_passkey_named(&owner, "My phone").await;
    server.clock.advance(THREE_DAYS);
    let thief = server.browser();
    assert_eq!(thief.log_in("Ann").await.status, 200);
    let mut before = add_passkey_named(&thief, "Before the change").await;
    server.clock.advance(MINUTE);
    assert_eq!(change(&thief, "thief@example.com").await.status, 202);
    let undo = undo_link(&mail).await;
    let mut new = add_passkey_named(&thief, "Work laptop").await;
    server.clock.advance(MINUTE);
    let thief = TwoSteps::turn_on(&server, thief).await;
    let link = mail.with_subject("thief@example.com", "Confirm").await;
    assert_eq!(verify(&thief.browser, &link.token()).await.status, 204);
    // One that waits to be confirmed.
    thief.browser.post("/totp", json!({})).await;

    let owner = take_back(&server, &mail, &undo).await;
    is_out(&server, &mut before).await;
    is_out(&server, &mut new).await;
    assert_eq!(owner.log_in_with("Ann", NEW).await.status, 200, "no code");
    let answer = server.browser().log_in_by_passkey(&mut old).await;
    assert_eq!(answer.status, 200);
    assert_eq!(thief.browser.check().await.status, 401);
    for table in ["totp_secrets", "recovery_codes"] {
        assert_eq!(server.database.count(table).await, 0, "{table}");
    }
    let told = mail.with_subject(ANN, "was taken away again").await;
    let (gone, stays) = told.text().split_once("What stays").unwrap();
    for words in ["“Work laptop”", "“Before the change”", "Two-step login"] {
        assert!(gone.contains(words) && !stays.contains(words), "{told:?}");
    }
    assert!(
        !gone.contains("My phone") && stays.contains("“My phone”"),
        "{told:?}"
    );
    for (event, times) in [("delete_passkey", 2), ("disable_totp", 1)] {
        let rows = format!("audit_events where event = '{event}' and outcome = 'success'");
        assert_eq!(server.database.count(&rows).await, times, "{event}");
    }
}

async fn also_with_the_link_of_the_second_mail(kind: Kind) {
    let mail = MailServer::start();
    let server = start(kind, &mail).await;
    let thief = ann(&server, &mail).await;
    assert_eq!(change(&thief, "thief@example.com").await.status, 202);
    server.clock.advance(MINUTE);
    // After the change was asked for, before it was made.
    let mut new = add_passkey_named(&thief, "Work laptop").await;
    server.clock.advance(MINUTE);
    let link = mail.with_subject("thief@example.com", "Confirm").await;
    assert_eq!(verify(&thief, &link.token()).await.status, 204);
    let undo = mail.with_subject(ANN, "address was changed").await.token();
    take_back(&server, &mail, &undo).await;
    is_out(&server, &mut new).await;
    assert_eq!(server.database.count("passkeys").await, 0);
}

async fn of_an_owner_with_two_steps_only_new_recovery_codes_go(kind: Kind) {
    let mail = MailServer::start();
    let server = start(kind, &mail).await;
    let browser = ann(&server, &mail).await;
    let ann = TwoSteps::turn_on(&server, browser).await;
    server.clock.advance(THREE_DAYS);
    let thief = &ann.browser;
    assert_eq!(thief.reauthenticate(PASSWORD).await.status, 200);
    assert_eq!(change(thief, "thief@example.com").await.status, 202);
    let undo = undo_link(&mail).await;
    let renewed = thief.post("/recovery-codes", json!({})).await;
    let stolen = crate::helpers::recovery_codes(&renewed);

    let owner = take_back(&server, &mail, &undo).await;
    assert_eq!(owner.log_in_with("Ann", NEW).await.status, 202);
    let answer = owner.send_recovery_code(&stolen[0]).await;
    assert_eq!(answer.code(), "bad_code");
    assert_eq!(owner.send_code(&ann.app.code()).await.status, 200);
    let told = mail.with_subject(ANN, "was taken away again").await;
    let (gone, stays) = told.text().split_once("What stays").unwrap();
    assert!(gone.contains("Recovery codes"), "{told:?}");
    assert!(stays.contains("Two-step login"), "{told:?}");
}

/// With the passkey itself, or with the password once more.
async fn proving_again_keeps_nothing_that_was_added(kind: Kind) {
    for is_login in [false, true] {
        let mail = MailServer::start();
        let server = start(kind, &mail).await;
        let thief = ann(&server, &mail).await;
        server.clock.advance(THREE_DAYS);
        assert_eq!(thief.reauthenticate(PASSWORD).await.status, 200);
        let mut added = add_passkey_named(&thief, "Work laptop").await;
        server.clock.advance(MINUTE);
        let proved = match is_login {
            true => thief.log_in("Ann").await,
            false => {
                let options = thief.options("/reauthenticate/passkey/options").await;
                let credential = added.get(&options);
                let body = json!({"credential": credential});
                thief.post("/reauthenticate/passkey", body).await
            }
        };
        assert_eq!(proved.status, 200, "{proved:?}");
        assert_eq!(change(&thief, "thief@example.com").await.status, 202);
        let undo = undo_link(&mail).await;
        take_back(&server, &mail, &undo).await;
        is_out(&server, &mut added).await;
        let told = mail.with_subject(ANN, "was taken away again").await;
        assert!(told.text().contains("“Work laptop”"), "{told:?}");
    }
}

/// Somebody signs up with the address of somebody else, and waits for them to come.
async fn who_proves_an_address_first_gets_rid_of_what_a_stranger_added(kind: Kind) {
    for is_undone in [false, true] {
        let mail = MailServer::start();
        let server = start(kind, &mail).await;
        let stranger = server.browser();
        stranger.sign_up("Ann").await;
        let mut added = add_passkey_named(&stranger, "Ann's phone").await;
        let stranger = TwoSteps::turn_on(&server, stranger).await;
        server.clock.advance(THREE_DAYS);
        let owner = match is_undone {
            false => {
                let owner = server.browser();
                let link = forgotten(&server, &mail).await;
                assert_eq!(reset(&owner, &link, NEW).await.status, 204);
                owner
            }
            true => {
                let proved = stranger.browser.reauthenticate(PASSWORD).await;
                assert_eq!(proved.status, 200);
                let changed = change(&stranger.browser, "stranger@example.com").await;
                assert_eq!(changed.status, 202);
                let undo = undo_link(&mail).await;
                take_back(&server, &mail, &undo).await
            }
        };
        is_out(&server, &mut added).await;
        assert_eq!(stranger.browser.check().await.status, 401);
        let logged_in = owner.log_in_with("Ann", NEW).await;
        assert_eq!(logged_in.status, 200, "{logged_in:?}");
        for table in ["passkeys", "totp_secrets", "recovery_codes"] {
            assert_eq!(server.database.count(table).await, 0, "{table}");
        }
        for event in ["delete_passkey", "disable_totp"] {
            let rows = format!("audit_events where event = '{event}' and outcome = 'success'");
            assert_eq!(server.database.count(&rows).await, 1, "{event}");
        }
        if !is_undone {
            let told = mail.with_subject(ANN, "before you").await;
            // A stranger has chosen its name.
            assert!(!told.text().contains("Ann's phone"), "{told:?}");
            assert!(told.text().contains("a passkey, added on"), "{told:?}");
        }

        // From then on the address is proved, and what is added stays.
        let mut own = add_passkey_named(&owner, "My phone").await;
        forgotten(&server, &mail).await;
        // The one that has come last.
        is_empty(&server.database).await;
        let link = mail.with_subject(ANN, "Choose a new").await.token();
        assert_eq!(reset(&owner, &link, PASSWORD).await.status, 204);
        let answer = server.browser().log_in_by_passkey(&mut own).await;
        assert_eq!(answer.status, 200);
    }
}
