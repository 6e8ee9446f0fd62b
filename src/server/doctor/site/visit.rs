//! A login and a log-out through the proxy, by an account that is there for no longer.

use std::time::Duration;

use axum::http::Method;
use rand::RngExt;
use serde_json::json;

use super::{
    client::{ACCEPT_ALL_ENCODINGS, Answer, Site, Unreachable},
    cookies::set_cookies,
};
use crate::{
    Clock, Db,
    auth::{Application, generate_secret_key},
    server::{
        doctor::{local::missing_file, report::Check},
        settings::Config,
    },
};

const LOG_OUT: &str = "log_out";
/// Enough for a balancer to show each of some nodes.
const REQUESTS: usize = 12;
/// Other nodes follow within a second.
const PATIENCE: Duration = Duration::from_secs(3);
const PAUSE: Duration = Duration::from_millis(250);
const FEW: usize = 4;

/// What a login and a log-out have shown.
#[derive(Debug)]
pub(super) struct Visit {
    /// Of everything that was asked while logged in, the login first.
    pub answers: Vec<Answer>,
    /// Of what was asked for in any encoding.
    pub encoded: Vec<Answer>,
    /// What `/checklogin` said meanwhile: none for the user, else the reason.
    pub refusals: Vec<Option<String>>,
    /// Whether a request without the cookie was nobody's.
    pub is_told_apart: bool,
    pub log_out: Check,
}

/// Logs in and out at the site, by a new account in the database here.
///
/// # Errors
/// Why nobody could log in.
pub(super) async fn visit(site: &Site, config: &Config) -> Result<Visit, String> {
    if let Some(missing) = missing_file(&config.database_url) {
        return Err(missing);
    }
    let db = Db::connect(&config.database_url).await;
    let db = db.map_err(|error| format!("{} cannot be opened: {error}", config.database_url))?;
    let visited = with_database(site, config, &db).await;
    db.close().await;
    visited
}

async fn with_database(site: &Site, config: &Config, db: &Db) -> Result<Visit, String> {
    match db.pending_of_library().await {
        Ok(0) => {}
        Ok(_) => return Err("the database here is not migrated".to_owned()),
        Err(error) => return Err(error.to_string()),
    }
    let accounts = config.accounts(db.clone(), Clock::system());
    let accounts = accounts.map_err(|error| error.problem().detail)?;
    let number: u64 = rand::rng().random();
    let name = format!("doctor-{number:016x}");
    let password = generate_secret_key();
    let application = Application::new(&name).password(password.clone());
    let user = accounts.add(application).await;
    let user =
        user.map_err(|error| format!("no account can be made: {}", error.problem().detail))?;
    // Whatever comes of it, the account is to go.
    let visited = tokio::select! {
        visited = log_in_and_out(site, &name, &password) => visited,
        _ = tokio::signal::ctrl_c() => Err("interrupted".to_owned()),
    };
    if let Err(error) = accounts.delete(&user).await {
        let why = error.problem().detail;
        return Err(format!(
            "the account {name} could not be deleted again: {why}"
        ));
    }
    visited
}

async fn log_in_and_out(site: &Site, name: &str, password: &str) -> Result<Visit, String> {
    let tried = try_it(site, name, password).await;
    tried.unwrap_or_else(|error| Err(error.to_string()))
}

async fn try_it(
    site: &Site,
    name: &str,
    password: &str,
) -> Result<Result<Visit, String>, Unreachable> {
    let body = json!({"username": name, "password": password});
    let login = site.send(Method::POST, "/login", &[], Some(body)).await?;
    if login.status != 200 {
        let code = login.field("code").unwrap_or_default();
        return Ok(Err(match &*code {
            "bad_credentials" => {
                "the site's database is not the one of DATABASE_URL here".to_owned()
            }
            _ => format!("the login responds {} {code}", login.status.as_u16()),
        }));
    }
    let Some(set) = set_cookies(&login).find(|cookie| !cookie.is_removal()) else {
        return Ok(Err("the login's Set-Cookie does not arrive".to_owned()));
    };
    let cookie = format!("{}={}", set.name, set.value);
    let cookie = [("cookie", &*cookie)];

    let mut answers = vec![login];
    let mut refusals = Vec::new();
    for _ in 0..REQUESTS {
        let answer = site.get("/checklogin", &cookie).await?;
        refusals.push(refusal(&answer));
        answers.push(answer);
    }
    let nobody = site.get("/checklogin", &[]).await?;
    let encoded = [cookie[0], ACCEPT_ALL_ENCODINGS];
    let encoded = vec![
        site.get("/checklogin", &encoded).await?,
        site.get("/sessions", &encoded).await?,
    ];
    let left = site.send(Method::DELETE, "/logout", &cookie, None).await?;
    let log_out = log_out(site, cookie[0], &left, &refusals).await?;
    answers.push(left);
    Ok(Ok(Visit {
        answers,
        encoded,
        refusals,
        is_told_apart: nobody.status != 200,
        log_out,
    }))
}

/// Why nobody is logged in, if so.
fn refusal(answer: &Answer) -> Option<String> {
    let why = || {
        answer
            .field("reason")
            .unwrap_or_else(|| answer.status.to_string())
    };
    (answer.status != 200).then(why)
}

/// Whether the old cookie is good for nothing any more, on every node.
async fn log_out(
    site: &Site,
    cookie: (&str, &str),
    left: &Answer,
    refusals: &[Option<String>],
) -> Result<Check, Unreachable> {
    if refusals.iter().all(Option::is_some) {
        let why = refusals.iter().flatten().next().map_or("", |why| why);
        let what = format!("right after the login nobody is logged in ({why})");
        let fix = "have the proxy pass Cookie and Set-Cookie on unchanged";
        return Ok(Check::fail(LOG_OUT, what, fix));
    }
    if left.status != 200 {
        let what = format!(
            "DELETE {}/logout responds {}",
            site.prefix,
            left.status.as_u16()
        );
        let fix = "have the proxy pass every method on to the API";
        return Ok(Check::fail(LOG_OUT, what, fix));
    }
    if !set_cookies(left).any(|cookie| cookie.is_removal()) {
        let what = "the log-out's Set-Cookie, which removes the cookie, does not arrive";
        return Ok(Check::fail(
            LOG_OUT,
            what,
            "have the proxy pass Set-Cookie on unchanged",
        ));
    }
    let start = tokio::time::Instant::now();
    loop {
        let mut is_out = true;
        for _ in 0..FEW {
            is_out &= site.get("/checklogin", &[cookie]).await?.status != 200;
        }
        if is_out {
            return Ok(Check::pass(
                LOG_OUT,
                "a copy of the cookie is good for nothing afterwards",
            ));
        }
        if start.elapsed() > PATIENCE {
            let what = "seconds after the log-out a copy of the cookie is still logged in";
            let fix = "all nodes are to share one database and one SECRET_KEY, and no cache is to \
                       store responses";
            return Ok(Check::fail(LOG_OUT, what, fix));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// The check, where nobody could log in.
pub(super) fn not_visited(why: &str) -> Check {
    Check::skipped(LOG_OUT, why)
}
