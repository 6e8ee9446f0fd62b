//! `handstamp doctor`: finds what is wrong with the settings and the database here, or with a
//! deployed site, and says how to mend it.

mod local;
mod report;
mod seen;
mod site;
mod token;

pub use report::Report;
pub use seen::{SEEN_TEMPLATE, seen_router};

use url::Url;

use super::settings::Variables;

/// Examines the site at `url`, or without one what a server started here would use.
pub async fn examine(url: Option<&Url>, variables: &Variables) -> Report {
    match url {
        Some(url) => {
            let checks = site::examine(url, variables).await;
            Report::new(Some(url.to_string()), checks)
        }
        None => Report::new(None, local::examine(variables).await),
    }
}
