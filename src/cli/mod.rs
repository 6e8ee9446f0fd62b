//! The commands.

mod args;
mod audit;
mod demo;
mod failure;
mod first_run;
mod serve;
mod terminal;
mod user;

pub use args::{Cli, Command, command};
pub use audit::run as audit;
pub use demo::demo;
pub use failure::Failure;
pub use serve::serve;
pub use terminal::say;
pub use user::{migrate, run as user};
