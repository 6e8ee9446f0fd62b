mod postfix;

pub use postfix::Postfix;

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use serde_json::Value;

const SCRIPT: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/http/helpers/mail/smtp_server.py"
);
/// Longer than anything takes, so that a test fails rather than hangs.
const PATIENCE: Duration = Duration::from_secs(60);
/// Where links lead in tests.
pub const PUBLIC_URL: &str = "https://app.example";

/// A mail server that keeps what it gets.
pub struct MailServer {
    child: Child,
    port: u16,
    arguments: Vec<String>,
    received: Arc<Mutex<Vec<Received>>>,
}

/// A mail that has arrived.
#[derive(Clone, Debug)]
pub struct Received(pub Value);

impl Received {
    fn field(&self, name: &str) -> &str {
        self.0[name].as_str().unwrap_or_else(|| panic!("{self:?}"))
    }

    pub fn to(&self) -> &str {
        self.0["to"][0].as_str().unwrap()
    }

    pub fn subject(&self) -> &str {
        self.field("subject")
    }

    pub fn text(&self) -> &str {
        self.field("text")
    }

    pub fn html(&self) -> &str {
        self.field("html")
    }

    pub fn header(&self, name: &str) -> &str {
        self.0["headers"][name]
            .as_str()
            .unwrap_or_else(|| panic!("{self:?}"))
    }

    /// The only link that has a token.
    pub fn link(&self) -> String {
        let links = self.text().split_whitespace();
        let links: Vec<&str> = links.filter(|word| word.contains("#token=")).collect();
        assert_eq!(links.len(), 1, "{self:?}");
        links[0].to_owned()
    }

    pub fn token(&self) -> String {
        self.link().split_once("#token=").unwrap().1.to_owned()
    }
}

impl MailServer {
    /// One that speaks neither TLS nor asks for a login.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    pub fn start_with(arguments: &[&str]) -> Self {
        let arguments: Vec<String> = arguments.iter().map(|one| (*one).to_owned()).collect();
        let received = Arc::default();
        let (child, port) = spawn(&arguments, 0, &received);
        Self {
            child,
            port,
            arguments,
            received,
        }
    }

    pub fn url(&self) -> String {
        format!("smtp://127.0.0.1:{}", self.port)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// The settings of a server that sends its mail here.
    pub fn settings(&self) -> Vec<(String, String)> {
        let pairs = [
            ("SMTP_URL", self.url()),
            ("MAIL_FROM", "The App <noreply@app.example>".to_owned()),
            ("PUBLIC_URL", PUBLIC_URL.to_owned()),
        ];
        let pairs = pairs.into_iter();
        pairs
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    }

    /// Has it accept connections and say nothing.
    pub fn hang(&self) {
        self.signal("STOP");
    }

    pub fn go_on(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status();
        assert!(sent.unwrap().success());
    }

    pub fn stop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again on the same port.
    pub fn start_again(&mut self) {
        (self.child, _) = spawn(&self.arguments, self.port, &self.received);
    }

    /// All that has arrived so far.
    pub fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    /// The mails to this address so far.
    pub fn received_by(&self, to: &str) -> Vec<Received> {
        let mut received = self.received();
        received.retain(|mail| mail.to() == to);
        received
    }

    /// Waits for the `number`th mail to this address.
    pub async fn nth(&self, to: &str, number: usize) -> Received {
        self.nth_within(to, number, PATIENCE).await
    }

    pub async fn nth_within(&self, to: &str, number: usize, patience: Duration) -> Received {
        let start = Instant::now();
        while start.elapsed() < patience {
            if let Some(mail) = self.received_by(to).get(number - 1) {
                return mail.clone();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("no mail {number} to {to}: {:?}", self.received());
    }

    /// Waits for the only mail to this address.
    pub async fn only(&self, to: &str) -> Received {
        let mail = self.nth(to, 1).await;
        assert_eq!(self.received_by(to).len(), 1);
        mail
    }

    /// Waits for a mail to this address whose subject has these words.
    pub async fn with_subject(&self, to: &str, words: &str) -> Received {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            let found = self.received_by(to).into_iter().rev();
            if let Some(mail) = found
                .into_iter()
                .find(|mail| mail.subject().contains(words))
            {
                return mail;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("no mail about {words:?} to {to}: {:?}", self.received());
    }
}

fn spawn(arguments: &[String], port: u16, received: &Arc<Mutex<Vec<Received>>>) -> (Child, u16) {
    // Debian's own Python has Debian's aiosmtpd.
    let mut child = Command::new("/usr/bin/python3")
        .arg(SCRIPT)
        .args(["--port", &port.to_string()])
        .args(arguments)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let port = lines.next().unwrap().unwrap().parse().unwrap();
    let received = received.clone();
    std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            let mail = Received(serde_json::from_str(&line).unwrap());
            received.lock().unwrap().push(mail);
        }
    });
    (child, port)
}

impl Drop for MailServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
