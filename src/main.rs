//! Parse, dispatch, exit status.

mod cli;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::FromArgMatches;
use cli::{Cli, Command};
use handstamp::config::generate_secret_key;

/// A request is a few dozen small allocations.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    let cli = match Cli::from_arg_matches(&cli::command().get_matches()) {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    let done = match cli.command.unwrap_or_default() {
        Command::Serve(options) => cli::serve(options).await,
        Command::User(command) => cli::user(command).await,
        Command::Audit(options) => cli::audit(options).await,
        Command::Secret => cli::say(&generate_secret_key()),
        Command::Demo => cli::demo().await,
        Command::Migrate => cli::migrate().await,
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
