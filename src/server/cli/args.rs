//! The command line.

use std::time::Duration;

use clap::{Args, CommandFactory, Parser, Subcommand};

use crate::server::settings::{CommandName, SETTINGS, Setting};

/// Login sessions for single-page apps.
#[derive(Debug, Parser)]
#[command(name = "handstamp", version)]
pub struct Cli {
    /// What to do; `serve` when nothing is said.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Migrate the database, then serve (the default)
    Serve(Serve),
    /// Make, look at and change accounts
    #[command(subcommand)]
    User(UserCommand),
    /// Show what happened to accounts and sessions, oldest first
    Audit(Audit),
    /// Print one fresh SECRET_KEY value, nothing else
    Secret,
    /// Load sample users, posts and comments; run twice, it adds nothing
    Demo,
    /// Migrate the database and exit
    Migrate,
}

/// How to serve.
#[derive(Args, Debug, Default)]
pub struct Serve {
    /// Load the sample news first, and serve it (NEWS=on)
    #[arg(long)]
    pub demo: bool,
}

impl Default for Command {
    fn default() -> Self {
        Self::Serve(Serve::default())
    }
}

/// What to do to an account.
#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Make an account; asks for a password when no flag says otherwise
    Add(AddUser),
    /// List the accounts by name
    List,
    /// Show one account
    Show(Name),
    /// Close an account and end its sessions
    Disable(Name),
    /// Open a disabled account again
    Enable(Name),
    /// End every session of an account
    SignOut(Name),
    /// Set a password and end every session of its account
    Password(SetPassword),
}

/// Which events to show.
#[derive(Args, Debug)]
pub struct Audit {
    /// Those of this user alone
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// Those since this long ago, such as 1h or 7d; all that are kept (90 days) by default
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub since: Option<Duration>,
    /// One JSON object a line
    #[arg(long)]
    pub json: bool,
}

/// Whose account.
#[derive(Args, Debug)]
pub struct Name {
    /// The username, in any case
    pub name: String,
}

/// A new account.
#[derive(Args, Debug)]
pub struct AddUser {
    /// 2 to 32 letters, digits, '.', '_' or '-'
    pub name: String,
    /// An e-mail address
    #[arg(long, value_name = "E")]
    pub email: Option<String>,
    /// Read the password from standard input
    #[arg(long, conflicts_with = "no_password")]
    pub password_stdin: bool,
    /// Make an account that has no password (see PASSWORDLESS_LOGIN)
    #[arg(long)]
    pub no_password: bool,
}

/// A new password.
#[derive(Args, Debug)]
pub struct SetPassword {
    /// The username, in any case
    pub name: String,
    /// Read the password from standard input
    #[arg(long)]
    pub password_stdin: bool,
}

/// The parser, each command's help with the environment variables that it reads.
pub fn command() -> clap::Command {
    let of = |command| settings_help(|setting| setting.read_by.contains(&command));
    let all = settings_help(|_| true);
    Cli::command()
        .after_help(all.clone())
        .mut_subcommand("serve", |serve| serve.after_help(all))
        .mut_subcommand("demo", |demo| demo.after_help(of(CommandName::Demo)))
        .mut_subcommand("audit", |audit| audit.after_help(of(CommandName::Audit)))
        .mut_subcommand("migrate", |migrate| {
            migrate.after_help(of(CommandName::Migrate))
        })
        .mut_subcommand("user", |user| {
            user.after_help(of(CommandName::User))
                .mut_subcommands(|action| action.after_help(of(CommandName::User)))
        })
}

fn duration(text: &str) -> Result<Duration, &'static str> {
    humantime::parse_duration(text).map_err(|_| "must be a duration such as 1h or 7d")
}

fn settings_help(is_read: impl Fn(&Setting) -> bool) -> String {
    let lines = SETTINGS
        .iter()
        .filter(|setting| is_read(setting))
        .map(|setting| {
            format!(
                "  {:<28}{} [default: {}]",
                setting.name, setting.about, setting.default
            )
        });
    let lines: Vec<String> = lines.collect();
    format!("Environment (or .env):\n{}", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_arguments_do_not_contradict_each_other() {
        super::command().debug_assert();
    }
}
