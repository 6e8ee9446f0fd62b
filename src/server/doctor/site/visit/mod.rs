//! A login and a logout through the proxy, by an account made for it and deleted afterwards.

pub(super) mod device;

use std::time::Duration;

use axum::http::Method;
use rand::RngExt;
use serde_json::json;

use super::{
    client::{ACCEPT_ALL_ENCODINGS, Response, Site, Unreachable, Who},
    cookies::set_cookies,
};
use crate::{
    Clock, Db,
    auth::{Application, generate_secret_key},
    db::DatabaseUrl,
    server::{
        doctor::{local::missing_file, report::Check, stop::Stop},
        settings::Config,
    },
};

const LOG_IN: &str = "log_in";
const LOG_OUT: &str = "log_out";
/// Enough for a balancer to show each of some nodes.
const REQUESTS: usize = 12;
/// Other nodes follow within a second.
const PATIENCE: Duration = Duration::from_secs(3);
const PAUSE: Duration = Duration::from_millis(250);
const FEW: usize = 4;

/// What a login and a logout have shown.
#[derive(Debug)]
pub(super) struct Visit {
    /// Of everything that was asked while logged in, the login first.
    pub responses: Vec<Response>,
    /// Of what was asked for in any encoding.
    pub encoded: Vec<Response>,
    /// Who was logged in meanwhile, which should be the user.
    pub who: Vec<Who>,
    /// Who was logged in without the cookie, which should be nobody.
    pub without_cookie: Who,
    pub log_in: Check,
    pub device: Check,
    pub log_out: Check,
}

/// Logs in and out at the site, by a new account in the database here.
///
/// # Errors
/// The check of the login, where nobody could log in or it was not tried.
pub(super) async fn visit(site: &Site, config: &Config, stop: &Stop) -> Result<Visit, Check> {
    is_usable(&config.database_url).await.map_err(not_tried)?;
    let db = Db::connect(&config.database_url).await;
    let db = db.map_err(|error| not_opened(&config.database_url, &error))?;
    let visited = with_database(site, config, &db, stop).await;
    db.close().await;
    visited
}

/// The check, where no login is tried.
pub(super) fn not_tried(why: impl std::fmt::Display) -> Check {
    Check::skipped(LOG_IN, why)
}

/// The check of the logout, where nobody is logged in.
pub(super) fn not_logged_in() -> Check {
    Check::skipped(LOG_OUT, "nobody is logged in, see log_in")
}

fn not_opened(url: &DatabaseUrl, error: &sqlx::Error) -> Check {
    not_tried(format!("{url} cannot be opened: {error}"))
}

