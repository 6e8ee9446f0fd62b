//! What the binary alone needs: settings from the environment, commands, the built page.

pub mod app;
mod cli;
mod doctor;
mod health;
pub mod metrics;
mod openapi;
mod page;
pub mod settings;

pub use cli::run;
pub use health::Health;
pub use settings::Config;
