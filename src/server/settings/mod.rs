//! Settings: from the environment, else from `.env`.

mod auth;
mod config;
mod dotenv;
mod env_reader;
mod exposed_files;
mod mail;
mod passkeys;
mod table;
mod unknown;
mod values;

pub use config::{Config, Environment, SignUps};
pub use dotenv::{DOTENV, DOTENV_EXAMPLE, Variables, read_environment, without_password};
pub use env_reader::{ConfigError, EnvReader};
pub use mail::MailSettings;
pub use passkeys::PasskeySettings;
pub use table::{CommandName, SETTINGS, Setting};
pub use unknown::unknown_names;
pub use values::is_too_wide;
