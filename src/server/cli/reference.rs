//! Completions and man pages, made from the parser itself.

use std::{
    fs,
    io::{self, Write},
    path::Path,
};

use clap_complete::Shell;

use super::{Failure, args, terminal::say};

/// Prints the completions of `shell`.
pub fn completions(shell: Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    let mut command = args::command();
    let name = command.get_name().to_owned();
    clap_complete::generate(shell, &mut command, name, &mut script);
    match io::stdout().write_all(&script) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome.map_err(Failure::other),
    }
}

/// Writes a man page for each command into `folder`.
pub fn man_pages(folder: &Path) -> Result<(), Failure> {
    let written =
        fs::create_dir_all(folder).and_then(|()| clap_mangen::generate_to(args::command(), folder));
    written.map_err(|error| {
        Failure::other(format!("cannot write to {}: {error}", folder.display()))
    })?;
    say(&format!("wrote man pages to {}", folder.display()))
}
