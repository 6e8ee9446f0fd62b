//! Registrations and refreshes that are not what a browser signs: refused, and nothing is kept of them.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use reqwest::Method;
use serde_json::{Value, json};

use crate::helpers::{
    Bound, Browser, DEVICE_BOUND, Device, Kind, Offer, Server, on_both_databases, refresh,
    register, set_proof,
};

on_both_databases!(
    forged_registrations_bind_nothing,
    forged_refreshes_prove_nothing
);

/// Every way in which the header of a JWT can be wrong; `jwk` is the right key of a registration.
fn bad_headers(jwk: Option<Value>) -> Vec<Value> {
    let with = |changes: Value| {
        let mut header = json!({"alg": "ES256", "typ": "dbsc+jwt"});
        if let Some(jwk) = &jwk {
            header["jwk"] = jwk.clone();
        }
        for (name, value) in changes.as_object().unwrap() {
            header[name] = value.clone();
        }
        header
    };
    let mut headers = vec![
        with(json!({"alg": "none"})),
        with(json!({"alg": "HS256"})),
        with(json!({"alg": "RS256"})),
        with(json!({"alg": "ES384"})),
        with(json!({"alg": "es256"})),
        with(json!({"alg": null})),
        with(json!({"alg": ["ES256"]})),
        with(json!({"typ": "JWT"})),
        with(json!({"typ": "DBSC+JWT"})),
        with(json!({"typ": null})),
        with(json!({"crit": ["exp"], "exp": 1})),
        json!({}),
        json!([]),
        json!("dbsc+jwt"),
    ];
    if let Some(jwk) = jwk {
        let key = |changes: Value| {
            let mut jwk = jwk.clone();
            for (name, value) in changes.as_object().unwrap() {
                jwk[name] = value.clone();
            }
            json!({"alg": "ES256", "typ": "dbsc+jwt", "jwk": jwk})
        };
        let zeros = URL_SAFE_NO_PAD.encode([0; 32]);
        let short = URL_SAFE_NO_PAD.encode([1; 31]);
        let long = URL_SAFE_NO_PAD.encode([1; 33]);
        headers.extend([
            json!({"alg": "ES256", "typ": "dbsc+jwt"}),
            json!({"alg": "ES256", "typ": "dbsc+jwt", "jwk": null}),
            json!({"alg": "ES256", "typ": "dbsc+jwt", "jwk": {}}),
            key(json!({"kty": "RSA"})),
            key(json!({"kty": "oct", "k": "AAAA"})),
            key(json!({"crv": "P-384"})),
            key(json!({"crv": "secp256k1"})),
            // No point of the curve.
            key(json!({"x": zeros, "y": zeros})),
            key(json!({"x": short})),
            key(json!({"y": long})),
            key(json!({"y": ""})),
            key(json!({"x": 5})),
            key(json!({"x": jwk["y"], "y": jwk["x"]})),
        ]);
    } else {
        let jwk = Device::new().jwk();
        headers.push(json!({"alg": "ES256", "typ": "dbsc+jwt", "jwk": jwk}));
    }
    headers
}

fn bad_claims(challenge: &str, host: &str, path: &str) -> Vec<Value> {
    vec![
        json!({}),
        json!({"jti": null}),
        json!({"jti": [challenge]}),
        json!({"sub": challenge}),
        json!(challenge),
        json!({"jti": challenge, "aud": "https://evil.example/device/register"}),
        json!({"jti": challenge, "aud": format!("https://{host}/elsewhere")}),
        json!({"jti": challenge, "aud": format!("https://{host}.evil.example{path}")}),
        json!({"jti": challenge, "aud": 5}),
    ]
}

/// JWTs of the right device that are spoilt on the way.
fn spoilt(jwt: &str) -> Vec<String> {
    let [header, claims, signature]: [&str; 3] =
        jwt.split('.').collect::<Vec<_>>().try_into().unwrap();
    let mut flipped = URL_SAFE_NO_PAD.decode(signature).unwrap();
    flipped[40] ^= 1;
    let flipped = URL_SAFE_NO_PAD.encode(flipped);
    let zeros = URL_SAFE_NO_PAD.encode([0; 64]);
    let ones = URL_SAFE_NO_PAD.encode([255; 64]);
    vec![
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        format!("{header}.{claims}"),
        format!("{header}.{claims}."),
        format!("{header}.{claims}.{signature}."),
        format!("{jwt}.{signature}"),
        format!("{header}.{claims}.{flipped}"),
        format!("{header}.{claims}.{zeros}"),
        format!("{header}.{claims}.{ones}"),
        format!("{header}.{claims}.{signature}="),
        format!("{header}.{claims}.{}", &signature[..80]),
        format!("{header}.{claims}.{signature}AAAA"),
        format!("{header}x.{claims}.{signature}"),
        format!("{claims}.{header}.{signature}"),
        format!("{}.{claims}.{signature}", URL_SAFE_NO_PAD.encode("{")),
        format!("{jwt};a=b"),
        format!("{jwt}, {jwt}"),
        format!("\"{jwt}"),
        "A".repeat(2_049),
        format!("{}.{claims}.{signature}", "A".repeat(6_000)),
        "\u{e9}".to_owned(),
    ]
}

