//! What operators do to accounts and sessions while a server runs.

use handstamp::auth::generate_secret_key;
use serde_json::{Value, json};

use crate::helpers::{
    Database, Kind, PASSWORD, Process, Server, TwoSteps, Workplace, failed, find_user,
    on_both_databases, succeeded,
};

on_both_databases!(
    signing_everybody_out_ends_every_users_session,
    a_deleted_user_is_out_and_what_they_wrote_stays,
    live_sessions_are_listed,
    signing_out_ends_logins_between_the_steps,
    accounts_are_listed_as_json,
);

/// A server on a database of its own, and where it runs.
async fn serving(kind: Kind) -> (Database, Workplace, Process) {
    let database = Database::new(kind).await;
    let key = generate_secret_key();
    let workplace = Workplace::new(&[("DATABASE_URL", &database.url), ("SECRET_KEY", &key)]);
    let process = workplace.serve();
    (database, workplace, process)
}

fn json_lines(text: &str) -> Vec<Value> {
    let lines = text.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

async fn signing_everybody_out_ends_every_users_session(kind: Kind) {
    let (database, workplace, process) = serving(kind).await;
    let (ann, bob, visitor) = (process.browser(), process.browser(), process.browser());
    ann.sign_up("Ann").await;
    bob.sign_up("Bob").await;
    let post = ann
        .post("/posts", json!({"title": "News", "text": "Some."}))
        .await;
    let path = format!("/posts/{}", post.json()["id"].as_str().unwrap());
    assert_eq!(visitor.get(&path).await.json()["reads_left"], 2);
    // More than one batch of them.
    database.add_users(1_200).await;
    let insert = "insert into sessions
             (id, data, expiry_date, public_id, user_id, created_at, last_seen_at)
         select username, (select data from sessions limit 1), '2100-01-01T00:00:00.000000Z', id,
                id, created_at, created_at
         from users where username_key like 'user%'";
    database.execute(insert).await;

    let said = succeeded(&workplace.run(&["user", "sign-out", "--all"]));
    assert_eq!(said, "signed everybody out; 1202 sessions have ended\n");
    for browser in [&ann, &bob] {
        assert_eq!(browser.check_until(401).await.reason(), "unknown_session");
    }
    assert_eq!(
        database.count("sessions where user_id is not null").await,
        0
    );
    assert_eq!(
        visitor.get(&path).await.json()["reads_left"],
        2,
        "it is the same one"
    );
    let events = database
        .count("audit_events where event = 'end_all_sessions'")
        .await;
    assert_eq!(events, 1);
    assert_eq!(ann.log_in("Ann").await.status, 200);
    assert_eq!(ann.check().await.status, 200);

    for contradiction in [
        &["user", "sign-out"][..],
        &["user", "sign-out", "Ann", "--all"],
    ] {
        failed(&workplace.run(contradiction), 2);
    }
    assert_eq!(ann.check().await.status, 200);
}

/// A session whose id is changing, and one that is beginning, when the command comes to it.
#[tokio::test(flavor = "multi_thread")]
async fn no_session_slips_past_signing_everybody_out() {
    let (database, workplace, process) = serving(Kind::Postgres).await;
    process.browser().sign_up("Ann").await;
    let changing = "update sessions set id = 'changed' where user_id is not null";
    let beginning = "insert into sessions
             (id, data, expiry_date, public_id, user_id, created_at, last_seen_at)
         select 'begun', '', now() + interval '1 day', gen_random_uuid(), id, now(), now()
         from users";
    for sql in [changing, beginning] {
        let mut open = database.begin_postgres().await;
        sqlx::query(sql).execute(&mut *open).await.unwrap();
        let command = workplace.start_command(&["user", "sign-out", "--all"]);
        let waiting = "pg_stat_activity
             where datname = current_database() and wait_event_type = 'Lock'";
        database.count_until(waiting, 1).await;
        open.commit().await.unwrap();
        let said = succeeded(&command.wait_with_output().unwrap());
        assert_eq!(said, "signed everybody out; 1 sessions have ended\n");
        let left = database.count("sessions where user_id is not null").await;
        assert_eq!(left, 0, "{sql}");
    }
}

/// A restored dump of another server, which had counted more transactions.
#[tokio::test(flavor = "multi_thread")]
async fn revocations_of_another_server_do_not_come_back_for_ever() {
    let database = Database::new(Kind::Postgres).await;
    let workplace = Workplace::new(&[("DATABASE_URL", &database.url)]);
    succeeded(&workplace.run(&["migrate"]));
    let restored = "insert into revocations (xid, whose) values ('9000000000000', null)";
    database.execute(restored).await;
    let process = workplace.serve();
    let ann = process.browser();
    ann.sign_up("Ann").await;
    // The first that is cached has the log read.
    assert_eq!(ann.check().await.status, 200);
    database
        .count_until("revocations where xid > '8000000000000'", 0)
        .await;
    ann.log_out().await;
    assert!(database.count("revocations").await > 0, "its own stay");
}

async fn a_deleted_user_is_out_and_what_they_wrote_stays(kind: Kind) {
    let (database, workplace, process) = serving(kind).await;
    let (ann, other, reader) = (process.browser(), process.browser(), process.browser());
    ann.sign_up("Ann").await;
    other.log_in("Ann").await;
    ann.post("/posts", json!({"title": "News", "text": "Some."}))
        .await;
    assert_eq!(
        succeeded(&workplace.run(&["user", "delete", "ANN"])),
        "deleted Ann; every session has ended\n"
    );
    for browser in [&ann, &other] {
        assert_eq!(browser.check_until(401).await.reason(), "unknown_session");
    }
    let bad = ann.log_in("Ann").await;
    assert_eq!(
        (bad.status.as_u16(), bad.code()),
        (400, "bad_credentials".into())
    );
    let posts = reader.get("/posts").await.json();
    assert_eq!(posts["posts"][0]["author"], "[deleted]");
    let event = "audit_events where event = 'delete_account' and user_id is not null";
    assert_eq!(database.count(event).await, 1);
    let again = failed(&workplace.run(&["user", "delete", "Ann"]), 1);
    assert_eq!(again, "there is no user named Ann\n");
    reader.sign_up("Ann").await;
}

async fn live_sessions_are_listed(kind: Kind) {
    let (database, mut workplace, process) = serving(kind).await;
    let (first, second) = (process.browser(), process.browser());
    first.sign_up("Ann").await;
    second.log_in_with("Ann", PASSWORD).await;
    let list = ["user", "sessions", "ann", "--json"];
    let listed = json_lines(&succeeded(&workplace.run(&list)));
    let own = second.get("/sessions").await.json();
    let ids = |sessions: &[Value]| -> Vec<Value> {
        sessions
            .iter()
            .map(|session| session["id"].clone())
            .collect()
    };
    assert_eq!(ids(&listed), ids(own["sessions"].as_array().unwrap()));
    assert_eq!(listed[0]["user_agent"], "test browser");
    assert_eq!(listed[0]["ip"], "127.0.0.1");
    let text = succeeded(&workplace.run(&["user", "sessions", "Ann"]));
    assert_eq!(text.lines().count(), 2, "{text}");
    assert!(text.contains("test browser") && text.contains(listed[1]["id"].as_str().unwrap()));

    // What a browser says of itself may be commands to a terminal.
    let spoofed =
        "update sessions set user_agent = 'a\u{9b}31m\u{202e}b' where user_id is not null";
    database.execute(spoofed).await;
    let text = succeeded(&workplace.run(&["user", "sessions", "Ann"]));
    assert!(text.contains("a\\u{9b}31m\\u{202e}b"), "{text}");

    second.log_out().await;
    assert_eq!(json_lines(&succeeded(&workplace.run(&list))).len(), 1);
    // As the server does, by the timeouts that are set now.
    workplace.set("SESSION_IDLE_TIMEOUT", "1ms");
    assert_eq!(succeeded(&workplace.run(&list)), "");
    workplace.set("SESSION_IDLE_TIMEOUT", "1d");
    assert_eq!(json_lines(&succeeded(&workplace.run(&list))).len(), 1);
    succeeded(&workplace.run(&["user", "disable", "Ann"]));
    assert_eq!(
        database.count("sessions where user_id is not null").await,
        1
    );
    assert_eq!(succeeded(&workplace.run(&list)), "");
    assert_eq!(
        succeeded(&workplace.run(&["user", "sessions", "Ann"])),
        "Ann is logged in nowhere\n"
    );
}

async fn accounts_are_listed_as_json(kind: Kind) {
    let database = Database::new(kind).await;
    let workplace = Workplace::new(&[("DATABASE_URL", &database.url)]);
    succeeded(&workplace.run(&["migrate"]));
    let list = ["user", "list", "--json"];
    assert_eq!(
        succeeded(&workplace.run(&list)),
        "",
        "no words where nobody is"
    );
    for name in ["Zoe", "Ann"] {
        succeeded(&workplace.run(&["user", "add", name, "--no-password"]));
    }
    succeeded(&workplace.run(&["user", "disable", "Zoe"]));
    let listed = json_lines(&succeeded(&workplace.run(&list)));
    let names: Vec<_> = listed.iter().map(|account| &account["username"]).collect();
    assert_eq!(names, ["Ann", "Zoe"]);
    assert_eq!(listed[0]["has_password"], false);
    assert_eq!(listed[0]["disabled_at"], Value::Null);
    assert!(listed[1]["disabled_at"].is_string(), "{listed:?}");
    let shown = succeeded(&workplace.run(&["user", "show", "zoe", "--json"]));
    assert_eq!(json_lines(&shown), [listed[1].clone()]);
}

async fn signing_out_ends_logins_between_the_steps(kind: Kind) {
    let server = Server::start(kind).await;
    let ann = TwoSteps::sign_up(&server, "Ann").await;
    let accounts = server.accounts();
    let user = find_user(accounts, "Ann").await;
    for is_all in [false, true] {
        let between = ann.first_step("Ann").await;
        match is_all {
            true => {
                accounts.sign_out_all().await.unwrap();
            }
            false => accounts.sign_out(&user).await.unwrap(),
        }
        let answer = between.send_code(&ann.app.code()).await;
        assert_eq!(answer.reason(), "unknown_session", "{answer:?}");
        for table in ["half_logins", "sessions"] {
            assert_eq!(server.database.count(table).await, 0, "{table}");
        }
    }
}
