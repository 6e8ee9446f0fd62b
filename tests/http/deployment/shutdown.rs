//! SIGTERM: no request is cut off, and nobody who is stuck keeps the process.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use handstamp::auth::generate_secret_key;
use tokio::task::JoinSet;

use crate::helpers::{Browser, EventStream, Process, Workplace};

const CLIENTS: u32 = 16;

fn workplace(settings: &[(&str, &str)]) -> Workplace {
    let key = generate_secret_key();
    let mut workplace = Workplace::new(settings);
    workplace.set("SECRET_KEY", &key);
    workplace
}

async fn stop(process: Process) -> Option<i32> {
    tokio::task::spawn_blocking(|| process.stop())
        .await
        .unwrap()
}

/// Clients that keep their connections, some busy, some with pauses in which a connection is idle.
struct Load {
    clients: JoinSet<Vec<String>>,
    answered: Arc<AtomicU32>,
    is_over: Arc<AtomicBool>,
}

impl Load {
    fn start(browser: &Browser) -> Self {
        let (answered, is_over) = (Arc::<AtomicU32>::default(), Arc::<AtomicBool>::default());
        let mut clients = JoinSet::new();
        for number in 0..CLIENTS {
            let cookie = format!("session={}", browser.session().unwrap());
            let client = browser.without_cookies();
            let (answered, is_over) = (answered.clone(), is_over.clone());
            let pause = Duration::from_secs(u64::from(number / 4));
            clients.spawn(async move {
                let mut failures = Vec::new();
                while !is_over.load(Ordering::Relaxed) {
                    let request = client.request(reqwest::Method::GET, "/checklogin");
                    match request.header("cookie", &cookie).send().await {
                        Ok(response) if response.status() == 200 => {
                            answered.fetch_add(1, Ordering::Relaxed);
                        }
                        Ok(response) => failures.push(response.status().to_string()),
                        // Nothing was sent.
                        Err(error) if error.is_connect() => failures.push("refused".into()),
                        Err(error) => failures.push(format!("cut off: {error:?}")),
                    }
                    if failures.last().is_some_and(|failure| failure == "refused") {
                        return failures;
                    }
                    tokio::time::sleep(pause).await;
                }
                failures
            });
        }
        Self {
            clients,
            answered,
            is_over,
        }
    }

