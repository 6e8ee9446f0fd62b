//! Whether sessions can be bound to devices through the proxy: its headers arrive in both directions.

use axum::http::Method;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use serde_json::{Value, json};

use crate::server::doctor::{
    report::Check,
    site::client::{Response, Site, Unreachable},
};

pub(in crate::server::doctor) const NAME: &str = "device_bound_sessions";
const FIX: &str = "have the proxy pass Secure-Session-Response and Sec-Secure-Session-Id of requests, \
                   and Secure-Session-Registration and Secure-Session-Challenge of responses, on \
                   unchanged";

/// The check, by binding the session of a login and renewing its proof, as a browser does. `is_on` is
/// the setting here.
pub(super) async fn check(
    site: &Site,
    cookie: (&str, &str),
    log_in: &Response,
    is_on: bool,
) -> Result<Check, Unreachable> {
    let Some(challenge) = parameter(log_in, "secure-session-registration", "challenge=\"") else {
        return Ok(match is_on {
            false => Check::skipped(NAME, "DEVICE_BOUND_SESSIONS is off"),
            true => Check::fail(
                NAME,
                "the login's Secure-Session-Registration does not arrive",
                FIX,
            ),
        });
    };
    let Some(device) = Device::new() else {
        return Ok(Check::skipped(NAME, "no key can be made"));
    };
    let post =
        async |path, headers: &[(&str, &str)]| site.send(Method::POST, path, headers, None).await;
    let jwt = device.sign(Some(device.public()), challenge);
    let response = ("secure-session-response", &*jwt);
    let registered = post("/device/register", &[cookie, response]).await?;
    let Some(id) = registered.field("session_identifier") else {
        return Ok(failed("POST /device/register", &registered));
    };
    let id = ("sec-secure-session-id", &*id);
    let asked = post("/device/refresh", &[id]).await?;
    let Some(challenge) = parameter(&asked, "secure-session-challenge", "\"") else {
        return Ok(failed("POST /device/refresh", &asked));
    };
    let jwt = device.sign(None, challenge);
    let response = ("secure-session-response", &*jwt);
    let refreshed = post("/device/refresh", &[id, response]).await?;
    Ok(match refreshed.status.as_u16() {
        200 => Check::pass(NAME, "a browser can bind its session, and renews the proof"),
        _ => failed("POST /device/refresh", &refreshed),
    })
}

fn failed(request: &str, response: &Response) -> Check {
    let code = response.field("code").unwrap_or_default();
    let what = format!("{request} responds {} {code}", response.status.as_u16());
    Check::fail(NAME, what.trim_end(), FIX)
}

/// What stands in a header between `start` and the next quotation mark.
fn parameter<'a>(response: &'a Response, header: &str, start: &str) -> Option<&'a str> {
    let (_, rest) = response.header(header)?.split_once(start)?;
    Some(rest.split_once('"')?.0)
}

/// A key as the one of a browser.
struct Device {
    key: EcdsaKeyPair,
    random: SystemRandom,
}

impl Device {
    fn new() -> Option<Self> {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let key = EcdsaKeyPair::generate_pkcs8(algorithm, &random).ok()?;
        let key = EcdsaKeyPair::from_pkcs8(algorithm, key.as_ref(), &random).ok()?;
        Some(Self { key, random })
    }

    /// An uncompressed point, whose first byte says so.
    fn public(&self) -> Value {
        let (_, point) = self.key.public_key().as_ref().split_at(1);
        let (x, y) = point.split_at(point.len() / 2);
        let [x, y] = [x, y].map(|number| URL_SAFE_NO_PAD.encode(number));
        json!({"kty": "EC", "crv": "P-256", "x": x, "y": y})
    }

    fn sign(&self, key: Option<Value>, challenge: &str) -> String {
        let mut header = json!({"alg": "ES256", "typ": "dbsc+jwt"});
        if let Some(key) = key {
            header["jwk"] = key;
        }
        let parts = [header, json!({"jti": challenge})];
        let [header, claims] = parts.map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        let signed = format!("{header}.{claims}");
        let signature = self.key.sign(&self.random, signed.as_bytes());
        let signature = signature.map(|signature| URL_SAFE_NO_PAD.encode(signature));
        format!("{signed}.{}", signature.unwrap_or_default())
    }
}
