use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use reqwest::Method;
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use serde_json::{Value, json};

use crate::helpers::{Answer, Browser, PASSWORD, Server};

pub const DEVICE_BOUND: (&str, &str) = ("DEVICE_BOUND_SESSIONS", "on");

/// A device with a key, as the one of a browser that supports Device Bound Session Credentials.
pub struct Device {
    key: EcdsaKeyPair,
    random: SystemRandom,
}

impl Device {
    pub fn new() -> Self {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let key = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        let key = EcdsaKeyPair::from_pkcs8(algorithm, key.as_ref(), &random).unwrap();
        Self { key, random }
    }

    /// The public key.
    pub fn jwk(&self) -> Value {
        let point = self.key.public_key().as_ref();
        let [x, y] = [&point[1..33], &point[33..]].map(|number| URL_SAFE_NO_PAD.encode(number));
        json!({"kty": "EC", "crv": "P-256", "x": x, "y": y})
    }

    pub fn sign(&self, header: &Value, claims: &Value) -> String {
        self.sign_text(&header.to_string(), &claims.to_string())
    }

    pub fn sign_text(&self, header: &str, claims: &str) -> String {
        let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part));
        let signed = format!("{header}.{claims}");
        let signature = self.key.sign(&self.random, signed.as_bytes()).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    pub fn registration(&self, challenge: &str) -> String {
        let header = json!({"alg": "ES256", "typ": "dbsc+jwt", "jwk": self.jwk()});
        self.sign(&header, &json!({"jti": challenge}))
    }

    pub fn refresh(&self, challenge: &str) -> String {
        let header = json!({"alg": "ES256", "typ": "dbsc+jwt"});
        self.sign(&header, &json!({"jti": challenge}))
    }
}

/// What a response to a login offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    pub path: String,
    pub challenge: String,
}

impl Offer {
    pub fn of(answer: &Answer) -> Option<Self> {
        let header = answer.header("secure-session-registration")?;
        let parts: Vec<&str> = header.split(';').collect();
        let [algorithms, path, challenge] = parts[..] else {
            panic!("{header}");
        };
        assert_eq!(algorithms, "(ES256)");
        let value = |parameter: &str, name: &str| {
            let value = parameter.strip_prefix(name).unwrap();
            let value = value.strip_prefix("=\"").unwrap();
            value.strip_suffix('"').unwrap().to_owned()
        };
        Some(Self {
            path: value(path, "path"),
            challenge: value(challenge, "challenge"),
        })
    }
}

/// A browser with a session that is bound to its device.
pub struct Bound {
    pub browser: Browser,
    pub device: Device,
    /// The identifier of the session.
    pub id: String,
    /// The cookies that it got.
    pub session: String,
    pub proof: String,
}

impl Bound {
    /// A new user, on a bound session.
    pub async fn sign_up(server: &Server, name: &str) -> Self {
        let browser = server.browser();
        let answer = browser.sign_up(name).await;
        Self::bind(browser, &answer).await
    }

    pub async fn log_in(server: &Server, name: &str) -> Self {
        let browser = server.browser();
        let answer = browser.log_in_with(name, PASSWORD).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        Self::bind(browser, &answer).await
    }

    /// Binds the session of a login.
    pub async fn bind(browser: Browser, log_in: &Answer) -> Self {
        let offer = Offer::of(log_in).expect("nothing is offered");
        let device = Device::new();
        let jwt = device.registration(&offer.challenge);
        let bound = register(&browser, &jwt).await;
        assert_eq!(bound.status, 200, "{bound:?}");
        Self {
            id: bound.json()["session_identifier"]
                .as_str()
                .unwrap()
                .to_owned(),
            session: browser.session().unwrap(),
            proof: set_proof(&bound).expect("no proof is set"),
            browser,
            device,
        }
    }

    /// The `Cookie` header of a browser that has both.
    pub fn cookies(&self) -> String {
        format!("session={}; session-proof={}", self.session, self.proof)
    }

    /// What somebody sends who has copied the session cookie.
    pub fn copied(&self) -> String {
        format!("session={}", self.session)
    }

    /// Asks for a challenge.
    pub async fn challenge(&self) -> String {
        let answer = refresh(&self.browser, &self.id, None).await;
        challenge(&answer, &self.id)
    }

    /// Answers a challenge.
    pub async fn answer(&self, challenge: &str) -> Answer {
        let jwt = self.device.refresh(challenge);
        refresh(&self.browser, &self.id, Some(&jwt)).await
    }

    /// As a browser does before it sends a request whose proof has expired.
    pub async fn refresh(&mut self) {
        let challenge = self.challenge().await;
        let answer = self.answer(&challenge).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        self.proof = set_proof(&answer).expect("no proof is set");
    }
}

/// `POST /device/register`, as Chromium sends it.
pub async fn register(browser: &Browser, jwt: &str) -> Answer {
    let request = browser.request(Method::POST, "/device/register");
    let request = as_browser_sends(browser, request);
    browser
        .send(request.header("secure-session-response", jwt))
        .await
}

/// `POST /device/refresh`, as Chromium sends it.
pub async fn refresh(browser: &Browser, id: &str, jwt: Option<&str>) -> Answer {
    let request = browser.request(Method::POST, "/device/refresh");
    let mut request = as_browser_sends(browser, request).header("sec-secure-session-id", id);
    if let Some(jwt) = jwt {
        request = request.header("secure-session-response", jwt);
    }
    browser.send(request).await
}

fn as_browser_sends(
    browser: &Browser,
    request: reqwest::RequestBuilder,
) -> reqwest::RequestBuilder {
    request
        .header("origin", browser.base())
        .header("sec-fetch-site", "same-origin")
        .header("sec-fetch-mode", "no-cors")
        .header("sec-fetch-dest", "empty")
}

/// The challenge of a 403.
pub fn challenge(answer: &Answer, id: &str) -> String {
    assert_eq!(answer.status, 403, "{answer:?}");
    assert_eq!(answer.code(), "device_challenge");
    let header = answer.header("secure-session-challenge").unwrap();
    let (challenge, of) = header.split_once(';').unwrap();
    assert_eq!(of, format!("id=\"{id}\""));
    let challenge = challenge.strip_prefix('"').unwrap();
    challenge.strip_suffix('"').unwrap().to_owned()
}

/// The value of the proof that a response sets.
pub fn set_proof(answer: &Answer) -> Option<String> {
    let set = answer.headers.get_all("set-cookie").iter();
    set.map(|value| value.to_str().unwrap()).find_map(|value| {
        let value = value.strip_prefix("session-proof=")?;
        Some(value.split(';').next().unwrap().to_owned())
    })
}
