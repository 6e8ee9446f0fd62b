//! What was begun is done to the end, whoever hangs up.

use tracing::Instrument;

use super::error::Error;

/// Does `work` on a task of its own: a handler ends wherever it stands when its client hangs
/// up, and what was counted or committed by then would be neither taken back nor written down.
pub(crate) async fn run_to_completion<T: Send + 'static>(
    work: impl Future<Output = Result<T, Error>> + Send + 'static,
) -> Result<T, Error> {
    let done = tokio::spawn(work.in_current_span()).await;
    done.map_err(Error::internal)?
}
