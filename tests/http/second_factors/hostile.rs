//! What no authenticator makes, sent where a new passkey is awaited: its parsers are the larger ones.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::helpers::{
    Authenticator, Database, Kind, PASSWORD, STEP, Server, TwoSteps, encode, on_both_databases,
    recovery_codes,
};

on_both_databases!(
    hostile_creations_are_refused,
    challenges_and_secrets_are_never_the_same_twice,
    of_two_nodes_one_takes_a_code,
);

/// CBOR: a text, or bytes, of less than 64 KiB.
fn cbor(kind: u8, content: &[u8]) -> Vec<u8> {
    let mut item = vec![kind << 5 | 25];
    item.extend(u16::try_from(content.len()).unwrap().to_be_bytes());
    item.extend(content);
    item
}

const BYTES: u8 = 2;
const TEXT: u8 = 3;

/// An attestation of this format, with this statement.
fn attestation(format: &str, statement: &[u8], data: &[u8]) -> Vec<u8> {
    let mut object = vec![0xA3];
    object.extend(cbor(TEXT, b"fmt"));
    object.extend(cbor(TEXT, format.as_bytes()));
    object.extend(cbor(TEXT, b"attStmt"));
    object.extend(statement);
    object.extend(cbor(TEXT, b"authData"));
    object.extend(cbor(BYTES, data));
    object
}

fn decode(credential: &Value) -> Vec<u8> {
    use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
    let text = credential["response"]["attestationObject"].as_str();
    BASE64_URL_SAFE_NO_PAD.decode(text.unwrap()).unwrap()
}

/// What follows `authData` in the attestation that [`Authenticator`] makes: a length of two bytes.
fn data_of(object: &[u8]) -> Vec<u8> {
    let name = b"authData";
    let at = object.windows(name.len()).position(|part| part == name);
    object[at.unwrap() + name.len() + 3..].to_vec()
}

/// Attestations that are wrong, each in one way.
fn hostile_attestations(right: &[u8]) -> Vec<(String, Vec<u8>)> {
    let data = data_of(right);
    let mut cases = Vec::new();
    let mut add = |what: &str, object: Vec<u8>| cases.push((what.to_owned(), object));
    add("nothing", Vec::new());
    add("nonsense", vec![0xFF; 20_000]);
    add("deep arrays", vec![0x81; 30_000]);
    add("deep maps", [0xA1, 0x00].repeat(15_000));
    add("deep tags", vec![0xC1; 30_000]);
    add("arrays without an end", vec![0x9F; 30_000]);
    add(
        "an array said to be huge",
        [&[0x9B][..], &[0xFF; 8]].concat(),
    );
    add("bytes said to be huge", [&[0x5B][..], &[0x7F; 8]].concat());
    add("trailing bytes", [right, &[0; 64]].concat());
    for length in [1, 36, 37, 54, 55, 60, data.len() - 1] {
        let cut = attestation("none", &[0xA0], &data[..length]);
        add(&format!("data cut to {length}"), cut);
    }
    // The length of the id is after hash, flags, counter and the model's id.
    for length in [0_u16, 1_023, 1_024, u16::MAX] {
        let mut other = data.clone();
        other[53..55].copy_from_slice(&length.to_be_bytes());
        let object = attestation("none", &[0xA0], &other);
        add(&format!("an id said to have {length} bytes"), object);
    }
    let mut long = data[..53].to_vec();
    long.extend(1_024_u16.to_be_bytes());
    long.extend([7; 1_024]);
    long.extend(&data[55 + 32..]);
    add("an id of 1,024 bytes", attestation("none", &[0xA0], &long));
    for (what, key) in [
        ("no key", &[][..]),
        ("a key that is no map", &[0x01]),
        ("an empty key", &[0xA0]),
        ("a deep key", &[0x81; 10_000]),
    ] {
        let other = [&data[..55 + 32], key].concat();
        add(what, attestation("none", &[0xA0], &other));
    }
    let mut off_the_curve = data.clone();
    let last = off_the_curve.len() - 1;
    off_the_curve[last] ^= 1;
    add(
        "a point off the curve",
        attestation("none", &[0xA0], &off_the_curve),
    );
    // {"alg": -7, "sig": bytes, "x5c": [bytes]}
    let certificates: [&[u8]; 4] = [&[], b"no certificate", &[0x30; 5_000], &[0x30, 0x84, 0xFF]];
    for (number, certificate) in certificates.into_iter().enumerate() {
        let mut statement = vec![0xA3];
        statement.extend(cbor(TEXT, b"alg"));
        statement.push(0x26);
        statement.extend(cbor(TEXT, b"sig"));
        statement.extend(cbor(BYTES, &[0x30, 0x06, 2, 1, 1, 2, 1, 1]));
        statement.extend(cbor(TEXT, b"x5c"));
        statement.push(0x81);
        statement.extend(cbor(BYTES, certificate));
        for format in ["packed", "tpm", "fido-u2f", "android-key", "apple", "evil"] {
            let what = format!("{format} with certificate {number}");
            add(&what, attestation(format, &statement, &data));
        }
    }
    cases
}

