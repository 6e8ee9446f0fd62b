//! What happened to accounts and sessions, for an operator to read.

use std::time::Duration;

use super::{
    Failure,
    args::Audit,
    database::{Needs, open},
    terminal::{harmless, say, say_json},
    user::find,
};
use crate::{
    Clock,
    auth::{Account, Accounts, audit::AuditEvent},
    server::settings::{CommandName, Config, Variables},
};

const PAGE: i64 = 500;
/// Longer than any event is kept.
const EVER: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// Shows the events that `options` ask for, oldest first.
pub async fn run(options: Audit, variables: &Variables) -> Result<(), Failure> {
    let config = Config::for_command(variables, CommandName::Audit)?;
    let needs = Needs {
        file: false,
        news: false,
    };
    let db = open(&config, needs).await?;
    let accounts = config
        .accounts(db.clone(), Clock::system())
        .map_err(Failure::other)?;
    let done = show(&options, &accounts).await;
    db.close().await;
    done
}

async fn show(options: &Audit, accounts: &Accounts) -> Result<(), Failure> {
    let account = match &options.user {
        Some(name) => Some(find(accounts, name).await?),
        None => None,
    };
    let user = account.as_ref().map(|Account { user, .. }| user);
    let ago = options.since.map_or(EVER, |since| since.min(EVER));
    let since = Clock::system().now().before(ago);
    let mut after = since.first_id();
    loop {
        let page = accounts.audit_events(user, since, after, PAGE).await?;
        for event in &page {
            match options.json {
                true => say_json(event)?,
                false => say(&line(event))?,
            }
        }
        match page.last() {
            Some(last) => after = last.id,
            None => return Ok(()),
        }
    }
}

fn line(event: &AuditEvent) -> String {
    let or_dash = |text: &Option<String>| text.as_deref().map_or_else(|| "-".to_owned(), harmless);
    let outcome = match &event.reason {
        Some(reason) => format!("{} ({reason})", event.outcome),
        None => event.outcome.clone(),
    };
    format!(
        "{:<27}  {:<16}  {outcome:<28}  {:<20}  {:<15}  {}",
        event.happened_at.to_string(),
        event.event,
        or_dash(&event.username),
        or_dash(&event.ip),
        or_dash(&event.request_id),
    )
}
