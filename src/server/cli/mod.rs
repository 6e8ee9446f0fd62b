//! The commands.

mod args;
mod audit;
mod database;
mod demo;
mod doctor;
mod failure;
mod first_run;
mod logging;
mod reference;
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
use crate::{
    auth::generate_secret_key,
    server::settings::{Variables, read_environment, unknown_names},
};

/// Runs the command that the process was started with.
pub async fn run() -> ExitCode {
    let cli = match Cli::from_arg_matches(&args::command().get_matches()) {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    let done = match cli.command.unwrap_or_default() {
        Command::Serve(options) => serve::serve(options).await,
        Command::User(command) => user::run(command, &settings()).await,
        Command::Audit(options) => audit::run(options, &settings()).await,
        Command::Doctor(options) => doctor::run(options, &read_environment()).await,
        Command::Secret => say(&generate_secret_key()),
        Command::Demo => demo::demo(&settings()).await,
        Command::Migrate => user::migrate(&settings()).await,
        Command::Backup(options) => database::backup(&options, &settings()).await,
        Command::Restore(options) => database::restore(&options, &settings()).await,
        Command::MoveDatabase(options) => database::move_database(&options.to, &settings()).await,
        Command::Completions(options) => reference::completions(options.shell),
        Command::Man(options) => reference::man_pages(&options.folder),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Told) => ExitCode::from(1),
        Err(failure) => {
            let text = read_environment().without_secrets(&failure.to_string());
            // With standard error closed there is nobody left to tell.
            let _ = writeln!(io::stderr(), "{text}");
            failure.exit_code()
        }
    }
}

/// The settings of a command, which logs what goes wrong alone unless `RUST_LOG` asks for more.
fn settings() -> Variables {
    let variables = read_environment();
    logging::start(&variables, "warn", false);
    warn_of_unknown_names(&variables);
    variables
}

fn warn_of_unknown_names(variables: &Variables) {
    for what in unknown_names(variables) {
        tracing::warn!("{what}");
    }
}
