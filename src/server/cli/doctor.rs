//! `handstamp doctor`.

use clap::Args;
use url::Url;

use super::{Failure, terminal::say};
use crate::server::{
    doctor::{self, Stop},
    settings::Variables,
};

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
    let report = match &options.url {
        Some(url) => {
            let stop = Stop::on_signals().map_err(Failure::other)?;
            doctor::examine_site(url, variables, &stop).await
        }
        None => doctor::examine_here(variables).await,
    };
    let text = if options.json {
        serde_json::to_string(&report).map_err(Failure::other)?
    } else {
        report.to_string()
    };
    say(&text)?;
    if report.ok {
        Ok(())
    } else {
        Err(Failure::Told)
    }
}

fn site(text: &str) -> Result<Url, &'static str> {
    let wanted = "must be an address such as https://app.example";
    let url = Url::parse(text).map_err(|_| wanted)?;
    let is_web = matches!(url.scheme(), "http" | "https");
    // What is not used would be printed all the same, a password among it.
    let has_more = url.query().is_some() || url.fragment().is_some();
    let has_login = !url.username().is_empty() || url.password().is_some();
    let is_plain = !has_more && !has_login;
    (is_web && is_plain && url.has_host())
        .then_some(url)
        .ok_or(wanted)
}
