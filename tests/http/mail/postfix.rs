//! Mail through the mail server that most run: Debian's Postfix.

use std::path::Path;

use super::{
    outbox::{is_empty, workplace},
    recovery::forgot,
    transport::Certificate,
    verification::verify,
};
use crate::helpers::{Database, Kind, MailServer, Postfix};

#[tokio::test(flavor = "multi_thread")]
async fn mails_go_through_postfix() {
    let certificate = Certificate::new();
    let [file, key] = ["certificate.pem", "key.pem"].map(|file| certificate.path(file));
    let mail = MailServer::start();
    let postfix = Postfix::start(mail.port(), Path::new(&file), Path::new(&key));
    let database = Database::new(Kind::Sqlite).await;
    for url in [
        format!("smtp://localhost:{}?tls=required", postfix.port),
        format!("smtps://localhost:{}", postfix.tls_port),
    ] {
        let mut place = workplace(&database, &mail, &[("SMTP_URL", &url)]);
        place.set("SSL_CERT_FILE", &file);
        let process = place.serve();
        let name = if url.contains("smtps") { "Ben" } else { "Ann" };
        let address = format!("{}@example.com", name.to_lowercase());
        process.browser().sign_up(name).await;
        let received = mail.only(&address).await;
        let by = received.header("received");
        assert!(by.contains("(Postfix)") && by.contains("TLSv1"), "{by}");
        // What a relay does to a text leaves the link whole.
        let used = verify(&process.browser(), &received.token()).await;
        assert_eq!(used.status, 204);
        assert!(received.html().contains(&received.token()));

        for name in ["Refused", "Deferred"] {
            let address = format!("{}@example.com", name.to_lowercase());
            if url.contains("smtps") {
                forgot(&process.browser(), &address).await;
            } else {
                process.browser().sign_up(name).await;
            }
        }
        let done = if url.contains("smtps") { 2 } else { 1 };
        database
            .count_until("outbox where deferrals > 0", done)
            .await;
        let given_up = "audit_events where event = 'send_mail'";
        database.count_until(given_up, done).await;
        drop(process);
    }
    database.execute("delete from outbox").await;
    postfix.stop();
    let url = format!("smtp://localhost:{}", postfix.port);
    let mut place = workplace(&database, &mail, &[("SMTP_URL", &url)]);
    place.set("SSL_CERT_FILE", &file);
    let process = place.serve();
    forgot(&process.browser(), "ann@example.com").await;
    process.wait_for_log("the mail server is not available");
    postfix.go();
    mail.with_subject("ann@example.com", "Choose a new").await;
    is_empty(&database).await;
}
