//! The first run writes its own `.env`, so that `cargo run` is all that a newcomer types.

use std::{
    fs::OpenOptions,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use super::Failure;
use crate::{
    auth::cookie::generate_secret_key,
    server::settings::{DOTENV, DOTENV_EXAMPLE, Variables, read_environment},
};

/// The settings of a server, and whether `.env` was written: a new one where there is none, no key
/// is set elsewhere, and this is not production.
pub fn environment() -> Result<(Variables, bool), Failure> {
    let variables = read_environment();
    let is_production = variables.get("APP_ENV") == Some("production");
    if is_production || variables.get("SECRET_KEY").is_some() || Path::new(DOTENV).exists() {
        return Ok((variables, false));
    }
    write_dotenv()
        .map_err(|error| Failure::other(format!("{DOTENV} cannot be written: {error}")))?;
    Ok((read_environment(), true))
}

fn write_dotenv() -> io::Result<()> {
    let with_key = format!("SECRET_KEY={}\n", generate_secret_key());
    let text = DOTENV_EXAMPLE.replacen("SECRET_KEY=\n", &with_key, 1);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(DOTENV)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
