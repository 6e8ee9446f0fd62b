//! The settings of mail.

use std::{fmt, path::PathBuf, sync::Arc};

use super::{Composer, Letters, Mailing};
use crate::{
    auth::{AuthBuilder, BuildError, RateLimit, Secret},
    clock::Clock,
    db::Db,
    mail::Mailer,
};

/// Whether an e-mail address has to be verified before its account is logged in to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum EmailVerification {
    /// A sign-up logs in at once, and a link that verifies the address is sent.
    #[default]
    Optional,
    /// A sign-up sends a link, and nobody is logged in before it was opened. Nobody learns from a
    /// sign-up whether an address has an account.
    Required,
}

/// How mail is sent, if it is.
#[derive(Clone, Default)]
pub(crate) struct MailOptions {
    pub mailer: Option<Arc<dyn Mailer>>,
    pub public_url: Option<String>,
    pub templates: Option<PathBuf>,
    pub verification: EmailVerification,
}

impl fmt::Debug for MailOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MailOptions").finish_non_exhaustive()
    }
}

impl MailOptions {
    /// The letters, and what sends them; neither without a mailer.
    pub fn build(
        self,
        db: Db,
        clock: Clock,
        secret: &Secret,
        fallbacks: &[Secret],
    ) -> Result<(Letters, Option<Mailing>), BuildError> {
        let parameter = |what: &str| BuildError::Parameter(what.to_owned());
        let Some(mailer) = self.mailer else {
            if self.verification == EmailVerification::Required {
                return Err(parameter(
                    "addresses cannot be verified without `AuthBuilder::mailer`",
                ));
            }
            return Ok((Letters::default(), None));
        };
        let public_url = self.public_url.ok_or_else(|| {
            parameter("mails need `AuthBuilder::public_url`, which their links begin with")
        })?;
        let composer = Composer::new(db.clone(), clock.clone(), public_url, self.templates);
        let composer = composer.map_err(|error| BuildError::Parameter(error.to_string()))?;
        let letters = Letters {
            verification: self.verification,
            ..Letters::new(db, clock, secret, fallbacks)
        };
        let mailing = letters.outbox().map(|outbox| Mailing {
            outbox: outbox.clone(),
            composer: Arc::new(composer),
            mailer,
        });
        Ok((letters, mailing))
    }
}

/// Mail.
impl AuthBuilder {
    /// Sends mails: links for those who have forgotten their password or are to verify their address,
    /// and notices of what happened to an account. None by default: then the routes that need mail
    /// get 503 `mail_not_configured`. [`keep_mailing`](crate::auth::keep_mailing) has to run, and
    /// [`public_url`](Self::public_url) is needed.
    pub fn mailer(mut self, mailer: impl Mailer) -> Self {
        self.mail.mailer = Some(Arc::new(mailer));
        self
    }

    /// What the links of mails begin with, such as `https://app.example`: never a header of a
    /// request, which anybody can choose. The links are `…/verify-email#token=…`,
    /// `…/verify-email?undo#token=…` to take a change of the address back, and
    /// `…/reset-password#token=…`; your page posts the token.
    pub fn public_url(mut self, url: impl Into<String>) -> Self {
        self.mail.public_url = Some(url.into().trim_end_matches('/').to_owned());
        self
    }

    /// A folder whose files replace the texts of mails, those that it has: `reset_password.txt` and
    /// so on, as in the library's `src/auth/letters/templates`. None by default.
    pub fn mail_templates(mut self, folder: impl Into<PathBuf>) -> Self {
        self.mail.templates = Some(folder.into());
        self
    }

    /// Whether an address has to be verified before its account is logged in to. Optional by default.
    /// Where it is required, the user that [`on_sign_up`](Self::on_sign_up) gets has no address yet.
    pub fn email_verification(mut self, verification: EmailVerification) -> Self {
        self.mail.verification = verification;
        self
    }

    /// Mails that are asked for to one e-mail address, whether it has an account or not; past it,
    /// 429. Five an hour by default; none turns the limit off.
    pub fn mails_per_account(mut self, limit: Option<RateLimit>) -> Self {
        self.throttle.mails_per_account = limit;
        self
    }

    /// Mails that are asked for from one client address; past it, 429. Twenty an hour by default;
    /// none turns the limit off.
    pub fn mails_per_address(mut self, limit: Option<RateLimit>) -> Self {
        self.throttle.mails_per_address = limit;
        self
    }
}
