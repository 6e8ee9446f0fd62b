//! How many connections fit into the files that the process may have open.

use thiserror::Error;

/// Further connections wait until one is closed.
const MAX_CONNECTIONS: u64 = 10_000;
/// Fewer than a page or two of browsers open.
const FEW_CONNECTIONS: u64 = 500;
/// The databases, the log and the listener need about thirty.
const OWN_FILES: u64 = 40;
/// Each connection may read a file of the page; this many at a time have room.
const MAX_PAGE_FILES: u64 = 216;
/// Room for a few connections.
const MIN_FILES: u64 = OWN_FILES + 8;

/// The system lets the process open too few files for a server.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error(
    "a process may have {limit} files open here, and a server needs {MIN_FILES}: raise the limit \
     (ulimit -n, or LimitNOFILE= of systemd)"
)]
#[non_exhaustive]
pub struct TooFewOpenFiles {
    limit: u64,
}

/// Raises the number of files that the process may have open as far as the system lets it.
///
/// # Errors
/// When a server cannot run with as many.
pub fn raise_open_files() -> Result<(), TooFewOpenFiles> {
    match raised_limit() {
        limit @ ..MIN_FILES => Err(TooFewOpenFiles { limit }),
        _ => Ok(()),
    }
}

/// As many connections as there may be at a time.
pub(super) fn connection_limit() -> usize {
    let files = raised_limit();
    let connections = connections_within(files);
    if connections < FEW_CONNECTIONS {
        tracing::warn!(
            files,
            connections,
            "the limit of open files allows but few connections"
        );
    }
    usize::try_from(connections).unwrap_or(usize::MAX)
}

/// As many event streams as there may be at a time, so that the other connections are left for
/// requests.
pub(crate) fn max_event_streams() -> usize {
    // Not raised: the server of the app may be another one than ours.
    let files = rlimit::Resource::NOFILE.get_soft().unwrap_or(MIN_FILES);
    usize::try_from(streams_within(files)).unwrap_or(usize::MAX)
}

fn streams_within(files: u64) -> u64 {
    (connections_within(files) * 3 / 4).max(1)
}

/// The usual limit of 1,024 is raised as far as the system lets us.
fn raised_limit() -> u64 {
    rlimit::increase_nofile_limit(MAX_CONNECTIONS + OWN_FILES + MAX_PAGE_FILES).unwrap_or(MIN_FILES)
}

fn connections_within(files: u64) -> u64 {
    let others = files.saturating_sub(OWN_FILES);
    let page_files = (others / 2).min(MAX_PAGE_FILES);
    (others - page_files).clamp(1, MAX_CONNECTIONS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_low_limit_leaves_files_for_the_database_and_the_page() {
        assert_eq!(connections_within(1_000_000), MAX_CONNECTIONS);
        assert_eq!(connections_within(1_024), 768);
        assert_eq!(connections_within(64), 12);
        assert_eq!(connections_within(MIN_FILES), 4);
        assert_eq!(connections_within(0), 1);
    }

    #[test]
    fn event_streams_leave_connections_for_requests() {
        assert_eq!(streams_within(1_000_000), 7_500);
        assert_eq!(streams_within(1_024), 576);
        assert_eq!(streams_within(64), 9);
    }
}
