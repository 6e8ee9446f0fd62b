//! A mail before its words are chosen.

use serde::Serialize;

use super::letter::Recipient;
use crate::auth::{tokens::Purpose, user::Account};

/// What the templates can say.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Context {
    /// The host of the site.
    pub site: String,
    /// The address of the site.
    pub home: String,
    pub username: String,
    pub link: String,
    pub new_email: String,
    /// What was changed, a sentence without its full stop.
    pub change: &'static str,
    /// The same, in one word.
    pub kind: &'static str,
    /// Each with the day on which it was added.
    pub passkeys: Vec<String>,
    /// What is as it was, where something was removed.
    pub stays: Vec<String>,
    pub device: String,
    pub ip: String,
    pub time: String,
}

impl Context {
    /// With something in each, as what a template says may depend on it.
    pub fn example() -> Self {
        let some = || "something".to_owned();
        Self {
            site: some(),
            home: some(),
            username: some(),
            link: some(),
            new_email: some(),
            change: "something",
            kind: "something",
            passkeys: vec![some()],
            stays: vec![some()],
            device: some(),
            ip: some(),
            time: some(),
        }
    }
}

/// A mail before its words are chosen.
#[derive(Debug)]
pub(super) struct Draft {
    pub template: &'static str,
    pub to: String,
    /// Without the username while nobody has verified the address.
    pub context: Context,
    pub link: Link,
}

/// The link of a mail.
#[derive(Debug)]
pub(super) enum Link {
    /// A mail without one.
    None,
    /// The one whose token waits with the letter.
    Waiting(Purpose),
    /// One of the owner of an address, who was found just now.
    Fresh(Purpose, Box<Account>),
}

impl Draft {
    pub fn new(template: &'static str, to: Recipient) -> Self {
        let context = Context {
            username: to.username.unwrap_or_default(),
            ..Context::default()
        };
        Self {
            template,
            to: to.email,
            context,
            link: Link::None,
        }
    }

    /// A mail to an address, which says nothing of who has named it.
    pub fn without_name(template: &'static str, email: String) -> Self {
        let username = None;
        Self::new(template, Recipient { email, username })
    }

    /// A mail that says where something was done, and with which browser.
    pub fn with_place(mut self, ip: Option<String>, device: String) -> Self {
        self.context.device = device;
        self.with_ip(ip)
    }

    /// A mail that says from which address something was done.
    pub fn with_ip(mut self, ip: Option<String>) -> Self {
        self.context.ip = ip.unwrap_or_else(|| "unknown".to_owned());
        self
    }

    pub fn with_link(self, purpose: Purpose) -> Self {
        Self {
            link: Link::Waiting(purpose),
            ..self
        }
    }
}
