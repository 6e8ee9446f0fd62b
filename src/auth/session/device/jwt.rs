//! What a browser signs with the key of its device: a JWS in its compact form (RFC 7515, 7.1).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::Value;

/// Browsers send about 400 bytes.
const MAX_BYTES: usize = 2_048;
const TYPE: &str = "dbsc+jwt";
const ALGORITHM: &str = "ES256";
/// Of each coordinate (RFC 7518, 6.2.1.2).
const COORDINATE_BYTES: usize = 32;
/// Of the two numbers that make a signature (RFC 7518, 3.4).
const SIGNATURE_BYTES: usize = 64;
/// What an uncompressed point begins with (SEC 1, 2.3.3).
const UNCOMPRESSED: u8 = 4;

/// The public key of a device: an uncompressed point of P-256.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DeviceKey(Vec<u8>);

impl DeviceKey {
    /// One that a row holds.
    pub fn from_row(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    fn of(jwk: &Jwk) -> Option<Self> {
        if jwk.kty != "EC" || jwk.crv != "P-256" {
            return None;
        }
        let mut point = vec![UNCOMPRESSED];
        for coordinate in [&jwk.x, &jwk.y] {
            let coordinate = URL_SAFE_NO_PAD.decode(coordinate).ok()?;
            if coordinate.len() != COORDINATE_BYTES {
                return None;
            }
            point.extend(coordinate);
        }
        Some(Self(point))
    }
}

/// A JWT whose form is right and whose signature is not verified yet.
#[derive(Debug)]
pub(super) struct Jwt<'a> {
    /// The challenge that it answers.
    pub challenge: String,
    /// The key that it brings along: that of a registration does, that of a refresh does not.
    pub key: Option<DeviceKey>,
    signed: &'a [u8],
    signature: Vec<u8>,
}

#[derive(Deserialize)]
struct Header {
    typ: String,
    alg: String,
    jwk: Option<Jwk>,
    /// Extensions that must be understood (RFC 7515, 4.1.11): we understand none.
    crit: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    crv: String,
    x: String,
    y: String,
}

#[derive(Deserialize)]
struct Claims {
    jti: String,
    /// Earlier drafts had it: the address that it is sent to.
    aud: Option<Value>,
}

impl<'a> Jwt<'a> {
    /// Reads the value of a `Secure-Session-Response`. `audience` is the host and the path that it was sent
    /// to. None when it is not exactly what the specification says.
    pub fn parse(header: &'a [u8], audience: (&str, &str)) -> Option<Self> {
        if header.len() > MAX_BYTES {
            return None;
        }
        let jwt = unquoted(header);
        let mut parts = jwt.split(|byte| *byte == b'.');
        let (header, claims, signature) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        let signed = &jwt[..header.len() + 1 + claims.len()];
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        let header = URL_SAFE_NO_PAD.decode(header).ok()?;
        let header: Header = serde_json::from_slice(&header).ok()?;
        let claims = URL_SAFE_NO_PAD.decode(claims).ok()?;
        let claims: Claims = serde_json::from_slice(&claims).ok()?;
        let is_ours = header.typ == TYPE
            && header.alg == ALGORITHM
            && header.crit.is_none()
            && signature.len() == SIGNATURE_BYTES
            && claims.aud.is_none_or(|aud| is_audience(&aud, audience));
        if !is_ours {
            return None;
        }
        let key = match &header.jwk {
            Some(jwk) => Some(DeviceKey::of(jwk)?),
            None => None,
        };
        Some(Self {
            challenge: claims.jti,
            key,
            signed,
            signature,
        })
    }

    /// Whether this key has signed it.
    pub fn is_signed_by(&self, key: &DeviceKey) -> bool {
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key.as_bytes());
        key.verify(self.signed, &self.signature).is_ok()
    }
}

/// The content of a string of a structured field (RFC 9651, 3.3.3), which Chromium sends without its
/// quotation marks. Nothing that we expect in one is escaped.
pub(crate) fn unquoted(value: &[u8]) -> &[u8] {
    let value = value.trim_ascii();
    match value.strip_prefix(b"\"") {
        // Parameters may follow.
        Some(rest) => rest.split(|byte| *byte == b'"').next().unwrap_or_default(),
        None => value,
    }
}

