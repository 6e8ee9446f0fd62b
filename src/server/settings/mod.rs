//! Settings: from the environment, else from `.env`.

mod config;
mod dotenv;
mod env_reader;
mod exposed_files;
mod rate_limit;
mod trusted_proxies;

pub use config::{Config, Environment, SETTINGS, Setting};
pub use dotenv::{DOTENV, DOTENV_EXAMPLE, Variables, read_environment};
pub use env_reader::{ConfigError, EnvReader};
pub use trusted_proxies::is_too_wide;
