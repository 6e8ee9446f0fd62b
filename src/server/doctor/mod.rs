//! `handstamp doctor`: finds what is wrong with the settings and the database here, or with a
//! deployed site, and says how to mend it.

mod local;
mod report;
mod seen;
mod site;
mod stop;
mod token;

pub use report::Report;
pub use seen::{SEEN_TEMPLATE, seen_router};
pub use stop::Stop;

use url::Url;

use super::settings::Variables;

/// Examines the site at `url`, until `stop`.
pub async fn examine_site(url: &Url, variables: &Variables, stop: &Stop) -> Report {
    let checks = site::examine(url, variables, stop).await;
    Report::new(Some(url.to_string()), checks)
}

/// Examines what a server started here would use.
pub async fn examine_here(variables: &Variables) -> Report {
    Report::new(None, local::examine(variables).await)
}