/// Looks before the database is opened for writing, which would change one that is not ours.
async fn is_usable(url: &DatabaseUrl) -> Result<(), String> {
    if let Some(missing) = missing_file(url) {
        return Err(missing);
    }
    let db = Db::read_only(url).await;
    let db = db.map_err(|error| format!("{url} cannot be opened: {error}"))?;
    let pending = db.pending_of_library().await;
    db.close().await;
    match pending {
        Ok(0) => Ok(()),
        Ok(_) => Err("the database here is not migrated".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

async fn with_database(site: &Site, config: &Config, db: &Db, stop: &Stop) -> Result<Visit, Check> {
    let accounts = config.accounts(db.clone(), Clock::system());
    let accounts = accounts.map_err(|error| not_tried(error.problem().detail))?;
    let number: u64 = rand::rng().random();
    let name = format!("doctor-{number:016x}");
    let password = generate_secret_key();
    let application = Application::new(&name).password(password.clone());
    let user = accounts.add(application).await.map_err(|error| {
        let why = error.problem().detail;
        not_tried(format!("no account can be made: {why}"))
    })?;
    // Whatever comes of it, the account is to go.
    let is_bound = config.device_bound_sessions;
    let visited = log_in_and_out(site, (&name, &password), is_bound);
    let visited = stop.unless(visited).await;
    if let Err(error) = accounts.delete(&user).await {
        let why = error.problem().detail;
        let what = format!("the account {name}, made to log in, could not be deleted: {why}");
        return Err(Check::fail(
            LOG_IN,
            what,
            format!("delete it: handstamp user delete {name}"),
        ));
    }
    visited.unwrap_or_else(|| Err(not_tried("interrupted")))
}

async fn log_in_and_out(
    site: &Site,
    credentials: (&str, &str),
    is_bound: bool,
) -> Result<Visit, Check> {
    let tried = try_it(site, credentials, is_bound).await;
    tried.unwrap_or_else(|error| {
        let fix = "have the proxy, and every server behind it, respond to each request";
        Err(Check::fail(LOG_IN, error, fix))
    })
}

async fn try_it(
    site: &Site,
    (name, password): (&str, &str),
    is_bound: bool,
) -> Result<Result<Visit, Check>, Unreachable> {
    let body = json!({"username": name, "password": password});
    let login = site.send(Method::POST, "/login", &[], Some(body)).await?;
    if login.status != 200 {
        return Ok(Err(refused(site, &login)));
    }
    let Some(set) = set_cookies(&login).find(|cookie| !cookie.is_removal()) else {
        let what = "nobody can log in: the login's Set-Cookie does not arrive";
        let fix = "have the proxy pass Set-Cookie on unchanged";
        return Ok(Err(Check::fail(LOG_IN, what, fix)));
    };
    let cookie = format!("{}={}", set.name, set.value);
    let cookie = [("cookie", &*cookie)];

    let device = device::check(site, cookie[0], &login, is_bound).await?;
    let mut responses = vec![login];
    let mut who = Vec::new();
    for _ in 0..REQUESTS {
        let response = site.get("/checklogin", &cookie).await?;
        who.push(Who::of(&response));
        responses.push(response);
    }
    let without_cookie = Who::ask(site, &[]).await?;
    let encoded = [cookie[0], ACCEPT_ALL_ENCODINGS];
    let encoded = vec![
        site.get("/checklogin", &encoded).await?,
        site.get("/sessions", &encoded).await?,
    ];
    let left = site.send(Method::DELETE, "/logout", &cookie, None).await?;
    let (log_in, log_out) = match logged_in(&who) {
        Ok(log_in) => (log_in, log_out(site, cookie[0], &left).await?),
        Err(log_in) => (log_in, not_logged_in()),
    };
    responses.push(left);
    Ok(Ok(Visit {
        responses,
        encoded,
        who,
        without_cookie,
        log_in,
        device,
        log_out,
    }))
}

/// The check, where the login of an account that is there has failed.
fn refused(site: &Site, login: &Response) -> Check {
    let code = login.field("code").unwrap_or_default();
    match (login.status.as_u16(), &*code) {
        (_, "bad_credentials") => {
            not_tried("the site's database is not the one of DATABASE_URL here")
        }
        (429, _) | (_, "busy") => not_tried("there are too many logins at the moment"),
        (status, _) => {
            let what = format!(
                "nobody can log in: POST {}/login responds {status} {code}",
                site.prefix
            );
            let fix = "have the proxy pass every method on to the API with its body; the server's \
                       log says more about an error of its own";
            Check::fail(LOG_IN, what.trim_end(), fix)
        }
    }
}

/// Whether the login was any good.
fn logged_in(who: &[Who]) -> Result<Check, Check> {
    if who.contains(&Who::User) {
        return Ok(Check::pass(LOG_IN, "a new account logs in"));
    }
    let why = match who.first() {
        Some(Who::Unclear(status)) => format!("GET /checklogin responds {status}"),
        Some(Who::Nobody(reason)) => reason.clone(),
        _ => String::new(),
    };
    let what = format!("right after the login nobody is logged in ({why})");
    let fix = "have the proxy pass Cookie and Set-Cookie on unchanged";
    Err(Check::fail(LOG_IN, what, fix))
}

/// Whether the old cookie is good for nothing any more, on every node.
async fn log_out(site: &Site, cookie: (&str, &str), left: &Response) -> Result<Check, Unreachable> {
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
        let what = "the logout's Set-Cookie, which removes the cookie, does not arrive";
        let fix = "have the proxy pass Set-Cookie on unchanged";
        return Ok(Check::fail(LOG_OUT, what, fix));
    }
    let start = tokio::time::Instant::now();
    loop {
        let mut who = Vec::new();
        for _ in 0..FEW {
            who.push(Who::ask(site, &[cookie]).await?);
        }
        if who.iter().all(|who| matches!(who, Who::Nobody(_))) {
            let what = "a copy of the cookie is good for nothing afterwards";
            return Ok(Check::pass(LOG_OUT, what));
        }
        if start.elapsed() > PATIENCE {
            return Ok(not_out(&who));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// The check, where not every response says that nobody is logged in any more.
fn not_out(who: &[Who]) -> Check {
    let unclear = who.iter().find_map(|who| match who {
        Who::Unclear(status) => Some(*status),
        _ => None,
    });
    match unclear {
        Some(status) if !who.contains(&Who::User) => {
            let what = format!(
                "whether a copy of the cookie is good for nothing is not known: GET \
                 /checklogin responds {status}"
            );
            let fix =
                "have that mended, or the limit of the proxy raised, and run the doctor again";
            Check::fail(LOG_OUT, what, fix)
        }
        _ => {
            let what = "seconds after the logout a copy of the cookie is still logged in";
            let fix = "all nodes are to share one database and one SECRET_KEY, and no cache is to \
                       store responses";
            Check::fail(LOG_OUT, what, fix)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clear_response_tells_that_somebody_is_out() {
        let nobody = Who::Nobody("ended".to_owned());
        let detail = |who: &[Who]| not_out(who).detail;
        assert!(detail(&[nobody.clone(), Who::Unclear(503)]).contains("responds 503"));
        assert!(detail(&[Who::Unclear(503), Who::User]).contains("still logged in"));
        assert!(detail(&[nobody, Who::User]).contains("still logged in"));
    }
}
