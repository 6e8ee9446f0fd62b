//! Settings: from the environment, else from `.env`.

mod database_url;
mod dotenv;
mod env_reader;
mod exposed_files;
mod rate_limit;
mod secret;
mod settings;
mod trusted_proxies;

pub use database_url::DatabaseUrl;
pub use dotenv::{DOTENV, DOTENV_EXAMPLE, Variables, read_environment};
pub use env_reader::{ConfigError, EnvReader};
pub use rate_limit::RateLimit;
pub use secret::{Secret, generate_secret_key};
pub use settings::{Config, Environment, SETTINGS, Setting};
pub use trusted_proxies::is_too_wide;
