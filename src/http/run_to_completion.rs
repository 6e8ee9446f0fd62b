//! Work that runs to completion, also when its client disconnects.

use tracing::Instrument;

use super::error::Error;
use crate::db;

/// Runs `work` on a task of its own: a handler is dropped at its current `await` when its client
/// disconnects, and an attempt that it had counted would not be taken back. A single write does
/// not need this ([`Db::write`](crate::Db)).
pub(crate) async fn run_to_completion<T: Send + 'static>(
    work: impl Future<Output = Result<T, Error>> + Send + 'static,
) -> Result<T, Error> {
    let done = tokio::spawn(db::as_request(work).in_current_span()).await;
    done.map_err(Error::internal)?
}
