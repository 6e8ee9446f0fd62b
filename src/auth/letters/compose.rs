//! Makes mails of letters.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use serde::Serialize;
use time::{OffsetDateTime, macros::format_description};
use uuid::Uuid;

use super::letter::Letter;
use crate::{
    auth::{
        audit::{self, Action, Event, Reason},
        tokens::{self, Bound, Purpose, Token, store::NewToken},
        user::{self, Account, AccountState, email::Email},
    },
    clock::{Clock, Timestamp},
    db::{Db, Tx},
    http::Error,
    mail::{
        Compose, Mail,
        templates::{TemplateError, Templates},
    },
};

macro_rules! built_in {
    ($($name:literal),+ $(,)?) => {
        &[$(($name, include_str!(concat!("templates/", $name)))),+]
    };
}

const BUILT_IN: &[(&str, &str)] = built_in!(
    "change_email.txt",
    "device_proof_refused.txt",
    "email_change_asked.txt",
    "email_changed.txt",
    "email_taken.txt",
    "invitation.txt",
    "new_device.txt",
    "password_changed.txt",
    "reset_password.txt",
    "security_changed.txt",
    "verify_email.txt",
    "layout.html",
);

/// Looks accounts up, makes the tokens of links, and writes mails.
#[derive(Debug)]
pub(crate) struct Composer {
    db: Db,
    clock: Clock,
    /// Without a slash at its end.
    public_url: String,
    templates: Templates,
}

/// What the templates can say.
#[derive(Clone, Debug, Default, Serialize)]
struct Context {
    /// The host of the site.
    site: String,
    /// The address of the site.
    home: String,
    username: String,
    link: String,
    new_email: String,
    change: &'static str,
    device: String,
    ip: String,
    time: String,
}

/// A mail before its words are chosen.
#[derive(Debug)]
struct Draft {
    template: &'static str,
    to: String,
    account: Account,
    /// What its link is good for, and the address that this is bound to.
    link: Option<Purpose>,
    context: Context,
}

impl Draft {
    fn new(template: &'static str, to: impl Into<String>, account: Account) -> Self {
        Self {
            template,
            to: to.into(),
            account,
            link: None,
            context: Context::default(),
        }
    }

    fn with_link(self, purpose: Purpose) -> Self {
        Self {
            link: Some(purpose),
            ..self
        }
    }
}

impl Composer {
    /// # Errors
    /// When a template of `folder` is at fault.
    pub fn new(
        db: Db,
        clock: Clock,
        public_url: String,
        folder: Option<PathBuf>,
    ) -> Result<Self, TemplateError> {
        Ok(Self {
            db,
            clock,
            public_url,
            templates: read_templates(folder.as_deref())?,
        })
    }

    /// Who gets what, as things stand; none when nobody does.
    async fn draft(&self, letter: Letter) -> Result<Option<Draft>, Error> {
        Ok(match letter {
            Letter::VerifyEmail { user_id, email } => {
                let draft = self.address_draft(user_id, email, Purpose::VerifyEmail);
                draft.await?
            }
            Letter::ChangeEmail { user_id, email } => {
                let draft = self.address_draft(user_id, email, Purpose::ChangeEmail);
                draft.await?
            }
            Letter::EmailChangeAsked { user_id, old, new } => {
                let account = self.account(user_id).await?;
                let account = account.filter(|account| is_address_of(&old, account));
                account.map(|account| notice_of_change("email_change_asked", account, old, new))
            }
            Letter::EmailChanged { user_id, old, new } => {
                let account = self.account(user_id).await?;
                account.map(|account| notice_of_change("email_changed", account, old, new))
            }
            Letter::ForgottenPassword { email } => {
                let account = self.account_of(&email).await?;
                let account = account.filter(is_enabled);
                // To the address as its owner has typed it, not as somebody else has.
                account
                    .and_then(to_own_address("reset_password"))
                    .map(|draft| draft.with_link(Purpose::ResetPassword))
            }
            Letter::ResetPassword { user_id } => self
                .account(user_id)
                .await?
                .and_then(to_own_address("reset_password"))
                .map(|draft| draft.with_link(Purpose::ResetPassword)),
            Letter::Invitation { user_id } => self
                .account(user_id)
                .await?
                .and_then(to_own_address("invitation"))
                .map(|draft| draft.with_link(Purpose::Invitation)),
            Letter::NewDevice {
                user_id,
                ip,
                device,
            } => {
                let account = self.account(user_id).await?;
                let mut draft = account.and_then(to_own_address("new_device"));
                if let Some(draft) = &mut draft {
                    draft.context.device = device;
                    draft.context.ip = ip.unwrap_or_else(|| "unknown".to_owned());
                }
                draft
            }
            Letter::DeviceProofRefused { user_id, ip } => {
                let account = self.account(user_id).await?;
                let mut draft = account.and_then(to_own_address("device_proof_refused"));
                if let Some(draft) = &mut draft {
                    draft.context.ip = ip.unwrap_or_else(|| "unknown".to_owned());
                }
                draft
            }
            Letter::PasswordChanged { user_id } => {
                let account = self.account(user_id).await?;
                account.and_then(to_own_address("password_changed"))
            }
            Letter::SecurityChanged { user_id, change } => {
                let account = self.account(user_id).await?;
                let mut draft = account.and_then(to_own_address("security_changed"));
                if let Some(draft) = &mut draft {
                    draft.context.change = change.in_words();
                }
                draft
            }
        })
    }

