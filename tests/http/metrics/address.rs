//! Where `GET /metrics` is: on an address that another server may have had, or may want.

use super::{
    counts::{measured, serve_on},
    scrape::Target,
};
use crate::helpers::{Database, Kind, Workplace};

#[test]
fn an_address_that_cannot_be_had_is_a_mistake() {
    for address in ["on", "9464", "localhost", "192.0.2.1:9464"] {
        let workplace = Workplace::new(&[("METRICS_ADDR", address), ("PORT", "0")]);
        let output = workplace.run(&["serve"]);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("METRICS_ADDR: "), "{said}");
        assert!(output.stdout.is_empty(), "it must not say that it listens");
    }
}

#[test]
fn an_address_that_is_taken_is_waited_for_and_then_refused() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let workplace = Workplace::new(&[("METRICS_ADDR", &address), ("PORT", "0")]);
    let output = workplace.run(&["serve"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("METRICS_ADDR: "), "{said}");
}

/// The next server starts while the one before it still has requests to finish.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_gives_the_address_up() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap().to_string();
    drop(free);
    let database = Database::new(Kind::Sqlite).await;
    let settings = [("METRICS_ADDR", &*address)];
    let first = serve_on(&database, &settings);
    Target::of(&first).scrape().await;
    first.signal("TERM");
    let second = serve_on(&database, &settings);
    Target::of(&second).scrape().await;
}

/// The connections that the process may have are for the public port.
#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_to_the_metrics_are_few() {
    let (_database, process, target) = measured(Kind::Sqlite, &[]).await;
    let open = target.scrape().await.value("process_open_fds");
    let logs = process.logs();
    let (_, address) = logs.split_once("metrics at http://").unwrap();
    let address = address.split('/').next().unwrap();
    let idle: Vec<_> = (0..60)
        .map(|_| std::net::TcpStream::connect(address).unwrap())
        .collect();
    let with_idle = target.scrape().await.value("process_open_fds");
    assert!(with_idle < open + 20.0, "{open}, then {with_idle}");
    drop(idle);
}
