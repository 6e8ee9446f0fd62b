//! Settings: from the environment, else from `.env`.

mod config;
mod dotenv;
mod env_reader;
mod rate_limit;

pub use config::{Config, Environment, SETTINGS, Setting};
pub use dotenv::{DOTENV, DOTENV_EXAMPLE, Variables, read_environment};
pub use env_reader::{ConfigError, EnvReader};