    /// A link to an address that is to be verified, or word to the one who has it that they have an
    /// account.
    async fn address_draft(
        &self,
        user_id: Uuid,
        email: String,
        purpose: Purpose,
    ) -> Result<Option<Draft>, Error> {
        let owner = self.account_of(&email).await?;
        if let Some(owner) = owner.filter(|owner| owner.user.id != user_id) {
            let is_told = is_enabled(&owner);
            return Ok(is_told
                .then(|| to_own_address("email_taken")(owner))
                .flatten());
        }
        let Some(account) = self.account(user_id).await? else {
            return Ok(None);
        };
        let (template, is_of_use) = match purpose {
            Purpose::ChangeEmail => {
                let is_new = !is_address_of(&email, &account) || !account.user.email_verified;
                ("change_email", is_new)
            }
            _ => {
                let is_named = match &account.user.email {
                    Some(_) => is_address_of(&email, &account) && !account.user.email_verified,
                    None => account.pending_email.as_deref() == Some(&*email),
                };
                ("verify_email", is_named)
            }
        };
        Ok(is_of_use.then(|| Draft::new(template, email, account).with_link(purpose)))
    }

    /// An account that may be used.
    async fn account(&self, user_id: Uuid) -> Result<Option<Account>, Error> {
        let account = user::store::find_by_id(&self.db, user_id).await?;
        Ok(account.filter(is_enabled))
    }

    async fn account_of(&self, email: &str) -> Result<Option<Account>, Error> {
        match email.parse::<Email>() {
            Ok(email) => Ok(user::store::find_by_email(&self.db, &email).await?),
            Err(_) => Ok(None),
        }
    }

    /// Makes the token of a link; none when the account has changed meanwhile, or a later mail has
    /// the link that counts. A mail that is sent again has another: the first may have arrived.
    async fn token(
        &self,
        mail_id: Uuid,
        draft: &Draft,
        purpose: Purpose,
    ) -> Result<Option<Token>, Error> {
        let token = Token::random();
        let bound = Bound {
            purpose,
            user_id: draft.account.user.id,
            email: draft.to.clone(),
            mail_id,
        };
        let insert = (token.hash(), bound, draft.account.clone());
        let now = self.clock.now();
        let inserted = self.db.write(insert, move |(hash, bound, account), tx| {
            Box::pin(async move {
                // A change of the password or the address deletes tokens after it, and so this
                // one.
                if !user::store::lock_unchanged(tx, account).await? {
                    return Ok(false);
                }
                if purpose == Purpose::VerifyEmail {
                    let user_id = bound.user_id;
                    if tokens::store::has_later(tx, user_id, purpose, mail_id).await? {
                        return Ok(false);
                    }
                    tokens::store::delete_earlier(tx, user_id, purpose, mail_id).await?;
                }
                let token = NewToken { hash, bound, now };
                tokens::store::insert(tx, &token).await?;
                Ok::<_, sqlx::Error>(true)
            })
        });
        Ok(inserted.await?.then_some(token))
    }

