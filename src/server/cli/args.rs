//! The command line.

use std::{path::PathBuf, time::Duration};

use clap::{Args, CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

use super::doctor::Doctor;
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
    /// Find what is wrong with the settings and the database here, or with a deployed site
    Doctor(Doctor),
    /// Print one fresh SECRET_KEY value, nothing else
    Secret,
    /// Load sample users, posts and comments; run twice, it adds nothing
    Demo,
    /// Migrate the database and exit
    Migrate,
    /// Write a consistent copy of a SQLite database to a file, also while it is in use
    Backup(Backup),
    /// Put a backup in the place of a SQLite database; stop its servers first
    Restore(Restore),
    /// Copy everything from DATABASE_URL to another database, live sessions included
    MoveDatabase(MoveDatabase),
    /// Print a shell's completions, to be read by it: handstamp completions bash
    Completions(Completions),
    /// Write a man page for each command into a folder
    Man(Man),
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

/// Where to write a backup.
#[derive(Args, Debug)]
pub struct Backup {
    /// The file to write
    pub file: PathBuf,
    /// Replace the file if it exists
    #[arg(long)]
    pub force: bool,
}

/// What to restore.
#[derive(Args, Debug)]
pub struct Restore {
    /// A file that `handstamp backup` has written
    pub file: PathBuf,
    /// Replace the database if it exists
    #[arg(long)]
    pub force: bool,
    /// End every session in the backup: some may have been ended since
    #[arg(long)]
    pub end_sessions: bool,
}

/// Where to move.
#[derive(Args, Debug)]
pub struct MoveDatabase {
    /// sqlite://FILE, created if it is missing, or postgres://…; without rows
    #[arg(long, value_name = "URL")]
    pub to: String,
}

/// Whose completions.
#[derive(Args, Debug)]
pub struct Completions {
    /// The shell
    pub shell: Shell,
}

/// Where to write man pages.
#[derive(Args, Debug)]
pub struct Man {
    /// The folder, created if it is missing
    pub folder: PathBuf,
}

/// What to do to an account.
#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Make an account; asks for a password when no flag says otherwise
    Add(AddUser),
    /// List the accounts by name
    List(List),
    /// Show one account
    Show(Listed),
    /// List where somebody is logged in, newest first
    Sessions(Listed),
    /// Close an account and end its sessions
    Disable(Name),
    /// Open a disabled account again
    Enable(Name),
    /// End every session of an account, or of every account
    SignOut(SignOut),
    /// Delete an account with its sessions; what its user has written stays
    Delete(Name),
    /// Make an account, and mail its user a link to choose a password with
    Invite(Invite),
    /// Mail somebody a link to choose a new password with
    Reset(Name),
    /// Change an address, which its old one is told; links that were sent are of no use any more
    Email(NewEmail),
    /// Take somebody's second factor away who has lost it: codes and recovery codes, not passkeys
    ResetSecondFactor(Name),
    /// List somebody's passkeys, or delete one that is lost or was added by somebody else
    Passkeys(Passkeys),
    /// Set a password and end every session of its account; `reset` lets its user choose one
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

/// How to list.
#[derive(Args, Debug)]
pub struct List {
    /// One JSON object a line
    #[arg(long)]
    pub json: bool,
}

/// What to show of whose account.
#[derive(Args, Debug)]
pub struct Listed {
    /// The username, in any case
    pub name: String,
    /// One JSON object a line
    #[arg(long)]
    pub json: bool,
}

/// Whose passkeys.
#[derive(Args, Debug)]
pub struct Passkeys {
    /// The username, in any case
    pub name: String,
    /// Delete this one, by its id in the list; sessions go on
    #[arg(long, value_name = "ID", allow_hyphen_values = true)]
    pub delete: Option<String>,
    /// One JSON object a line
    #[arg(long, conflicts_with = "delete")]
    pub json: bool,
}

/// Whose sessions to end.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub struct SignOut {
    /// The username, in any case
    pub name: Option<String>,
    /// Every user's
    #[arg(long)]
    pub all: bool,
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

/// Whom to invite.
#[derive(Args, Debug)]
pub struct Invite {
    /// 2 to 32 letters, digits, '.', '_' or '-'
    pub name: String,
    /// Where the link is sent to
    #[arg(long, value_name = "E")]
    pub email: String,
}

/// A new address.
#[derive(Args, Debug)]
pub struct NewEmail {
    /// The username, in any case
    pub name: String,
    /// The e-mail address
    #[arg(long, value_name = "E")]
    pub email: String,
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
        .mut_subcommand("serve", |serve| serve.after_help(all.clone()))
        .mut_subcommand("doctor", |doctor| doctor.after_help(all))
        .mut_subcommand("demo", |demo| demo.after_help(of(CommandName::Demo)))
        .mut_subcommand("audit", |audit| audit.after_help(of(CommandName::Audit)))
        .mut_subcommand("backup", |backup| {
            backup.after_help(of(CommandName::Database))
        })
        .mut_subcommand("restore", |restore| {
            restore.after_help(of(CommandName::Database))
        })
        .mut_subcommand("move-database", |moving| {
            moving.after_help(of(CommandName::Database))
        })
        .mut_subcommand("migrate", |migrate| {
            migrate.after_help(of(CommandName::Migrate))
        })
        .mut_subcommand("user", |user| {
            user.after_help(of(CommandName::User))
                .mut_subcommands(|action| {
                    let writes_mail = matches!(
                        action.get_name(),
                        "email"
                            | "invite"
                            | "passkeys"
                            | "password"
                            | "reset"
                            | "reset-second-factor"
                    );
                    action.after_help(of(match writes_mail {
                        true => CommandName::Mail,
                        false => CommandName::User,
                    }))
                })
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
