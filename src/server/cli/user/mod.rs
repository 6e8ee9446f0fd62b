//! What an operator does to accounts.

mod listing;
mod passkeys;

use self::listing::{AccountJson, SessionJson, account_line, account_page, session_line};
use super::{
    Failure,
    args::{Listed, SignOut, UserCommand},
    database::{Needs, open},
    terminal::{harmless, read_password, say, say_json, warn},
};
use crate::{
    Clock,
    auth::{Account, AccountState, Accounts, Application, session::timeouts::Timeouts},
    server::settings::{CommandName, Config, Variables},
};

const PAGE: i64 = 500;

/// Carries out `command`.
pub async fn run(command: UserCommand, variables: &Variables) -> Result<(), Failure> {
    let name = match command {
        UserCommand::Invite(_)
        | UserCommand::Reset(_)
        | UserCommand::Email(_)
        | UserCommand::ResetSecondFactor(_)
        | UserCommand::Passkeys(_)
        | UserCommand::Password(_) => CommandName::Mail,
        _ => CommandName::User,
    };
    let config = Config::for_command(variables, name)?;
    if matches!(command, UserCommand::Invite(_) | UserCommand::Reset(_)) {
        refuse_without_mail(&config)?;
    }
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
        UserCommand::List(options) => list(accounts, options.json).await,
        UserCommand::Show(who) => {
            let account = find(accounts, &who.name).await?;
            match who.json {
                true => say_json(&AccountJson::of(&account)),
                false => say(&account_page(&account)),
            }
        }
        UserCommand::Sessions(of) => list_sessions(of, accounts, config).await,
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
        UserCommand::SignOut(SignOut {
            name: Some(name), ..
        }) => {
            let Account { user, .. } = find(accounts, &name).await?;
            accounts.sign_out(&user).await?;
            say(&format!("signed {} out everywhere", user.username))
        }
        UserCommand::SignOut(SignOut { name: None, .. }) => {
            let ended = accounts.sign_out_all().await?;
            say(&format!(
                "signed everybody out; {ended} sessions have ended"
            ))
        }
        UserCommand::Delete(who) => {
            let Account { user, .. } = find(accounts, &who.name).await?;
            accounts.delete(&user).await?;
            say(&format!(
                "deleted {}; every session has ended",
                user.username
            ))
        }
        UserCommand::Invite(new) => {
            let user = accounts.invite(&new.name, &new.email).await?;
            say(&format!(
                "added {}; the server sends a link to {}",
                user.username, new.email
            ))
        }
        UserCommand::Reset(who) => {
            let account = find(accounts, &who.name).await?;
            let email = accounts.send_password_reset(&account).await?;
            say(&format!(
                "the server sends {} a link to choose a new password with, to {}",
                account.user.username,
                harmless(&email)
            ))
        }
        UserCommand::Email(new) => {
            let Account { user, .. } = find(accounts, &new.name).await?;
            let user = accounts.change_email(&user, Some(&new.email)).await?;
            say(&format!(
                "the address of {} is {}, not verified yet",
                user.username,
                harmless(&new.email)
            ))
        }
        UserCommand::ResetSecondFactor(who) => {
            let Account { user, .. } = find(accounts, &who.name).await?;
            say(&match accounts.reset_second_factor(&user).await? {
                true => format!("{} logs in without a code now", user.username),
                false => format!("{} has no second factor", user.username),
            })
        }
        UserCommand::Passkeys(of) => passkeys::run(of, accounts).await,
        UserCommand::Password(new) => {
            let account = find(accounts, &new.name).await?;
            let password = read_password(new.password_stdin)?;
            accounts.set_password(&account.user, password).await?;
            warn_of_chosen_password(&account)?;
            say(&format!(
                "set the password of {}; every session has ended",
                account.user.username
            ))
        }
    }
}

/// Names what is missing before anything is changed.
fn refuse_without_mail(config: &Config) -> Result<(), Failure> {
    let mistake = |what: &str| Err(Failure::Mistakes(vec![what.to_owned()]));
    if config.secret_key.is_none() {
        return mistake("SECRET_KEY: is not set; mails wait encrypted with a key derived from it");
    }
    match config.sends_mail() {
        true => Ok(()),
        false => mistake("SMTP_URL: is not set, so no mail can be sent"),
    }
}

/// ASVS 6.4.6: an operator may start a reset, but is not to know anybody's password.
fn warn_of_chosen_password(account: &Account) -> Result<(), Failure> {
    let name = &account.user.username;
    warn(&format!(
        "you now know the password of {name}: have them change it; `handstamp user reset {name}` \
         lets them choose one by mail"
    ))
}

/// The account of this name.
pub(crate) async fn find(accounts: &Accounts, name: &str) -> Result<Account, Failure> {
    let account = accounts.find_by_username(name).await?;
    account.ok_or_else(|| Failure::other(format!("there is no user named {name}")))
}

async fn list(accounts: &Accounts, json: bool) -> Result<(), Failure> {
    let mut after = String::new();
    loop {
        let page = accounts.list(&after, PAGE).await?;
        if page.is_empty() && after.is_empty() && !json {
            return say("there are no users yet; `handstamp user add NAME` adds one");
        }
        for (_, account) in &page {
            match json {
                true => say_json(&AccountJson::of(account))?,
                false => say(&account_line(account))?,
            }
        }
        match page.last() {
            Some((cursor, _)) => after.clone_from(cursor),
            None => return Ok(()),
        }
    }
}

async fn list_sessions(of: Listed, accounts: &Accounts, config: &Config) -> Result<(), Failure> {
    let account = find(accounts, &of.name).await?;
    let timeouts = Timeouts {
        idle: config.session_idle_timeout,
        absolute: config.session_absolute_timeout,
    };
    let sessions = accounts.sessions(&account, timeouts).await?;
    if sessions.is_empty() && !of.json {
        return say(&format!("{} is logged in nowhere", account.user.username));
    }
    for session in &sessions {
        match of.json {
            true => say_json(&SessionJson::of(session))?,
            false => say(&session_line(session))?,
        }
    }
    Ok(())
}
