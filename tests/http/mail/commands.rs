//! What an operator does: settings, invitations, resets, the doctor.

use super::{
    outbox::{KEY, workplace},
    recovery::{NEW, forgot, reset},
};
use crate::helpers::{
    Database, Kind, MailServer, PASSWORD, Workplace, failed, on_both_databases, succeeded,
};

on_both_databases!(an_operator_sends_links);

async fn an_operator_sends_links(kind: Kind) {
    let mail = MailServer::start();
    let database = Database::new(kind).await;
    let place = workplace(&database, &mail, &[("SIGNUP", "closed")]);
    let process = place.serve();
    let output = place.run(&["user", "invite", "Ann", "--email", "ann@example.com"]);
    assert_eq!(
        succeeded(&output),
        "added Ann; the server sends a link to ann@example.com\n"
    );
    let again = place.run(&["user", "invite", "Ann", "--email", "other@example.com"]);
    assert!(failed(&again, 1).contains("username"), "{again:?}");
    let invitation = mail.only("ann@example.com").await;
    assert_eq!(invitation.subject(), "Your account at app.example");
    assert!(invitation.text().contains("Ann"));
    let browser = process.browser();
    assert_eq!(
        reset(&browser, &invitation.token(), PASSWORD).await.status,
        204
    );
    assert_eq!(browser.log_in("Ann").await.json()["email_verified"], true);

    let output = place.run(&["user", "reset", "ann"]);
    assert!(succeeded(&output).contains("Ann"), "{output:?}");
    let link = mail.with_subject("ann@example.com", "Choose a new").await;
    assert_eq!(browser.check().await.status, 200, "nothing has changed yet");
    assert_eq!(reset(&browser, &link.token(), NEW).await.status, 204);
    assert_eq!(browser.check().await.reason(), "unknown_session");

    let password = place.run_with_input(&["user", "password", "Ann", "--password-stdin"], PASSWORD);
    succeeded(&password);
    let warning = String::from_utf8(password.stderr.clone()).unwrap();
    assert!(warning.contains("handstamp user reset Ann"), "{warning}");
    mail.with_subject("ann@example.com", "Your password was changed")
        .await;
    succeeded(&place.run(&["user", "add", "Ben", "--no-password"]));
    let without = place.run(&["user", "reset", "Ben"]);
    assert!(failed(&without, 2).contains("no address"), "{without:?}");
    let json = succeeded(&place.run(&["user", "show", "Ann", "--json"]));
    assert!(json.contains("\"email_verified\":true"), "{json}");
    let events = succeeded(&place.run(&["audit", "--user", "Ann"]));
    for event in ["invite", "reset_password", "send_password_reset"] {
        assert!(events.contains(event), "{event}: {events}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn production_without_a_mail_server() {
    let mut place = Workplace::new(&[("APP_ENV", "production"), ("SECRET_KEY", KEY)]);
    place.set("EMAIL_VERIFICATION", "required");
    let refused = failed(&place.run(&["serve"]), 2);
    assert!(refused.starts_with("EMAIL_VERIFICATION: "), "{refused}");
    place.set("EMAIL_VERIFICATION", "optional");
    let process = place.serve();
    process.wait_for_log("SMTP_URL is not set");
    let browser = process.browser();
    browser.sign_up("Ann").await;
    let answer = forgot(&browser, "ann@example.com").await;
    assert_eq!(
        (answer.status.as_u16(), answer.code()),
        (503, "mail_not_configured".into())
    );
    let invite = place.run(&["user", "invite", "Ben", "--email", "ben@example.com"]);
    assert!(failed(&invite, 2).contains("SMTP_URL"), "{invite:?}");
    let doctor = place.run(&["doctor", "--json"]);
    let report = String::from_utf8(doctor.stdout.clone()).unwrap();
    assert!(report.contains("SMTP_URL is not set"), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn development_without_a_mail_server() {
    let place = Workplace::new(&[("SECRET_KEY", KEY), ("NEWS", "off")]);
    let process = place.serve();
    let browser = process.browser();
    browser.sign_up("Ann").await;
    process.wait_for_log("http://localhost:0/verify-email#token=");
    let logs = process.logs();
    let (_, rest) = logs.split_once("#token=").unwrap();
    let token = rest.split_whitespace().next().unwrap();
    assert_eq!(
        super::verification::verify(&browser, token).await.status,
        204
    );
    assert_eq!(browser.check().await.json()["email_verified"], true);
}

#[test]
fn mistakes_are_named_and_show_no_password() {
    let mut place = Workplace::new(&[("SECRET_KEY", KEY)]);
    place.set("SMTP_URL", "smtp://ann:hunter2@mail.example?tls=maybe");
    place.set("MAIL_FROM", "nobody");
    place.set("PUBLIC_URL", "app.example");
    place.set("EMAIL_VERIFICATION", "on");
    place.set("MAILS_PER_ACCOUNT", "some");
    place.set("MAIL_TEMPLATES", "no/such/folder");
    let text = failed(&place.run(&["serve"]), 2);
    let names: Vec<_> = text
        .lines()
        .map(|line| line.split(':').next().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "SMTP_URL",
            "PUBLIC_URL",
            "MAIL_FROM",
            "EMAIL_VERIFICATION",
            "MAIL_TEMPLATES",
            "MAILS_PER_ACCOUNT"
        ]
    );
    assert!(!text.contains("hunter2"), "{text}");

    let mut place = Workplace::new(&[("SECRET_KEY", KEY), ("SMTP_URL", "smtp://mail.example")]);
    let text = failed(&place.run(&["serve"]), 2);
    assert!(
        text.contains("MAIL_FROM: ") && text.contains("PUBLIC_URL: "),
        "{text}"
    );
    place.set("APP_ENV", "production");
    place.set("MAIL_FROM", "app@app.example");
    place.set("PUBLIC_URL", "http://app.example");
    assert!(failed(&place.run(&["serve"]), 2).starts_with("PUBLIC_URL: must begin with https"));
    let commands = Workplace::new(&[]);
    let invite = commands.run(&["user", "invite", "Ben", "--email", "ben@example.com"]);
    assert!(failed(&invite, 2).contains("SECRET_KEY"), "{invite:?}");
}