/// Whether an `aud` claim is the address of this host and path, alone.
fn is_audience(aud: &Value, (host, path): (&str, &str)) -> bool {
    let Some((_, rest)) = aud.as_str().and_then(|aud| aud.split_once("://")) else {
        return false;
    };
    let at = rest.find('/').unwrap_or(rest.len());
    let (authority, sent_to) = rest.split_at(at);
    // A proxy may have taken a prefix off.
    authority.eq_ignore_ascii_case(host) && sent_to.ends_with(path)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use proptest::prelude::*;
    use ring::{
        rand::SystemRandom,
        signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
    };

    use super::*;
    use crate::fuzz::{fuzz, spoilt};

    const AUDIENCE: (&str, &str) = ("app.example", "/device/register");
    const WORDS: &[&str] = &[
        ".", "..", "\"", "=", "A", "eyJ", "{}", "e30", "alg", "none", ";", ",", " ", "\0",
    ];

    struct Device {
        key: EcdsaKeyPair,
        random: SystemRandom,
    }

    impl Device {
        fn new() -> Self {
            let random = SystemRandom::new();
            let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
            let key = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
            let key = EcdsaKeyPair::from_pkcs8(algorithm, key.as_ref(), &random).unwrap();
            Self { key, random }
        }

        fn jwk(&self) -> String {
            let point = self.key.public_key().as_ref();
            let [x, y] = [&point[1..33], &point[33..]].map(|it| URL_SAFE_NO_PAD.encode(it));
            format!(r#"{{"kty":"EC","crv":"P-256","x":"{x}","y":"{y}"}}"#)
        }

        fn sign(&self, header: &str, claims: &str) -> String {
            let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part));
            let signed = format!("{header}.{claims}");
            let signature = self.key.sign(&self.random, signed.as_bytes()).unwrap();
            format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
        }

        fn registration(&self) -> String {
            let jwk = self.jwk();
            let header = format!(r#"{{"alg":"ES256","typ":"dbsc+jwt","jwk":{jwk}}}"#);
            self.sign(&header, r#"{"jti":"challenge"}"#)
        }
    }

    #[test]
    fn a_registration_is_read_quoted_or_not() {
        let device = Device::new();
        let jwt = device.registration();
        for text in [
            jwt.clone(),
            format!("\"{jwt}\""),
            format!(" \"{jwt}\";parameter=1 "),
        ] {
            let read = Jwt::parse(text.as_bytes(), AUDIENCE).unwrap();
            assert_eq!(read.challenge, "challenge");
            let key = read.key.clone().unwrap();
            assert_eq!(key.as_bytes(), device.key.public_key().as_ref());
            assert!(read.is_signed_by(&key));
            let other = Device::new();
            let other = DeviceKey(other.key.public_key().as_ref().to_vec());
            assert!(!read.is_signed_by(&other));
        }
    }

    #[test]
    fn another_audience_is_refused_if_one_is_named() {
        let device = Device::new();
        let header = r#"{"alg":"ES256","typ":"dbsc+jwt"}"#;
        let is_read = |aud: &str| {
            let jwt = device.sign(header, &format!(r#"{{"jti":"c","aud":{aud}}}"#));
            Jwt::parse(jwt.as_bytes(), AUDIENCE).is_some()
        };
        assert!(is_read(r#""https://app.example/device/register""#));
        assert!(is_read(r#""https://App.Example/api/device/register""#));
        for aud in [
            r#""https://app.example/device/refresh""#,
            r#""https://app.example.evil.example/device/register""#,
            r#""app.example/device/register""#,
            r#""https://app.example""#,
            r#""""#,
            "7",
            "[]",
        ] {
            assert!(!is_read(aud), "{aud}");
        }
        assert!(is_read("null"), "which is none");
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(Jwt::parse(&text, AUDIENCE).is_none());
        }
    }

    #[test]
    #[ignore = "scripts/fuzz runs it"]
    fn fuzz_device_jwts() {
        let device = Device::new();
        let jwts = || {
            let jwt = device.registration();
            let header = format!(
                r#"{{"alg":"ES256","typ":"dbsc+jwt","jwk":{}}}"#,
                device.jwk()
            );
            let whole = spoilt(Just(jwt.into_bytes()), WORDS);
            // Spoilt before it is signed: the parts behind the base64.
            let header = spoilt(Just(header.into_bytes()), WORDS);
            let claims = spoilt(Just(br#"{"jti":"challenge"}"#.to_vec()), WORDS);
            let signed = (header, claims).prop_map(|(header, claims)| {
                let parts = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part));
                let [header, claims] = parts;
                format!("{header}.{claims}.{}", URL_SAFE_NO_PAD.encode([7; 64])).into_bytes()
            });
            prop_oneof![whole.boxed(), signed.boxed()]
        };
        let good = device.registration();
        let (good, _) = good.rsplit_once('.').unwrap();
        fuzz("device JWTs", jwts, |text| {
            let Some(read) = Jwt::parse(&text, AUDIENCE) else {
                return Ok(());
            };
            let is_signed = read.key.as_ref().is_some_and(|key| read.is_signed_by(key));
            // Whatever was changed around it, only what the device has signed is.
            prop_assert!(!is_signed || read.signed == good.as_bytes());
            Ok(())
        });
    }
}
