//! Every setting, its default and its meaning.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use axum::http::HeaderValue;
use ipnet::IpNet;

use super::{
    ConfigError, EnvReader, MailSettings, PasskeySettings, SETTINGS, Variables,
    exposed_files::exposed_files,
    read_environment,
    table::{CommandName, NEWS_SETTINGS, names},
    unknown,
    values::{DEFAULT_PAGE_CSP, api_prefix, origin, page_csp, trusted_proxy},
};
use crate::{
    auth::{
        RateLimit, Secret, password::MIN_PASSWORD_LENGTHS, session::device::SHORTEST_LIFETIME,
        spare_cores,
    },
    db::{DatabaseUrl, DatabaseUrlError},
    http::Layers,
    news,
};

/// They take about six gigabytes.
const MAX_CACHE_ENTRIES: usize = 10_000_000;
/// They take twenty gigabytes.
const MAX_HASHES_AT_ONCE: usize = 1_024;
const MAX_SESSIONS_PER_USER: usize = 1_000_000;

/// Who can make an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignUps {
    /// Everybody, with `POST /signup`.
    Open,
    /// An operator, from the command line.
    Closed,
}

/// Where the server runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Environment {
    /// A developer's machine: plain http, readable logs.
    Development,
    /// The internet: Secure cookies, JSON logs, weak settings refused.
    Production,
}

/// Every setting, read and checked.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// `APP_ENV`
    pub environment: Environment,
    /// `HOST`
    pub host: String,
    /// `PORT`
    pub port: u16,
    /// `SHUTDOWN_TIMEOUT`
    pub shutdown_timeout: Duration,
    /// `METRICS_ADDR`; none when it is off
    pub metrics_address: Option<SocketAddr>,
    /// `DATABASE_URL`
    pub database_url: DatabaseUrl,
    /// `SECRET_KEY`; none only where nothing is signed
    pub secret_key: Option<Secret>,
    /// `SECRET_KEY_FALLBACKS`
    pub secret_key_fallbacks: Vec<Secret>,
    /// `SESSION_IDLE_TIMEOUT`
    pub session_idle_timeout: Duration,
    /// `SESSION_ABSOLUTE_TIMEOUT`
    pub session_absolute_timeout: Duration,
    /// `SESSIONS_PER_USER`
    pub sessions_per_user: usize,
    /// `REAUTHENTICATION_WINDOW`
    pub reauthentication_window: Duration,
    /// `DEVICE_BOUND_SESSIONS`
    pub device_bound_sessions: bool,
    /// `DEVICE_PROOF_LIFETIME`
    pub device_proof_lifetime: Duration,
    /// `PASSWORDLESS_LOGIN`
    pub passwordless_login: bool,
    /// `SIGNUP`
    pub sign_ups: SignUps,
    /// `PASSWORD_MIN_LENGTH`
    pub password_min_length: usize,
    /// `LOGIN_FAILURES_PER_ACCOUNT`; none when they are not counted
    pub login_failures_per_account: Option<RateLimit>,
    /// `LOGIN_FAILURES_PER_ADDRESS`; none when they are not counted
    pub login_failures_per_address: Option<RateLimit>,
    /// `SIGNUPS_PER_ADDRESS`; none when they are not counted
    pub signups_per_address: Option<RateLimit>,
    /// `SMTP_URL` and what belongs to it
    pub mail: MailSettings,
    /// `RP_ID` and `RP_ORIGINS`
    pub passkeys: PasskeySettings,
    /// `PASSWORD_HASHES_AT_ONCE`
    pub password_hashes_at_once: usize,
    /// `SESSION_CACHE_ENTRIES`
    pub session_cache_entries: usize,
    /// `FREE_READS`, `FREE_READS_WINDOW`, `FREE_READS_PER_ADDRESS`; none where `NEWS` is off
    pub news: Option<news::Settings>,
    /// `TRUSTED_PROXIES`
    pub trusted_proxies: Vec<IpNet>,
    /// `ALLOWED_ORIGINS`
    pub allowed_origins: Vec<String>,
    /// `API_PREFIX`; empty where the API is at the root
    pub api_prefix: String,
    /// `WEB_DIR`
    pub web_dir: PathBuf,
    /// `PAGE_CSP`
    pub page_csp: HeaderValue,
}

