//! Headers that every response has, and what none reveals.

use reqwest::{Method, Response};

use super::{rows, subject::Subject};

rows!(
    nothing_personal_is_stored,
    no_response_is_taken_for_another_type,
    nobody_frames_a_response,
    no_response_leaks_the_referrer,
    no_response_names_the_server,
    errors_tell_nothing_of_the_inside,
    requests_are_not_echoed,
);

/// Responses of every kind: logged in, not logged in, not found, not JSON.
async fn answers(subject: &Subject) -> Vec<Response> {
    let set = subject.log_in().await;
    let get = |path| subject.request(Method::GET, path);
    let malformed = subject
        .request(Method::POST, "/login")
        .header("content-type", "application/json")
        .body("{");
    vec![
        subject.check(&set.pair()).await,
        subject.check("").await,
        subject.log_in_request().send().await.unwrap(),
        get("/there-is-nothing-here").send().await.unwrap(),
        malformed.send().await.unwrap(),
    ]
}

async fn nothing_personal_is_stored(subject: Subject) {
    for answer in answers(&subject).await.into_iter().take(3) {
        let cache = answer.headers().get("cache-control");
        let cache = cache.map(|value| value.to_str().unwrap().to_owned());
        assert!(
            cache.is_some_and(|cache| cache.contains("no-store")),
            "{answer:?}"
        );
    }
}

async fn every_answer_says(subject: &Subject, header: &str, is_right: impl Fn(&str) -> bool) {
    for answer in answers(subject).await {
        let value = answer.headers().get(header);
        let value = value.map(|value| value.to_str().unwrap().to_owned());
        assert!(value.is_some_and(|value| is_right(&value)), "{answer:?}");
    }
}

async fn no_response_is_taken_for_another_type(subject: Subject) {
    every_answer_says(&subject, "x-content-type-options", |value| {
        value == "nosniff"
    })
    .await;
}

async fn nobody_frames_a_response(subject: Subject) {
    every_answer_says(&subject, "content-security-policy", |value| {
        value.contains("frame-ancestors 'none'")
    })
    .await;
}

async fn no_response_leaks_the_referrer(subject: Subject) {
    every_answer_says(&subject, "referrer-policy", |value| {
        ["same-origin", "no-referrer", "strict-origin"].contains(&value)
    })
    .await;
}

async fn no_response_names_the_server(subject: Subject) {
    for answer in answers(&subject).await {
        for header in ["server", "x-powered-by", "via"] {
            assert_eq!(answer.headers().get(header), None, "{header}");
        }
    }
}

async fn errors_tell_nothing_of_the_inside(subject: Subject) {
    for answer in answers(&subject).await {
        if answer.status() == 200 {
            continue;
        }
        let text = answer.text().await.unwrap();
        for word in [
            "Traceback",
            "node_modules",
            "    at ",
            ".py",
            ".rs",
            "/src/",
            "select ",
            "SQLITE",
        ] {
            assert!(!text.contains(word), "{word}: {text}");
        }
    }
}

async fn requests_are_not_echoed(subject: Subject) {
    let request = subject.request(Method::TRACE, "/login");
    let answer = request.header("x-probe", "marmalade").send().await.unwrap();
    assert!(!answer.status().is_success(), "{answer:?}");
    assert!(!answer.text().await.unwrap().contains("marmalade"));
}
