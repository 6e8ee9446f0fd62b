//! Logs, to standard error: standard output is for a command's results.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

use crate::server::settings::Variables;

/// Logs what `RUST_LOG` asks for, else what `filter` does.
pub(super) fn start(variables: &Variables, filter: &str, json: bool) {
    let asked = variables.get("RUST_LOG").map(EnvFilter::try_new);
    let filter = match asked {
        Some(Ok(filter)) => filter,
        Some(Err(_)) | None => EnvFilter::new(filter),
    };
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr);
    if json {
        // The one span there is; a list of it would tell everything again.
        logs.json().flatten_event(true).with_span_list(false).init();
    } else {
        logs.compact().with_ansi(io::stderr().is_terminal()).init();
    }
}
