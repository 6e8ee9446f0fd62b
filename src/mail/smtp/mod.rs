//! Mail by SMTP.

mod dialogue;
mod message;
mod url;

pub use self::url::{SmtpUrl, SmtpUrlError};

use std::{fmt, time::Duration};

use async_trait::async_trait;
use lettre::{
    message::Mailbox,
    transport::smtp::{
        Error as SmtpError,
        authentication::{Credentials, Mechanism},
        client::{AsyncSmtpConnection, TlsParameters},
        extension::ClientId,
    },
};
use tokio::{
    sync::Mutex,
    time::{Instant, timeout},
};

use self::{message::outgoing, url::Tls};
use super::{Mail, MailError, Mailer};

/// Until a mail can be sent: connected, encrypted, logged in.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// A connection that was unused for longer is closed: servers close theirs after minutes, and one
/// that was lost is found out late.
const KEPT: Duration = Duration::from_secs(5);

/// Sends mails to a mail server, which delivers them. `Debug` does not show the password.
pub struct SmtpMailer {
    url: SmtpUrl,
    from: Mailbox,
    hello: ClientId,
    tls: TlsParameters,
    /// The connection of the last mail, and when that was sent.
    kept: Mutex<Option<(AsyncSmtpConnection, Instant)>>,
}

impl fmt::Debug for SmtpMailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmtpMailer")
            .field("url", &self.url)
            .field("from", &self.from)
            .finish_non_exhaustive()
    }
}

impl SmtpMailer {
    /// Mails through the server at `url`, from the sender `from`: `noreply@app.example` or
    /// `My App <noreply@app.example>`. The server's certificate is checked against those that the
    /// system trusts, or those in the file that the environment variable `SSL_CERT_FILE` names.
    ///
    /// # Errors
    /// The message when `from` is no address, or TLS cannot be set up.
    pub fn new(url: SmtpUrl, from: &str) -> Result<Self, String> {
        let from = sender(from)?;
        let tls = TlsParameters::new(url.host.clone()).map_err(|error| error.to_string())?;
        let hello = ClientId::Domain(message::ascii_domain(from.email.domain()));
        Ok(Self {
            url,
            from,
            hello,
            tls,
            kept: Mutex::default(),
        })
    }

    /// Whether mails can come from this sender.
    ///
    /// # Errors
    /// The message when it is no address.
    pub fn check_sender(from: &str) -> Result<(), String> {
        sender(from).map(drop)
    }

    /// Connects and logs in, and sends nothing.
    ///
    /// # Errors
    /// [`MailError::Unavailable`] with the reason.
    pub async fn check(&self) -> Result<(), MailError> {
        let mut connection = self.connect_in_time().await?;
        // The login was accepted: how the server ends the connection does not matter.
        let _ = timeout(CONNECT_LIMIT, connection.quit()).await;
        Ok(())
    }

    async fn connect_in_time(&self) -> Result<AsyncSmtpConnection, MailError> {
        let connected = timeout(CONNECT_LIMIT, self.connect()).await;
        let connected = connected.map_err(|_| {
            MailError::Unavailable(format!("no response within {} s", CONNECT_LIMIT.as_secs()))
        })?;
        connected.map_err(|error| MailError::Unavailable(error.to_string()))
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, SmtpError> {
        let SmtpUrl {
            host,
            port,
            tls,
            credentials,
        } = &self.url;
        let wrapper = (*tls == Tls::FromTheFirstByte).then(|| self.tls.clone());
        let server = (host.as_str(), *port);
        let mut connection = AsyncSmtpConnection::connect_tokio1(
            server,
            Some(CONNECT_LIMIT),
            &self.hello,
            wrapper,
            None,
        )
        .await?;
        let starts_tls = match tls {
            Tls::FromTheFirstByte => false,
            Tls::IfOffered => connection.can_starttls(),
            // Fails where the server does not offer it.
            Tls::Required => true,
        };
        if starts_tls {
            connection.starttls(self.tls.clone(), &self.hello).await?;
        }
        if let Some((user, password)) = credentials {
            let credentials = Credentials::new(user.clone(), password.clone());
            connection
                .auth(&[Mechanism::Plain, Mechanism::Login], &credentials)
                .await?;
        }
        Ok(connection)
    }

    /// The connection of the last mail if it still works, or a new one.
    async fn connection(&self) -> Result<AsyncSmtpConnection, MailError> {
        let kept = self.kept.lock().await.take();
        if let Some((mut connection, last_use)) = kept {
            let is_good = last_use.elapsed() < KEPT
                && !connection.has_broken()
                && timeout(CONNECT_LIMIT, connection.test_connected()).await == Ok(true);
            if is_good {
                return Ok(connection);
            }
        }
        self.connect_in_time().await
    }
}

fn sender(from: &str) -> Result<Mailbox, String> {
    let example = "must be an address, perhaps with a name: App <noreply@app.example>";
    from.parse().map_err(|_| example.to_owned())
}

#[async_trait]
impl Mailer for SmtpMailer {
    async fn send(&self, mail: &Mail) -> Result<(), MailError> {
        let (envelope, message) =
            outgoing(mail, &self.from).map_err(|error| MailError::Refused(error.to_string()))?;
        let mut connection = self.connection().await?;
        // One that failed is in the middle of something: it is dropped.
        dialogue::send(&mut connection, &envelope, &message).await?;
        *self.kept.lock().await = Some((connection, Instant::now()));
        Ok(())
    }
}