async fn forged_registrations_bind_nothing(kind: Kind) {
    let server = Server::start_with(kind, &[DEVICE_BOUND]).await;
    let browser = server.browser();
    let offer = Offer::of(&browser.sign_up("Ann").await).unwrap();
    let (device, other) = (Device::new(), Device::new());
    let host = server.base.strip_prefix("http://").unwrap();
    let good = json!({"jti": offer.challenge});
    let header = json!({"alg": "ES256", "typ": "dbsc+jwt", "jwk": device.jwk()});
    let mut forged = spoilt(&device.registration(&offer.challenge));
    // A quotation mark that is not closed is as good as none.
    forged.retain(|jwt| !jwt.starts_with('"'));
    let headers = bad_headers(Some(device.jwk())).into_iter();
    forged.extend(headers.map(|header| device.sign(&header, &good)));
    let claims = bad_claims(&offer.challenge, host, "/device/register").into_iter();
    forged.extend(claims.map(|claims| device.sign(&header, &claims)));
    // Signed with another key than the one that it brings along.
    forged.push(other.sign(&header, &good));
    let twice = header.to_string().replace('{', "{\"alg\":\"ES256\",");
    forged.push(device.sign_text(&twice, &good.to_string()));
    let before = rows(&server).await;
    for jwt in &forged {
        let answer = register(&browser, jwt).await;
        assert_eq!(answer.status, 400, "{jwt}: {answer:?}");
        assert_eq!(answer.code(), "bad_device_proof", "{jwt}");
        assert_eq!(set_proof(&answer), None);
    }
    let without = browser.request(Method::POST, "/device/register");
    assert_eq!(browser.send(without).await.code(), "bad_device_proof");
    assert_eq!(rows(&server).await, before);
    let claims = json!({
        "jti": offer.challenge,
        "aud": format!("https://{host}/device/register"),
        "iat": 1,
    });
    let answer = register(&browser, &device.sign(&header, &claims)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

async fn forged_refreshes_prove_nothing(kind: Kind) {
    let server = Server::start_with(kind, &[DEVICE_BOUND]).await;
    let bound = Bound::sign_up(&server, "Ann").await;
    let (device, browser) = (&bound.device, server.browser());
    let host = server.base.strip_prefix("http://").unwrap();
    let challenge = bound.challenge().await;
    let good = json!({"jti": challenge});
    let header = json!({"alg": "ES256", "typ": "dbsc+jwt"});
    let mut forged = spoilt(&device.refresh(&challenge));
    forged.retain(|jwt| !jwt.starts_with('"'));
    let headers = bad_headers(None).into_iter();
    forged.extend(headers.map(|header| device.sign(&header, &good)));
    let claims = bad_claims(&challenge, host, "/device/refresh").into_iter();
    forged.extend(claims.map(|claims| device.sign(&header, &claims)));
    forged.push(Device::new().refresh(&challenge));
    // That of a registration is none of a refresh.
    forged.push(device.registration(&challenge));
    let before = rows(&server).await;
    for jwt in &forged {
        let answer = refresh(&browser, &bound.id, Some(jwt)).await;
        assert_eq!(answer.status, 400, "{jwt}: {answer:?}");
        assert_eq!(answer.code(), "bad_device_proof", "{jwt}");
        assert_eq!(set_proof(&answer), None);
    }
    // No challenge of ours, but the right key: there is another one.
    for jti in ["", "made up", &"A".repeat(32), &"A".repeat(500)] {
        let answer = refresh(&browser, &bound.id, Some(&device.refresh(jti))).await;
        assert_eq!(answer.code(), "device_challenge", "{jti}");
        assert_eq!(set_proof(&answer), None);
    }
    assert_eq!(rows(&server).await, before);
    assert_twice_is_refused(&browser, &bound, &challenge).await;
    assert_eq!(bound.answer(&challenge).await.status, 200);
}

async fn assert_twice_is_refused(browser: &Browser, bound: &Bound, challenge: &str) {
    let jwt = bound.device.refresh(challenge);
    for (name, value) in [
        ("secure-session-response", &jwt),
        ("sec-secure-session-id", &bound.id),
    ] {
        let request = browser.request(Method::POST, "/device/refresh");
        let request = request
            .header("secure-session-response", &jwt)
            .header("sec-secure-session-id", &bound.id)
            .header(name, value);
        let answer = browser.send(request).await;
        assert_eq!(answer.code(), "bad_device_proof", "{name}");
    }
}

/// What a forged JWT could add to, but for the one event that says that there was one.
async fn rows(server: &Server) -> Vec<i64> {
    let mut rows = Vec::new();
    for table in [
        "sessions",
        "sessions where device_key is not null",
        "sessions where device_answered > 0",
        "audit_events where event <> 'device_proof_refused'",
        "users",
    ] {
        rows.push(server.database.count(table).await);
    }
    rows
}
