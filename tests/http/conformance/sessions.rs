//! How sessions begin and end.

use reqwest::Method;

use super::{
    rows,
    subject::{Subject, session_set_by},
};

rows!(
    a_login_makes_a_new_session,
    a_session_chosen_by_somebody_else_is_not_taken,
    no_copy_outlives_a_logout,
    a_logout_removes_the_cookie,
    a_logout_wins_over_requests_in_flight,
    a_logout_ends_one_session_alone,
    visitors_get_no_cookie,
);

async fn a_login_makes_a_new_session(subject: Subject) {
    let first = subject.log_in().await;
    let again = subject.log_in_request().header("cookie", first.pair());
    let second = session_set_by(&again.send().await.unwrap());
    assert_ne!(first.value, second.value);
    assert!(!subject.is_logged_in(&first.pair()).await, "fixation");
    assert!(subject.is_logged_in(&second.pair()).await);
}

async fn a_session_chosen_by_somebody_else_is_not_taken(subject: Subject) {
    let name = subject.log_in().await.name;
    let chosen = format!("{name}=0123456789abcdef0123456789abcdef");
    let log_in = subject.log_in_request().header("cookie", &chosen);
    let set = session_set_by(&log_in.send().await.unwrap());
    assert_ne!(set.pair(), chosen);
    assert!(!subject.is_logged_in(&chosen).await);
}

async fn no_copy_outlives_a_logout(subject: Subject) {
    let set = subject.log_in().await;
    assert!(subject.is_logged_in(&set.pair()).await);
    assert_eq!(subject.log_out(&set.pair()).await.status(), 200);
    assert!(!subject.is_logged_in(&set.pair()).await);
}

async fn a_logout_removes_the_cookie(subject: Subject) {
    let set = subject.log_in().await;
    let answer = subject.log_out(&set.pair()).await;
    let removal = answer.headers()["set-cookie"].to_str().unwrap();
    let removal = removal.to_lowercase();
    assert!(removal.starts_with(&format!("{}=;", set.name)), "{removal}");
    assert!(
        removal.contains("max-age=0") || removal.contains("01 jan 1970"),
        "{removal}"
    );
}

async fn a_logout_wins_over_requests_in_flight(subject: Subject) {
    for _ in 0..20 {
        let set = subject.log_in().await;
        let checks = (0..4).map(|_| {
            let (subject, cookie) = (subject.clone(), set.pair());
            tokio::spawn(async move { subject.check(&cookie).await.status() })
        });
        let checks: Vec<_> = checks.collect();
        subject.log_out(&set.pair()).await;
        for check in checks {
            check.await.unwrap();
        }
        assert!(!subject.is_logged_in(&set.pair()).await);
    }
}

async fn a_logout_ends_one_session_alone(subject: Subject) {
    let (one, other) = (subject.log_in().await, subject.log_in().await);
    subject.log_out(&one.pair()).await;
    assert!(subject.is_logged_in(&other.pair()).await);
}

async fn visitors_get_no_cookie(subject: Subject) {
    let look = subject.request(Method::GET, "/checklogin");
    let answer = look.send().await.unwrap();
    assert_eq!(answer.headers().get("set-cookie"), None);
}