async fn hostile_creations_are_refused(kind: Kind) {
    let server = Server::start(kind).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    let mut authenticator = Authenticator::default();
    let send = async |what: &str, spoil: &dyn Fn(&mut Value)| {
        let options = browser.options("/passkeys/options").await;
        let mut credential = Authenticator::default().create(&options);
        spoil(&mut credential);
        let answer = browser
            .post("/passkeys", json!({"credential": credential}))
            .await;
        assert_eq!(answer.status, 400, "{what}: {answer:?}");
        assert_eq!(answer.code(), "bad_passkey", "{what}");
    };
    let options = browser.options("/passkeys/options").await;
    let cases = hostile_attestations(&decode(&authenticator.create(&options))).len();
    for number in 0..cases {
        let spoil = |credential: &mut Value| {
            let (_, object) = hostile_attestations(&decode(credential)).swap_remove(number);
            credential["response"]["attestationObject"] = json!(encode(&object));
        };
        send(&format!("case {number}"), &spoil).await;
    }
    for field in [
        "/rawId",
        "/type",
        "/response",
        "/response/attestationObject",
        "/response/clientDataJSON",
    ] {
        for value in [
            json!(null),
            json!(7),
            json!([]),
            json!({}),
            json!("?"),
            json!(encode("{\"challenge\":".repeat(500).as_bytes())),
        ] {
            let spoil =
                |credential: &mut Value| *credential.pointer_mut(field).unwrap() = value.clone();
            send(&format!("{field}: {value}"), &spoil).await;
        }
    }
    assert_eq!(server.database.count("passkeys").await, 0);
    let added = browser.add_passkey(&mut authenticator).await;
    assert_eq!(added.status, 201, "{added:?}");
}

async fn challenges_and_secrets_are_never_the_same_twice(kind: Kind) {
    let server = Server::start(kind).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    let mut seen = BTreeSet::new();
    for _ in 0..20 {
        for path in ["/passkeys/options", "/reauthenticate/passkey/options"] {
            let options = browser.options(path).await;
            let challenge = options["challenge"].as_str().unwrap().to_owned();
            assert_eq!(challenge.len(), 43, "256 bits");
            assert!(seen.insert(challenge));
        }
        let options = server.browser().options("/login/passkey/options").await;
        assert!(seen.insert(options["challenge"].as_str().unwrap().to_owned()));
        let begun = browser.post("/totp", json!({})).await.json();
        let secret = begun["secret"].as_str().unwrap().to_owned();
        assert_eq!(secret.len(), 32, "160 bits in base 32");
        assert!(seen.insert(secret));
    }
    let ann = TwoSteps::turn_on(&server, browser).await;
    let mut codes = ann.recovery_codes.clone();
    for _ in 0..5 {
        let renewed = ann.browser.post("/recovery-codes", json!({})).await;
        codes.extend(recovery_codes(&renewed));
    }
    for code in codes {
        let symbols = code.chars().filter(|symbol| *symbol != '-').count();
        assert_eq!(symbols, 24, "120 bits: {code}");
        assert!(seen.insert(code));
    }
}

/// Each with a login that is half done.
async fn of_two_nodes_one_takes_a_code(kind: Kind) {
    let server = Server::start(kind).await;
    let ann = TwoSteps::sign_up(&server, "Ann").await;
    let database = Database::at(&server.database.url);
    let other = Server::start_on(database, &[]).await;
    other.clock.stop();
    let ahead = server.auth.now().since(other.auth.now());
    other.clock.advance(ahead);
    let (mut rounds, mut late) = (0, 0);
    while rounds < 10 {
        let (here, there) = (server.browser(), other.browser());
        for browser in [&here, &there] {
            assert_eq!(browser.log_in_with("Ann", PASSWORD).await.status, 202);
        }
        let code = ann.app.code();
        let (one, two) = tokio::join!(here.send_code(&code), there.send_code(&code));
        let mut statuses = [one.status.as_u16(), two.status.as_u16()];
        statuses.sort_unstable();
        // It may take too long, on a busy machine.
        if statuses[1] == 503 && late < 5 {
            late += 1;
        } else {
            rounds += 1;
            assert_eq!(statuses, [200, 400], "{rounds}: {one:?} {two:?}");
        }
        for node in [&server, &other] {
            node.clock.advance(STEP);
        }
    }
}