impl Config {
    /// Reads the environment and `.env`, and requires what a server needs.
    ///
    /// # Errors
    /// Every mistake at once, each by the name of its setting.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::for_server(&read_environment())
    }

    /// The settings of a server, a signing key among them.
    ///
    /// # Errors
    /// Every mistake at once, each by the name of its setting.
    pub fn for_server(variables: &Variables) -> Result<Self, ConfigError> {
        let variables = variables.clone();
        let variables = match is_news_on(&variables) {
            true => variables,
            false => variables.without(|name| NEWS_SETTINGS.contains(&name)),
        };
        let mut reader = EnvReader::new(&variables, names());
        if variables.get("SECRET_KEY").is_none() {
            reader.mistake(
                "SECRET_KEY",
                "is not set; `handstamp secret` prints a fresh one to keep in .env",
            );
        }
        let (mut reader, config) = Self::read_from(reader);
        for what in exposed_files(&config.web_dir, &config.database_url) {
            reader.mistake("WEB_DIR", what);
        }
        unknown::refuse_near_misses(&mut reader, &variables);
        reader.finish(config)
    }

    /// The settings that a command reads; mistakes in others do not matter.
    ///
    /// # Errors
    /// Every mistake at once, each by the name of its setting.
    pub fn for_command(variables: &Variables, command: CommandName) -> Result<Self, ConfigError> {
        let is_others = |name: &str| {
            SETTINGS
                .iter()
                .any(|setting| setting.name == name && !setting.read_by.contains(&command))
        };
        let own = variables.clone().without(is_others);
        let (mut reader, config) = Self::read_from(EnvReader::new(&own, names()));
        unknown::refuse_near_misses(&mut reader, variables);
        reader.finish(config)
    }

    fn read_from(mut env: EnvReader<'_>) -> (EnvReader<'_>, Self) {
        let environment = env.read_with("APP_ENV", Environment::Development, |text| match text {
            "development" => Ok(Environment::Development),
            "production" => Ok(Environment::Production),
            _ => Err(format!(
                "must be development or production (it is {text:?})"
            )),
        });
        let signing_key = |text: &str| {
            let key = Secret::signing_key(text).map_err(|error| error.to_string())?;
            match environment {
                Environment::Production if key.is_weak() => {
                    Err("is too weak for production; `handstamp secret` prints a good one".into())
                }
                _ => Ok(Some(key)),
            }
        };
        let passwordless_login = env.switch("PASSWORDLESS_LOGIN", false);
        if passwordless_login && environment == Environment::Production {
            env.mistake("PASSWORDLESS_LOGIN", "must be off in production");
        }
        let is_news_on = env.switch("NEWS", environment == Environment::Development);
        let port = env.read("PORT", 5000, "a port number, 0 to 65535");
        let mail = MailSettings::read(&mut env, environment, port);
        let passkeys = PasskeySettings::read(&mut env, environment, port);
        let config = Self {
            environment,
            mail,
            passkeys,
            host: env
                .text("HOST")
                .unwrap_or("127.0.0.1")
                .trim_matches(['[', ']'])
                .to_owned(),
            port,
            shutdown_timeout: env.duration("SHUTDOWN_TIMEOUT", "10s"),
            metrics_address: env.read_with("METRICS_ADDR", None, metrics_address),
            secret_key: env.read_with("SECRET_KEY", None, signing_key),
            // Weak ones too: else nobody could leave a weak key without logging everybody out.
            secret_key_fallbacks: env.list("SECRET_KEY_FALLBACKS", |text| {
                Secret::signing_key(text).map_err(|error| error.to_string())
            }),
            session_idle_timeout: env.duration("SESSION_IDLE_TIMEOUT", "14d"),
            session_absolute_timeout: env.duration("SESSION_ABSOLUTE_TIMEOUT", "30d"),
            sessions_per_user: env.count("SESSIONS_PER_USER", 20, MAX_SESSIONS_PER_USER),
            reauthentication_window: env.duration("REAUTHENTICATION_WINDOW", "10m"),
            device_bound_sessions: env.switch(
                "DEVICE_BOUND_SESSIONS",
                environment == Environment::Production,
            ),
            device_proof_lifetime: env.duration_of_at_least(
                "DEVICE_PROOF_LIFETIME",
                "10m",
                SHORTEST_LIFETIME,
            ),
            passwordless_login,
            sign_ups: env.read_with("SIGNUP", SignUps::Open, |text| match text {
                "open" => Ok(SignUps::Open),
                "closed" => Ok(SignUps::Closed),
                _ => Err(format!("must be open or closed (it is {text:?})")),
            }),
            password_min_length: env.read_with(
                "PASSWORD_MIN_LENGTH",
                *MIN_PASSWORD_LENGTHS.start(),
                password_min_length,
            ),
            login_failures_per_account: env.rate_limit("LOGIN_FAILURES_PER_ACCOUNT", "10/15m"),
            login_failures_per_address: env.rate_limit("LOGIN_FAILURES_PER_ADDRESS", "50/15m"),
            signups_per_address: env.rate_limit("SIGNUPS_PER_ADDRESS", "20/1h"),
            password_hashes_at_once: env.count(
                "PASSWORD_HASHES_AT_ONCE",
                spare_cores(),
                MAX_HASHES_AT_ONCE,
            ),
            session_cache_entries: env.read_with(
                "SESSION_CACHE_ENTRIES",
                100_000,
                session_cache_entries,
            ),
            news: is_news_on.then(|| news::Settings {
                free_reads: env.read_with("FREE_READS", Some(3), free_reads),
                free_reads_window: env.duration("FREE_READS_WINDOW", "30d"),
                free_reads_per_address: env.rate_limit("FREE_READS_PER_ADDRESS", "200/1d"),
            }),
            trusted_proxies: env.list("TRUSTED_PROXIES", |text| trusted_proxy(text, environment)),
            allowed_origins: env.list("ALLOWED_ORIGINS", origin),
            api_prefix: env.read_with("API_PREFIX", String::new(), api_prefix),
            web_dir: env.text("WEB_DIR").unwrap_or("web/dist").into(),
            page_csp: env.read_with(
                "PAGE_CSP",
                HeaderValue::from_static(DEFAULT_PAGE_CSP),
                page_csp,
            ),
            database_url: env.read_with("DATABASE_URL", DatabaseUrl::default(), |url| {
                url.parse()
                    .map_err(|error: DatabaseUrlError| error.to_string())
            }),
        };
        (env, config)
    }

    /// Whether mail is sent, or is at least in the log.
    pub fn sends_mail(&self) -> bool {
        self.mail.smtp_url.is_some() || !self.is_production()
    }

    /// What is done to every request and response.
    pub fn layers(&self) -> Layers {
        Layers::new()
            .https(self.is_production())
            .trusted_proxies(self.trusted_proxies.iter().copied())
            .allowed_origins(self.allowed_origins.iter().cloned())
    }

    /// Whether this is production.
    pub fn is_production(&self) -> bool {
        self.environment == Environment::Production
    }
}

