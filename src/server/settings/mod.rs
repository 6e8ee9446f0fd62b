//! Settings: from the environment, else from `.env`.

mod api_prefix;
mod config;
mod dotenv;
mod env_reader;
mod exposed_files;
mod mail;
mod page_csp;
mod passkeys;
mod rate_limit;
mod table;
mod trusted_proxies;
mod unknown;

pub use config::{Config, Environment, SignUps};
pub use dotenv::{DOTENV, DOTENV_EXAMPLE, Variables, read_environment, without_password};
pub use env_reader::{ConfigError, EnvReader};
pub use mail::MailSettings;
pub use passkeys::PasskeySettings;
pub use table::{CommandName, SETTINGS, Setting};
pub use trusted_proxies::is_too_wide;
pub use unknown::unknown_names;
