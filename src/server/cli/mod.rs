//! The commands.

mod args;
mod audit;
mod demo;
mod failure;
mod first_run;
mod serve;
mod terminal;
mod user;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::FromArgMatches;

use self::{
    args::{Cli, Command},
    failure::Failure,
    terminal::say,
};
use crate::auth::generate_secret_key;

/// Runs the command that the process was started with.
pub async fn run() -> ExitCode {
    let cli = match Cli::from_arg_matches(&args::command().get_matches()) {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    let done = match cli.command.unwrap_or_default() {
        Command::Serve(options) => serve::serve(options).await,
        Command::User(command) => user::run(command).await,
        Command::Audit(options) => audit::run(options).await,
        Command::Secret => say(&generate_secret_key()),
        Command::Demo => demo::demo().await,
        Command::Migrate => user::migrate().await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // With standard error closed there is nobody left to tell.
            let _ = writeln!(io::stderr(), "{failure}");
            failure.exit_code()
        }
    }
}