    fn write(
        &self,
        id: Uuid,
        written_at: Timestamp,
        draft: Draft,
        token: Option<Token>,
    ) -> Result<Mail, Error> {
        let public_url = &self.public_url;
        let page = match draft.link {
            Some(purpose) if purpose.sets_password() => "reset-password",
            _ => "verify-email",
        };
        let link = token
            .as_ref()
            .map(|token| format!("{public_url}/{page}#token={}", token.as_str()));
        let site = public_url.split_once("://").map_or("", |(_, site)| site);
        let context = Context {
            site: site.to_owned(),
            home: public_url.clone(),
            username: draft.account.user.username.clone(),
            link: link.unwrap_or_default(),
            time: in_words(written_at),
            ..draft.context
        };
        let written = self.templates.write(draft.template, context);
        let written = written.map_err(Error::internal)?;
        Ok(Mail {
            id,
            written_at,
            to: draft.to,
            subject: written.subject,
            text: written.text,
            html: written.html,
            secret: token.map(|token| token.as_str().to_owned()),
        })
    }
}

#[async_trait]
impl Compose for Composer {
    async fn compose(
        &self,
        id: Uuid,
        written_at: Timestamp,
        letter: &[u8],
    ) -> Result<Option<Mail>, Error> {
        // One of a newer version waits for a node that knows it.
        let letter: Letter = serde_json::from_slice(letter).map_err(Error::internal)?;
        let Some(draft) = self.draft(letter).await? else {
            return Ok(None);
        };
        let token = match draft.link {
            None => None,
            Some(purpose) => match self.token(id, &draft, purpose).await? {
                None => return Ok(None),
                token => token,
            },
        };
        self.write(id, written_at, draft, token).map(Some)
    }

    async fn give_up(
        &self,
        tx: &mut Tx,
        letter: Option<&[u8]>,
        now: Timestamp,
    ) -> sqlx::Result<()> {
        let letter = letter.and_then(|letter| serde_json::from_slice::<Letter>(letter).ok());
        let user_id = letter.and_then(|letter| letter.user_id());
        let event = Event::of_server(Action::SendMail, Reason::MailNotSent, user_id);
        audit::record(tx, now, [event]).await
    }
}

/// The templates, each of which was tried.
pub(super) fn read_templates(folder: Option<&Path>) -> Result<Templates, TemplateError> {
    let templates = Templates::new(BUILT_IN, folder)?;
    for (name, _) in BUILT_IN {
        if let Some(name) = name.strip_suffix(".txt") {
            templates.write(name, Context::default())?;
        }
    }
    Ok(templates)
}

fn is_enabled(account: &Account) -> bool {
    account.state() == AccountState::Enabled
}

/// Whether the account has this address, however it is spelled.
fn is_address_of(email: &str, account: &Account) -> bool {
    let key = |text: &str| text.parse::<Email>().map(|email| email.key()).ok();
    account
        .user
        .email
        .as_deref()
        .and_then(key)
        .is_some_and(|own| Some(own) == key(email))
}

/// A mail to the address of an account, or to the one that its sign-up has named.
fn to_own_address(template: &'static str) -> impl Fn(Account) -> Option<Draft> {
    move |account| {
        let to = account.user.email.clone()?;
        Some(Draft::new(template, to, account))
    }
}

fn notice_of_change(template: &'static str, account: Account, old: String, new: String) -> Draft {
    let mut draft = Draft::new(template, old, account).with_link(Purpose::UndoEmailChange);
    draft.context.new_email = new;
    draft
}

/// `31 January 2026 at 12:00 UTC`.
fn in_words(moment: Timestamp) -> String {
    let format =
        format_description!("[day padding:none] [month repr:long] [year] at [hour]:[minute] UTC");
    let moment = OffsetDateTime::from(moment).format(format);
    moment.unwrap_or_default()
}
