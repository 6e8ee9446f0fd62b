//! What an operator does to accounts.

use super::{
    Failure,
    args::UserCommand,
    database::{Needs, open},
    terminal::{read_password, say},
};
use crate::{
    Clock,
    auth::{Account, AccountState, Accounts, Application, User},
    server::settings::{CommandName, Config, Variables},
};

const PAGE: i64 = 500;

/// Carries out `command`.
pub async fn run(command: UserCommand, variables: &Variables) -> Result<(), Failure> {
    let config = Config::for_command(variables, CommandName::User)?;
    let needs = Needs {
        file: matches!(command, UserCommand::Add(_)),
        news: false,
    };
    let db = open(&config, needs).await?;
    let accounts = config
        .accounts(db.clone(), Clock::system())
        .map_err(Failure::other)?;
    let done = carry_out(command, &accounts, &config).await;
    db.close().await;
    done
}

/// Migrates the database.
pub async fn migrate(variables: &Variables) -> Result<(), Failure> {
    let config = Config::for_command(variables, CommandName::Migrate)?;
    let needs = Needs {
        file: true,
        news: config.news.is_some(),
    };
    open(&config, needs).await?.close().await;
    say(&format!("{} is up to date", config.database_url))
}

async fn carry_out(
    command: UserCommand,
    accounts: &Accounts,
    config: &Config,
) -> Result<(), Failure> {
    match command {
        UserCommand::Add(new) => {
            let password = match new.no_password {
                true => None,
                false => Some(read_password(new.password_stdin)?),
            };
            let application = Application::new(new.name)
                .email(new.email)
                .password(password);
            let user = accounts.add(application).await?;
            say(&format!("added {}", user.username))?;
            if new.no_password && !config.passwordless_login {
                say("to log in by name alone, set PASSWORDLESS_LOGIN=on")?;
            }
            Ok(())
        }
        UserCommand::List => list(accounts).await,
        UserCommand::Show(who) => show(&find(accounts, &who.name).await?),
        UserCommand::Disable(who) => {
            let Account { user, .. } = find(accounts, &who.name).await?;
            accounts.set_state(&user, AccountState::Disabled).await?;
            say(&format!(
                "disabled {}; every session has ended",
                user.username
            ))
        }
        UserCommand::Enable(who) => {
            let Account { user, .. } = find(accounts, &who.name).await?;
            accounts.set_state(&user, AccountState::Enabled).await?;
            say(&format!("enabled {}", user.username))
        }
        UserCommand::SignOut(who) => {
            let Account { user, .. } = find(accounts, &who.name).await?;
            accounts.sign_out(&user).await?;
            say(&format!("signed {} out everywhere", user.username))
        }
        UserCommand::Password(new) => {
            let account = find(accounts, &new.name).await?;
            let password = read_password(new.password_stdin)?;
            accounts.set_password(&account.user, password).await?;
            say(&format!(
                "set the password of {}; every session has ended",
                account.user.username
            ))
        }
    }
}

/// The account of this name.
pub(crate) async fn find(accounts: &Accounts, name: &str) -> Result<Account, Failure> {
    let account = accounts.find_by_username(name).await?;
    account.ok_or_else(|| Failure::other(format!("there is no user named {name}")))
}

async fn list(accounts: &Accounts) -> Result<(), Failure> {
    let mut after = String::new();
    loop {
        let page = accounts.list(&after, PAGE).await?;
        if page.is_empty() && after.is_empty() {
            return say("there are no users yet; `handstamp user add NAME` adds one");
        }
        for (_, account) in &page {
            let User {
                username,
                email,
                created_at,
                ..
            } = &account.user;
            let email = email.as_deref().unwrap_or("-");
            say(&format!(
                "{username:<32}  {email:<32}  {created_at}  {}",
                state(account)
            ))?;
        }
        match page.last() {
            Some((cursor, _)) => after.clone_from(cursor),
            None => return Ok(()),
        }
    }
}

fn show(account: &Account) -> Result<(), Failure> {
    let User {
        id,
        username,
        email,
        created_at,
    } = &account.user;
    say(&format!("username    {username}"))?;
    say(&format!("id          {id}"))?;
    say(&format!("email       {}", email.as_deref().unwrap_or("-")))?;
    say(&format!(
        "password    {}",
        if account.password_hash.is_some() {
            "yes"
        } else {
            "no"
        }
    ))?;
    say(&format!("created     {created_at}"))?;
    let last_login = account
        .last_login_at
        .map_or("never".to_owned(), |at| at.to_string());
    say(&format!("last login  {last_login}"))?;
    say(&format!("state       {}", state(account)))
}

fn state(account: &Account) -> &'static str {
    match account.state() {
        AccountState::Enabled => "enabled",
        AccountState::Disabled => "disabled",
    }
}
