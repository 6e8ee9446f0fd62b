//! The `handstamp` command.

use std::process::ExitCode;

/// A request is a few dozen small allocations.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    handstamp::server::run().await
}
