//! The same rows against peers: `benches/conformance` starts them and runs this.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;

use super::{
    clients, cookie, cross_site, input, responses, sessions,
    subject::{Row, Subject},
    table, tampering,
};

pub fn all_rows() -> impl Iterator<Item = &'static Row> {
    let tables = [
        cookie::ROWS,
        tampering::ROWS,
        sessions::ROWS,
        cross_site::ROWS,
        responses::ROWS,
        input::ROWS,
        clients::ROWS,
    ];
    tables.into_iter().flatten()
}

/// `PEERS` is `NAME=URL NAME=URL`, in the order of the table's columns.
#[tokio::test(flavor = "multi_thread")]
#[allow(clippy::print_stdout)]
#[ignore = "benches/conformance starts the peers and runs it"]
async fn fill_the_table() {
    let peers = std::env::var("PEERS").expect("PEERS is not set: benches/conformance sets it");
    let mut columns = Vec::new();
    for peer in peers.split(' ') {
        let (name, base) = peer.split_once('=').unwrap();
        let mut column = Vec::new();
        for ((module, row), put) in all_rows() {
            let outcome = AssertUnwindSafe(put(Subject::peer(base)))
                .catch_unwind()
                .await;
            let why = outcome.as_ref().err().map(|panic| {
                let text = panic.downcast_ref::<String>().cloned();
                text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
                    .unwrap_or_default()
                    .replace('\n', " ")
            });
            println!(
                "{name} {module}::{row}: {}",
                why.as_deref().unwrap_or("holds")
            );
            column.push(((*module, *row), outcome.is_ok()));
        }
        columns.push(column);
    }
    table::write_peers(&columns);
}
