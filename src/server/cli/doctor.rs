//! `handstamp doctor`.

use clap::Args;
use url::Url;

use super::{Failure, terminal::say};
use crate::server::{doctor, settings::Variables};

/// What to examine.
#[derive(Args, Debug)]
pub struct Doctor {
    /// The address of a deployed site; without one, the settings and the database here
    #[arg(value_parser = site)]
    pub url: Option<Url>,
    /// One JSON object
    #[arg(long)]
    pub json: bool,
}

/// Says what is wrong, and how to mend it.
pub async fn run(options: Doctor, variables: &Variables) -> Result<(), Failure> {
    let report = doctor::examine(options.url.as_ref(), variables).await;
    let text = match options.json {
        true => serde_json::to_string(&report).map_err(Failure::other)?,
        false => report.to_string(),
    };
    say(&text)?;
    match report.ok {
        true => Ok(()),
        false => Err(Failure::Told),
    }
}

fn site(text: &str) -> Result<Url, &'static str> {
    let wanted = "must be an address such as https://app.example";
    let url = Url::parse(text).map_err(|_| wanted)?;
    let is_web = matches!(url.scheme(), "http" | "https");
    let is_plain = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    (is_web && is_plain && url.has_host())
        .then_some(url)
        .ok_or(wanted)
}
