use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    time::Duration,
};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async, tungstenite::Message};

use super::Proxy;

/// Longer than anything takes, so that a test fails rather than hangs.
const PATIENCE: Duration = Duration::from_secs(60);
/// The key of a device is in software: there is no TPM here.
const SOFTWARE_KEYS: &str = "EnableBoundSessionCredentialsSoftwareKeysForManualTesting";
/// Chromium would sign six times in nine minutes, fewer than short lifetimes take.
const WITHOUT_QUOTA: &str = "DeviceBoundSessions:RefreshQuota/false";
const WITH_QUOTA: &str = "DeviceBoundSessions";

/// Debian's Chromium without a window, with one page.
pub struct Chromium {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    last_id: u64,
    page: String,
    /// What it has told without being asked.
    pub events: Vec<Value>,
    child: Child,
    _folder: TempDir,
}

impl Chromium {
    /// One that binds sessions to devices and trusts the certificate of a proxy.
    pub async fn start(proxy: &Proxy) -> Self {
        Self::start_for(&[proxy]).await
    }

    /// The same, for several proxies.
    pub async fn start_for(proxies: &[&Proxy]) -> Self {
        Self::start_with(proxies, WITHOUT_QUOTA).await
    }

    /// The same, which signs no more often than one that anybody uses.
    pub async fn start_with_quota(proxy: &Proxy) -> Self {
        Self::start_with(&[proxy], WITH_QUOTA).await
    }

    async fn start_with(proxies: &[&Proxy], feature: &str) -> Self {
        let trusted = proxies
            .iter()
            .map(|proxy| fingerprint(&proxy.certificate()));
        let trusted: Vec<_> = trusted.collect();
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new("chromium")
            .args(["--headless=new", "--no-sandbox", "--disable-gpu"])
            .args(["--no-first-run", "--remote-debugging-port=0"])
            .arg(format!("--enable-features={feature},{SOFTWARE_KEYS}"))
            .arg(format!("--user-data-dir={}", folder.path().display()))
            .arg(format!(
                "--ignore-certificate-errors-spki-list={}",
                trusted.join(",")
            ))
            .arg("about:blank")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("chromium is installed by scripts/test");
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = loop {
            let line = lines.next().expect("chromium does not start").unwrap();
            if let Some(address) = line.strip_prefix("DevTools listening on ") {
                break address.to_owned();
            }
        };
        // Chromium stops when nobody reads what it says.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        let (socket, _) = connect_async(address).await.unwrap();
        let mut chromium = Self {
            socket,
            last_id: 0,
            page: String::new(),
            events: Vec::new(),
            child,
            _folder: folder,
        };
        let target = json!({"url": "about:blank"});
        let target = chromium.call("Target.createTarget", target).await["targetId"].clone();
        let attach = json!({"targetId": target, "flatten": true});
        let attached = chromium.call("Target.attachToTarget", attach).await;
        chromium.page = attached["sessionId"].as_str().unwrap().to_owned();
        chromium.call("Page.enable", json!({})).await;
        chromium.call("Network.enable", json!({})).await;
        let enable = json!({"enable": true});
        chromium
            .call("Network.enableDeviceBoundSessions", enable)
            .await;
        chromium
    }

    /// Calls a method of the DevTools protocol.
    pub async fn call(&mut self, method: &str, params: Value) -> Value {
        self.last_id += 1;
        let id = self.last_id;
        let mut message = json!({"id": id, "method": method, "params": params});
        if !self.page.is_empty() {
            message["sessionId"] = json!(self.page);
        }
        let message = Message::text(message.to_string());
        self.socket.send(message).await.unwrap();
        loop {
            let next = timeout(PATIENCE, self.socket.next()).await;
            let next = next.unwrap_or_else(|_| panic!("{method}: no answer"));
            let text = next.unwrap().unwrap();
            let answer: Value = serde_json::from_str(text.to_text().unwrap()).unwrap();
            if answer["id"] == id {
                assert!(answer["error"].is_null(), "{method}: {answer}");
                return answer["result"].clone();
            }
            self.events.push(answer);
        }
    }

    /// Opens a page.
    pub async fn open(&mut self, url: &str) {
        let opened = self.call("Page.navigate", json!({"url": url})).await;
        assert!(opened["errorText"].is_null(), "{opened}");
        for _ in 0..500 {
            let here = self.evaluate("[location.href, document.readyState]").await;
            if here[1] == "complete" && here[0].as_str().is_some_and(|href| href.starts_with(url)) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{url} is not opened");
    }

    /// The value of an expression in the page, once it is settled.
    pub async fn evaluate(&mut self, expression: &str) -> Value {
        let params = json!({
            "expression": expression,
            "awaitPromise": true,
            "returnByValue": true,
        });
        let result = self.call("Runtime.evaluate", params).await;
        assert!(result["exceptionDetails"].is_null(), "{result}");
        result["result"]["value"].clone()
    }

    /// The status and the body of a request that the page sends.
    pub async fn fetch(&mut self, path: &str, options: Value) -> (u64, Value) {
        let expression = format!(
            "fetch({path:?}, {options}).then(async response => \
             [response.status, await response.json().catch(() => null)])"
        );
        let answer = self.evaluate(&expression).await;
        (answer[0].as_u64().unwrap(), answer[1].clone())
    }

    /// The value of a cookie.
    pub async fn cookie(&mut self, name: &str) -> Option<String> {
        let cookies = self.call("Network.getCookies", json!({})).await;
        let cookies = cookies["cookies"].as_array().unwrap().clone();
        let cookie = cookies.into_iter().find(|cookie| cookie["name"] == name)?;
        Some(cookie["value"].as_str().unwrap().to_owned())
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The SHA-256 of the public key of a certificate.
fn fingerprint(certificate: &str) -> String {
    let script = "openssl x509 -pubkey -noout -in \"$0\" | openssl pkey -pubin -outform der \
                  | openssl dgst -sha256 -binary | base64";
    let printed = Command::new("sh")
        .args(["-c", script, certificate])
        .output();
    let printed = printed.unwrap();
    assert!(printed.status.success(), "{printed:?}");
    String::from_utf8(printed.stdout).unwrap().trim().to_owned()
}