    /// Waits for some more responses.
    async fn go_on(&self) {
        let enough = self.answered.load(Ordering::Relaxed) + 200;
        while self.answered.load(Ordering::Relaxed) < enough {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// What went wrong.
    async fn end(self) -> Vec<String> {
        self.is_over.store(true, Ordering::Relaxed);
        self.clients.join_all().await.concat()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_is_cut_off_by_a_stop() {
    let workplace = workplace(&[("SHUTDOWN_TIMEOUT", "10s")]);
    workplace.serve().browser().sign_up("Ann").await;
    for _ in 0..3 {
        let process = workplace.serve();
        let browser = process.browser();
        browser.log_in("Ann").await;
        let load = Load::start(&browser);
        load.go_on().await;
        assert_eq!(stop(process).await, Some(0));
        let mut failures = load.end().await;
        failures.retain(|failure| failure != "refused");
        assert_eq!(failures, [""; 0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_with_socket_activation_fails_no_request() {
    let workplace = workplace(&[("SHUTDOWN_TIMEOUT", "10s")]);
    // As systemd does, we hold the socket while there is no process.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut process = workplace.serve_on(&listener);
    let address = listener.local_addr().unwrap();
    assert_eq!(process.base, format!("http://{address}"));
    let browser = process.browser();
    browser.sign_up("Ann").await;
    let load = Load::start(&browser);
    for _ in 0..3 {
        load.go_on().await;
        assert_eq!(stop(process).await, Some(0));
        process = workplace.serve_on(&listener);
    }
    load.go_on().await;
    assert_eq!(load.end().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_was_idle_at_the_stop_gets_its_response() {
    let process = workplace(&[("SHUTDOWN_TIMEOUT", "10s")]).serve();
    let mut idle = connect(&process);
    assert!(!ask(&mut idle).contains("connection: close"));
    let mut unused = connect(&process);
    process.signal("TERM");
    let browser = process.browser();
    while browser.get("/readyz").await.status == 200 {}
    // Much longer than a request is on its way.
    tokio::time::sleep(Duration::from_secs(4)).await;
    for connection in [&mut idle, &mut unused] {
        let response = ask(connection);
        assert!(response.starts_with("HTTP/1.1 200"), "{response}");
        assert!(response.contains("connection: close"), "{response}");
        assert_eq!(connection.read(&mut [0; 64]).unwrap(), 0, "closed");
    }
    assert_eq!(stop(process).await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stuck_client_does_not_keep_the_process() {
    let process = workplace(&[("SHUTDOWN_TIMEOUT", "100ms")]).serve();
    let stuck = send_half_a_login(&process);
    let mut slow = connect(&process);
    slow.write_all(b"GET /checklogin HTTP/1.1\r\nhost: ")
        .unwrap();
    assert_eq!(stop(process).await, Some(0));
    assert_eq!(received([stuck, slow]), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn stuck_clients_in_every_place_do_not_keep_the_process() {
    let process = workplace(&[("SHUTDOWN_TIMEOUT", "1s")]).serve_with_open_files(64);
    let stuck: Vec<_> = (0..20).map(|_| send_half_a_login(&process)).collect();
    assert_eq!(stop(process).await, Some(0));
    assert_eq!(received(stuck), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_stops_the_server_as_soon_as_it_says_that_it_listens() {
    let stops = (0..8).map(|_| {
        tokio::task::spawn_blocking(|| {
            let workplace = workplace(&[]);
            let process = workplace.serve();
            process.signal("TERM");
            process.wait()
        })
    });
    for status in stops.collect::<Vec<_>>() {
        assert_eq!(status.await.unwrap(), Some(0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_interrupt_ends_the_process_at_once() {
    let process = workplace(&[("SHUTDOWN_TIMEOUT", "1h")]).serve();
    let stuck = send_half_a_login(&process);
    process.signal("INT");
    process.wait_for_log("shutting down");
    process.signal("INT");
    let status = tokio::task::spawn_blocking(|| process.wait())
        .await
        .unwrap();
    assert_eq!(status, Some(0));
    assert_eq!(received([stuck]), "");
}

/// They would be in flight for as long as their sessions live.
#[tokio::test(flavor = "multi_thread")]
async fn open_streams_of_events_do_not_hold_a_stop_up() {
    let workplace = workplace(&[("SHUTDOWN_TIMEOUT", "1h")]);
    let process = workplace.serve();
    let browser = process.browser();
    browser.sign_up("Ann").await;
    let mut streams = Vec::new();
    for _ in 0..3 {
        streams.push(EventStream::open(&browser).await);
    }
    assert_eq!(streams[0].headers()["connection"], "close");
    process.signal("TERM");
    for mut stream in streams {
        assert_eq!(stream.next().await, None, "the session has not ended");
    }
    // One that comes during the stop is told when to come again.
    let during = browser.request(reqwest::Method::GET, "/session/events");
    let during = browser.send(during).await;
    assert_eq!(during.status, 200);
    assert!(
        during.text.starts_with("event: session\n"),
        "{}",
        during.text
    );
    assert!(during.text.contains("retry: "), "{}", during.text);
    // Gives up the connections that it keeps.
    drop(browser);
    assert_eq!(stop(process).await, Some(0));

    let mut again = workplace;
    again.set("SHUTDOWN_TIMEOUT", "1s");
    let process = again.serve();
    assert_eq!(process.browser().log_in("Ann").await.status, 200);
}

fn send_half_a_login(process: &Process) -> TcpStream {
    let mut stuck = connect(process);
    let half = b"POST /login HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
                 content-length: 100\r\n\r\n{";
    stuck.write_all(half).unwrap();
    stuck
}

/// What has come on these connections until they were closed. Where a request takes as long as it
/// may, a response to it comes.
fn received(connections: impl IntoIterator<Item = TcpStream>) -> String {
    let mut received = Vec::new();
    for mut connection in connections {
        let _ = connection.read_to_end(&mut received);
    }
    String::from_utf8(received).unwrap()
}

/// A client may send the body of a request that is refused by its head alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_request_leaves_the_connection_as_it_was() {
    let process = workplace(&[]).serve();
    let mut connection = connect(&process);
    for _ in 0..3 {
        connection
            .write_all(
                b"POST /posts HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
                  content-length: 20\r\n\r\n{",
            )
            .unwrap();
        // The refusal, if it does not wait for the body, is on its way by now.
        tokio::time::sleep(Duration::from_millis(100)).await;
        connection.write_all(&[b'x'; 19]).unwrap();
        let response = response(&mut connection);
        assert!(response.starts_with("HTTP/1.1 401"), "{response}");
    }
    assert!(ask(&mut connection).starts_with("HTTP/1.1 200"));
}

fn connect(process: &Process) -> TcpStream {
    let address = process.base.strip_prefix("http://").unwrap();
    TcpStream::connect(address).unwrap()
}

/// The response to `GET /healthz`.
fn ask(connection: &mut TcpStream) -> String {
    connection
        .write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .unwrap();
    response(connection)
}

/// A response in JSON.
fn response(connection: &mut TcpStream) -> String {
    let mut response = Vec::new();
    let mut part = [0; 4096];
    while !response.ends_with(b"}") {
        let read = connection.read(&mut part).unwrap();
        assert!(read > 0, "closed before the response");
        response.extend_from_slice(&part[..read]);
    }
    String::from_utf8(response).unwrap()
}
