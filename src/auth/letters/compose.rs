//! Makes mails of letters.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use uuid::Uuid;

use super::{
    draft::{Context, Draft, Link},
    letter::{Content, Letter, Place, Recipient},
    words::in_words,
};
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
    ($($folder:literal: $($name:literal),+;)+) => {
        &[$($(($name, include_str!(concat!("templates/", $folder, $name)))),+),+]
    };
}

const BUILT_IN: &[(&str, &str)] = built_in!(
    "links/":
        "change_email.txt",
        "email_change_requested.txt",
        "email_changed.txt",
        "invitation.txt",
        "reset_password.txt",
        "verify_email.txt";
    "notices/":
        "device_proof_refused.txt",
        "email_taken.txt",
        "new_device.txt",
        "password_changed.txt",
        "security_changed.txt",
        "wrong_codes.txt";
    "": "layout.html";
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

    /// Who gets what; none when nobody does.
    async fn draft(&self, letter: Letter) -> Result<Option<Draft>, Error> {
        Ok(match letter {
            Letter::VerifyEmail { user_id, email } => {
                let draft = self.address_draft(user_id, email, Purpose::VerifyEmail);
                draft.await?
            }
            Letter::ChangeEmail { user_id, email, .. } => {
                let draft = self.address_draft(user_id, email, Purpose::ChangeEmail);
                draft.await?
            }
            Letter::EmailChangeRequested { to, new, .. } => {
                let mut draft = Draft::new("email_change_requested", to);
                draft.context.new_email = new;
                Some(draft.with_link(Purpose::UndoEmailChange))
            }
            Letter::EmailChanged {
                to,
                new,
                can_be_undone,
                ..
            } => {
                let mut draft = Draft::new("email_changed", to);
                draft.context.new_email = new.unwrap_or_default();
                Some(match can_be_undone {
                    true => draft.with_link(Purpose::UndoEmailChange),
                    false => draft,
                })
            }
            Letter::ForgottenPassword { email } => {
                let account = self.account_of(&email).await?;
                let account = account.filter(is_enabled);
                // To the address as its owner has typed it, not as somebody else has.
                account.and_then(|account| {
                    let draft = Draft::new("reset_password", Recipient::of(&account.user)?);
                    let link = Link::Fresh(Purpose::ResetPassword, Box::new(account));
                    Some(Draft { link, ..draft })
                })
            }
            Letter::ResetPassword { to, .. } => {
                let draft = Draft::new("reset_password", to);
                Some(draft.with_link(Purpose::ResetPassword))
            }
            Letter::Invitation { to, .. } => {
                let draft = Draft::new("invitation", to);
                Some(draft.with_link(Purpose::Invitation))
            }
            Letter::DeviceProofRefused { to, ip, .. } => {
                Some(Draft::new("device_proof_refused", to).with_ip(ip))
            }
            Letter::NewDevice { to, ip, device, .. } => {
                Some(Draft::new("new_device", to).with_place(ip, device))
            }
            Letter::WrongCodes { to, ip, device, .. } => {
                Some(Draft::new("wrong_codes", to).with_place(ip, device))
            }
            Letter::PasswordChanged { to, passkeys, .. } => {
                let mut draft = Draft::new("password_changed", to);
                draft.context.passkeys = passkeys;
                Some(draft)
            }
            Letter::SecurityChanged {
                to,
                change,
                passkeys,
                stays,
                by,
                ..
            } => {
                let mut draft = Draft::new("security_changed", to);
                let context = &mut draft.context;
                (context.change, context.kind) = (change.in_words(), change.as_str());
                (context.passkeys, context.stays) = (passkeys, stays);
                Some(match by {
                    Some(Place { device, ip }) => draft.with_place(ip, device),
                    None => draft,
                })
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
            let told = Recipient::of(&owner.user).filter(|_| is_enabled(&owner));
            return Ok(told.map(|told| Draft::new("email_taken", told)));
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
        Ok(is_of_use.then(|| Draft::without_name(template, email).with_link(purpose)))
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

    /// The token of a link that waited with its letter; none when it is of no use any more. It lives
    /// from now on, as its mail is sent now.
    async fn waiting_token(
        &self,
        purpose: Purpose,
        token: Option<Token>,
    ) -> Result<Option<Token>, Error> {
        let Some(token) = token else {
            return Ok(None);
        };
        let expires_at = self.clock.now().after(purpose.lifetime());
        let prolong = (token.hash(), expires_at);
        let is_good = self.db.write(prolong, |(hash, expires_at), tx| {
            Box::pin(tokens::store::set_expiry(tx, hash, *expires_at))
        });
        Ok(is_good.await?.then_some(token))
    }

    /// Makes the token of a link; none when the account has changed since it was found. A mail that is
    /// sent again has another: the first may have arrived.
    async fn fresh_token(
        &self,
        mail_id: Uuid,
        purpose: Purpose,
        account: Account,
    ) -> Result<Option<Token>, Error> {
        let Some(email) = account.user.email.clone() else {
            return Ok(None);
        };
        let token = Token::random();
        let bound = Bound {
            purpose,
            user_id: account.user.id,
            email,
            mail_id,
            since: self.clock.now(),
        };
        let insert = (token.hash(), bound, account, self.clock.now());
        let inserted = self.db.write(insert, |(hash, bound, account, now), tx| {
            Box::pin(async move {
                // A change of the password or the address deletes tokens after it, and so this
                // one.
                if !user::store::lock_unchanged(tx, account).await? {
                    return Ok(false);
                }
                let token = NewToken {
                    hash,
                    bound,
                    now: *now,
                    expires_at: now.after(bound.purpose.lifetime()),
                };
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
        link: Option<(Purpose, Token)>,
    ) -> Result<Mail, Error> {
        let public_url = &self.public_url;
        let address = link.as_ref().map(|(purpose, token)| {
            let page = match purpose {
                purpose if purpose.sets_password() => "reset-password",
                // It ends every session, so a page asks first.
                Purpose::UndoEmailChange => "verify-email?undo",
                _ => "verify-email",
            };
            format!("{public_url}/{page}#token={}", token.as_str())
        });
        let site = public_url.split_once("://").map_or("", |(_, site)| site);
        let context = Context {
            site: site.to_owned(),
            home: public_url.clone(),
            link: address.unwrap_or_default(),
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
            secret: link.map(|(_, token)| token.as_str().to_owned()),
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
        let content: Content = serde_json::from_slice(letter).map_err(Error::internal)?;
        let Some(mut draft) = self.draft(content.letter).await? else {
            return Ok(None);
        };
        let (purpose, token) = match std::mem::replace(&mut draft.link, Link::None) {
            Link::None => return self.write(id, written_at, draft, None).map(Some),
            Link::Waiting(purpose) => (purpose, self.waiting_token(purpose, content.token).await?),
            Link::Fresh(purpose, account) => {
                (purpose, self.fresh_token(id, purpose, *account).await?)
            }
        };
        let Some(token) = token else {
            return Ok(None);
        };
        let link = Some((purpose, token));
        self.write(id, written_at, draft, link).map(Some)
    }

    async fn give_up(
        &self,
        tx: &mut Tx,
        letter: Option<&[u8]>,
        now: Timestamp,
    ) -> sqlx::Result<()> {
        let content = letter.and_then(|letter| serde_json::from_slice::<Content>(letter).ok());
        let user_id = content.and_then(|content| content.letter.user_id());
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
            templates.write(name, Context::example())?;
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