/// Whether the news is served, as far as can be told before the settings are checked.
fn is_news_on(variables: &Variables) -> bool {
    match variables.get("NEWS") {
        Some(text) => text == "on",
        None => variables.get("APP_ENV") != Some("production"),
    }
}

/// An address with its port, or `off`.
fn metrics_address(text: &str) -> Result<Option<SocketAddr>, String> {
    match text {
        "off" => Ok(None),
        _ => text.parse().map(Some).map_err(|_| {
            format!("must be off, or an address and a port such as 127.0.0.1:9464 (it is {text:?})")
        }),
    }
}

fn password_min_length(text: &str) -> Result<usize, String> {
    let (least, most) = MIN_PASSWORD_LENGTHS.into_inner();
    match text.parse() {
        Ok(length) if MIN_PASSWORD_LENGTHS.contains(&length) => Ok(length),
        _ => Err(format!(
            "must be a whole number from {least} to {most} (it is {text:?})"
        )),
    }
}

fn session_cache_entries(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(entries) if entries <= MAX_CACHE_ENTRIES => Ok(entries),
        _ => Err(format!(
            "must be a whole number from 0 to {MAX_CACHE_ENTRIES} (it is {text:?})"
        )),
    }
}

/// A number of posts, or `unlimited`.
fn free_reads(text: &str) -> Result<Option<u32>, String> {
    match text {
        "unlimited" => Ok(None),
        _ => text
            .parse()
            .map(Some)
            .map_err(|_| format!("must be a whole number or unlimited (it is {text:?})")),
    }
}
