//! An authenticator and the browser around it, in software.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use ring::{
    digest::{SHA256, digest},
    rand::{SecureRandom, SystemRandom},
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair},
};
use serde_json::{Value, json};

/// Where the pages of a test's server are, by default.
pub const ORIGIN: &str = "http://localhost:5000";
const PRESENT: u8 = 0x01;
const VERIFIED: u8 = 0x04;
const BACKUP_ELIGIBLE: u8 = 0x08;
const BACKED_UP: u8 = 0x10;
const WITH_KEY: u8 = 0x40;

/// An authenticator and the browser around it, which do what a test tells them to.
pub struct Authenticator {
    /// The origin of the page.
    pub origin: String,
    /// The domain that passkeys are bound to.
    pub rp_id: String,
    /// Whether its user is verified.
    pub verifies: bool,
    /// Whether what it makes is kept elsewhere, too.
    pub is_synced: bool,
    /// What it counts next; 0 for one that does not count.
    pub counter: u32,
    /// What it has made.
    pub passkeys: Vec<Passkey>,
}

/// One of them.
pub struct Passkey {
    id: Vec<u8>,
    user_handle: Vec<u8>,
    key: EcdsaKeyPair,
}

impl Default for Authenticator {
    fn default() -> Self {
        Self {
            origin: ORIGIN.to_owned(),
            rp_id: "localhost".to_owned(),
            verifies: true,
            is_synced: true,
            counter: 0,
            passkeys: Vec::new(),
        }
    }
}

impl Authenticator {
    /// What `navigator.credentials.create` and `toJSON` give for these options.
    pub fn create(&mut self, options: &Value) -> Value {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
        let algorithm = &ECDSA_P256_SHA256_ASN1_SIGNING;
        let key = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).unwrap();
        let mut id = vec![0; 32];
        random.fill(&mut id).unwrap();

        let point = key.public_key().as_ref();
        let (x, y) = (&point[1..33], &point[33..65]);
        // COSE: an EC2 key (1: 2) for ES256 (3: -7) on P-256 (-1: 1), with x (-2) and y (-3).
        let mut cose = vec![0xA5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20];
        cose.extend(x);
        cose.extend([0x22, 0x58, 0x20]);
        cose.extend(y);
        let mut data = self.data(WITH_KEY);
        data.extend([0; 16]);
        data.extend(u16::try_from(id.len()).unwrap().to_be_bytes());
        data.extend(&id);
        data.extend(cose);

        // CBOR: {"fmt": "none", "attStmt": {}, "authData": bytes}
        let mut attestation = vec![0xA3, 0x63];
        attestation.extend(b"fmt");
        attestation.push(0x64);
        attestation.extend(b"none");
        attestation.push(0x67);
        attestation.extend(b"attStmt");
        attestation.extend([0xA0, 0x68]);
        attestation.extend(b"authData");
        attestation.extend([0x59]);
        attestation.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
        attestation.extend(data);

        let credential = json!({
            "id": encode(&id),
            "rawId": encode(&id),
            "type": "public-key",
            "authenticatorAttachment": "platform",
            "clientExtensionResults": {"credProps": {"rk": true}},
            "response": {
                "attestationObject": encode(&attestation),
                "clientDataJSON": encode(&self.client_data("webauthn.create", options)),
                "transports": ["internal"],
            },
        });
        self.passkeys.push(Passkey {
            id,
            user_handle: decode(&options["user"]["id"]),
            key,
        });
        credential
    }

    /// What `navigator.credentials.get` and `toJSON` give for these options, of the passkey that was
    /// made last.
    pub fn get(&mut self, options: &Value) -> Value {
        self.get_with(self.passkeys.len() - 1, options)
    }

    /// The same, of the passkey with this number.
    pub fn get_with(&mut self, number: usize, options: &Value) -> Value {
        let client_data = self.client_data("webauthn.get", options);
        let data = self.data(0);
        let mut signed = data.clone();
        signed.extend(digest(&SHA256, &client_data).as_ref());
        let passkey = &self.passkeys[number];
        let signature = passkey.key.sign(&SystemRandom::new(), &signed).unwrap();
        json!({
            "id": encode(&passkey.id),
            "rawId": encode(&passkey.id),
            "type": "public-key",
            "authenticatorAttachment": "platform",
            "clientExtensionResults": {},
            "response": {
                "authenticatorData": encode(&data),
                "clientDataJSON": encode(&client_data),
                "signature": encode(signature.as_ref()),
                "userHandle": encode(&passkey.user_handle),
            },
        })
    }

    fn client_data(&self, kind: &str, options: &Value) -> Vec<u8> {
        let client_data = json!({
            "type": kind,
            "challenge": options["challenge"],
            "origin": self.origin,
            "crossOrigin": false,
        });
        client_data.to_string().into_bytes()
    }

    fn data(&mut self, flags: u8) -> Vec<u8> {
        let mut flags = flags | PRESENT;
        if self.verifies {
            flags |= VERIFIED;
        }
        if self.is_synced {
            flags |= BACKUP_ELIGIBLE | BACKED_UP;
        }
        let mut data = digest(&SHA256, self.rp_id.as_bytes()).as_ref().to_vec();
        data.push(flags);
        data.extend(self.counter.to_be_bytes());
        if self.counter > 0 {
            self.counter += 1;
        }
        data
    }
}

pub fn encode(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

fn decode(text: &Value) -> Vec<u8> {
    BASE64_URL_SAFE_NO_PAD
        .decode(text.as_str().unwrap())
        .unwrap()
}
