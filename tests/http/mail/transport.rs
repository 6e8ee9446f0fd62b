//! How a mail server is spoken to: encryption, logins, and the words of a mail.

use std::{path::Path, process::Command};

use tempfile::TempDir;

use super::outbox::workplace;
use crate::helpers::{Database, Kind, MailServer, Process, Server, Workplace};

const LOGIN: &str = "app:p@ss:w/rd";
const CREDENTIALS: &str = "app:p%40ss%3Aw%2Frd";

/// A certificate for `localhost`, signed by itself.
pub struct Certificate(TempDir);

impl Certificate {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let made = Command::new("openssl")
            .args([
                "req",
                "-x509",
                "-newkey",
                "rsa:2048",
                "-nodes",
                "-days",
                "2",
                "-subj",
                "/CN=localhost",
            ])
            .args(["-addext", "subjectAltName=DNS:localhost"])
            // Else it would be an authority, which no server may pose as.
            .args(["-addext", "basicConstraints=critical,CA:FALSE"])
            .args(["-keyout", "key.pem", "-out", "certificate.pem"])
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        Self(folder)
    }

    pub fn path(&self, file: &str) -> String {
        self.0.path().join(file).to_str().unwrap().to_owned()
    }

    fn server(&self, arguments: &[&str]) -> MailServer {
        let (certificate, key) = (self.path("certificate.pem"), self.path("key.pem"));
        let own = ["--certificate", &certificate, "--key", &key];
        MailServer::start_with(&[arguments, &own].concat())
    }
}

async fn place(mail: &MailServer, url: &str, certificate: Option<&Certificate>) -> Workplace {
    let database = Database::at("sqlite://mail.db");
    let mut place = workplace(&database, mail, &[("SMTP_URL", url)]);
    if let Some(certificate) = certificate {
        place.set("SSL_CERT_FILE", &certificate.path("certificate.pem"));
    }
    place
}

async fn signed_up(place: &Workplace) -> Process {
    let process = place.serve();
    process.browser().sign_up("Ann").await;
    process
}

#[tokio::test(flavor = "multi_thread")]
async fn starttls_with_a_login() {
    let certificate = Certificate::new();
    let mail = certificate.server(&["--tls", "starttls", "--login", LOGIN]);
    for query in ["", "?tls=required"] {
        let url = format!("smtp://{CREDENTIALS}@localhost:{}{query}", mail.port());
        let place = place(&mail, &url, Some(&certificate)).await;
        let before = mail.received().len();
        let process = signed_up(&place).await;
        let received = mail.nth("ann@example.com", before + 1).await;
        assert_eq!(
            (&received.0["tls"], &received.0["login"]),
            (&true.into(), &"app".into())
        );
        let doctor = place.run(&["doctor"]);
        assert!(
            String::from_utf8_lossy(&doctor.stdout).contains("accepts the login"),
            "{doctor:?}"
        );
        drop(process);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_from_the_first_byte() {
    let certificate = Certificate::new();
    let mail = certificate.server(&["--tls", "implicit", "--login", LOGIN, "--login-without-tls"]);
    let url = format!("smtps://{CREDENTIALS}@localhost:{}", mail.port());
    let place = place(&mail, &url, Some(&certificate)).await;
    let _process = signed_up(&place).await;
    assert_eq!(mail.only("ann@example.com").await.0["tls"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_to_who_cannot_be_trusted() {
    let certificate = Certificate::new();
    let encrypts = certificate.server(&["--tls", "starttls"]);
    let plain = MailServer::start();
    let wants_login = MailServer::start_with(&["--login", LOGIN, "--login-without-tls"]);
    for (mail, url, trusts, why) in [
        (&encrypts, "smtp://localhost:PORT", false, "certificate"),
        (&encrypts, "smtps://localhost:PORT", true, "not available"),
        (&encrypts, "smtp://127.0.0.1:PORT", true, "certificate"),
        (
            &plain,
            "smtp://localhost:PORT?tls=required",
            true,
            "STARTTLS is not supported",
        ),
        (&wants_login, "smtp://app:wrong@localhost:PORT", true, "535"),
    ] {
        let url = url.replace("PORT", &mail.port().to_string());
        let place = place(mail, &url, trusts.then_some(&certificate)).await;
        let process = signed_up(&place).await;
        process.wait_for_log("the mail server is not available");
        assert!(process.logs().contains(why), "{url}: {}", process.logs());
        assert!(mail.received().is_empty(), "{url}");
        let doctor = place.run(&["doctor"]);
        assert_eq!(doctor.status.code(), Some(1), "{doctor:?}");
        let said = format!("{doctor:?}{}", process.logs());
        assert!(!said.contains("wrong@") && !said.contains("p@ss"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_says_what_it_is() {
    let mail = MailServer::start();
    let server = Server::start_with_mail(Kind::Sqlite, &mail, &[]).await;
    server.browser().sign_up("Ann").await;
    let received = mail.only("ann@example.com").await;
    assert_eq!(received.0["from"], "noreply@app.example");
    assert_eq!(received.header("from"), "The App <noreply@app.example>");
    assert_eq!(received.header("auto-submitted"), "auto-generated");
    assert!(received.header("message-id").ends_with("@app.example>"));
    assert!(received.header("date").ends_with(" +0000"));
    assert!(
        received
            .header("content-type")
            .starts_with("multipart/alternative")
    );
    let html = received.html();
    assert!(html.starts_with("<!doctype html>") && html.contains("href="));
    for outside in ["src=", "url(", "<script", "<link"] {
        assert!(!html.contains(outside), "{outside}: {html}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn words_of_ones_own() {
    let mail = MailServer::start();
    let place = place(&mail, &mail.url(), None).await;
    let folder = place.path("mails");
    let put = |file: &str, text: &str| std::fs::write(Path::new(&folder).join(file), text).unwrap();
    std::fs::create_dir(&folder).unwrap();
    put(
        "verify_email.txt",
        "Subject: Grüße von {{ site }}\n\nHier entlang:\n\n{{ link }}\n",
    );
    let mut place = place;
    place.set("MAIL_TEMPLATES", "mails");
    let _process = signed_up(&place).await;
    let received = mail.only("ann@example.com").await;
    assert_eq!(received.subject(), "Grüße von app.example");
    assert!(
        received
            .text()
            .starts_with("Hier entlang:\n\nhttps://app.example/verify-email#token=")
    );
    assert!(received.html().contains("<p>Hier entlang:</p>"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_refuses_the_sender_loses_no_mail() {
    let mail = MailServer::start_with(&["--refuse-senders", "2"]);
    let server = Server::start_with_mail(Kind::Sqlite, &mail, &[]).await;
    server.browser().sign_up("Ann").await;
    mail.only("ann@example.com").await;
    let failed = "audit_events where event = 'send_mail'";
    assert_eq!(server.database.count(failed).await, 0);
}
