//! The server, from its settings to its last response.

use std::{
    future::pending,
    io::{self, ErrorKind},
    net::SocketAddr,
    time::{Duration, Instant},
};

use listenfd::ListenFd;
use tokio::{
    net::TcpListener,
    signal::unix::{Signal, SignalKind, signal},
    sync::oneshot,
};

use super::{
    Failure,
    args::Serve,
    database::{Needs, open},
    demo, first_run, logging,
    terminal::say,
    warn_of_unknown_names,
};
use crate::{
    auth::{Accounts, Secret, keep_mailing, keep_purging},
    clock::Clock,
    db::REQUEST_TIMEOUT,
    http::{self, Shutdown},
    mail::SmtpUrl,
    server::{
        app,
        health::Health,
        metrics::Metrics,
        settings::{Config, SignUps, is_too_wide},
    },
};

/// How long a load balancer may see that the server is not ready before it stops accepting.
const NOT_READY: Duration = Duration::from_secs(1);
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// How long a mail that is being sent may delay the exit.
const MAIL_TIMEOUT: Duration = Duration::from_secs(2);
/// How long another server may still have the address of the metrics.
const METRICS_PATIENCE: Duration = Duration::from_secs(3);
const METRICS_PAUSE: Duration = Duration::from_millis(100);
/// With a shorter lifetime, refreshes exceed Chromium's quota of signatures (six in nine minutes).
const LEAST_PROOF_LIFETIME: Duration = Duration::from_secs(4 * 60);
const PURGE_INTERVAL: Duration = Duration::from_secs(60);
/// The session store warns at each cookie of a session that has ended, which is normal.
const LOG_FILTER: &str = "info,tower_sessions_core=error,webauthn_rs_core=off";

/// Serves until SIGTERM or Ctrl-C.
pub async fn serve(options: Serve) -> Result<(), Failure> {
    let (mut variables, wrote_dotenv) = first_run::environment()?;
    if options.demo {
        variables.set("NEWS", "on");
    }
    let config = Config::for_server(&variables)?;
    logging::start(&variables, LOG_FILTER, config.is_production());
    warn_of_unknown_names(&variables);
    if wrote_dotenv {
        tracing::info!("first run: wrote .env with a fresh SECRET_KEY");
    }

    http::raise_open_files().map_err(Failure::other)?;
    if options.demo {
        demo::refuse_in_production(&config)?;
    }
    let needs = Needs {
        file: true,
        news: config.news.is_some(),
    };
    let db = open(&config, needs).await?;
    if options.demo {
        let loaded = demo::load(&config, &db).await?;
        tracing::info!(
            posts = loaded.posts,
            comments = loaded.comments,
            "loaded the sample news"
        );
    }
    let db = db.with_patience(REQUEST_TIMEOUT);
    let auth = config
        .auth(db.clone(), Clock::system())
        .map_err(Failure::other)?;
    let health = Health::new(db.clone());
    let metrics = Metrics::new(&auth).map_err(Failure::other)?;
    let measured = config.metrics_address.map(|_| &metrics);
    let app = app::service(&config, &auth, health.clone(), measured).map_err(Failure::other)?;
    let (listener, is_inherited) = match inherited_listener()? {
        Some(listener) => (listener, true),
        None => (listen(&config).await?, false),
    };
    // Before the address is printed: a signal may arrive right after it.
    let mut signals = StopSignals::register().map_err(Failure::other)?;
    serve_metrics(&config, metrics).await?;
    announce(&config, listener.local_addr().map_err(Failure::other)?)?;
    warn_of_proxies(&config);
    warn_of_weak_fallbacks(&config);
    warn_of_device_proofs(&config);
    warn_of_mail(&config);
    warn_of_passkeys(&config, auth.accounts()).await?;
    tracing::info!(database = %config.database_url, "serving");

    let purging = tokio::spawn(keep_purging(auth.clone(), PURGE_INTERVAL));
    let (stop_mailing, mailing_stops) = oneshot::channel::<()>();
    let mut mailing = tokio::spawn(keep_mailing(auth, async move {
        let _ = mailing_stops.await;
    }));
    let (stopping, stopped) = oneshot::channel();
    let stop = async {
        let signal = signals.next().await;
        tracing::info!("shutting down");
        health.shut_down();
        let _ = stopping.send(signals);
        Shutdown::new()
            .notice(match signal {
                StopSignal::Terminate => NOT_READY,
                StopSignal::Interrupt => Duration::ZERO,
            })
            .limit(config.shutdown_timeout)
            .listener_is_inherited(is_inherited)
    };
    // A second SIGTERM says nothing new, as some service managers send two.
    let hurried = async {
        let Ok(mut signals) = stopped.await else {
            return pending().await;
        };
        let StopSignals { interrupt, .. } = &mut signals;
        interrupt.recv().await;
    };
    tokio::select! {
        () = http::serve_until(listener, app, stop) => {}
        () = hurried => {
            tracing::warn!("stopped at once");
            return Ok(());
        }
    }
    purging.abort();
    // A mail that is being sent would be sent again.
    drop(stop_mailing);
    let _ = tokio::time::timeout(MAIL_TIMEOUT, &mut mailing).await;
    mailing.abort();
    // What is stuck in the database must not keep the process.
    let _ = tokio::time::timeout(CLOSE_TIMEOUT, db.close()).await;
    Ok(())
}

/// The first line names the address, for programs; the rest is for a newcomer.
fn announce(config: &Config, address: SocketAddr) -> Result<(), Failure> {
    say(&format!("listening on http://{address}"))?;
    if config.is_production() {
        return Ok(());
    }
    let site = format!("http://{address}");
    let api = format!("{site}{}", config.api_prefix);
    let post = "-H 'Content-Type: application/json' -d";
    let ann = "\"username\":\"Ann\",\"password\":\"plain tea at dawn\"";
    let curl = "curl -w '\\n' -b jar -c jar";
    let make_account = match config.sign_ups {
        SignUps::Open => {
            format!("{curl} {post} '{{{ann},\"email\":\"ann@example.com\"}}' {api}/signup")
        }
        SignUps::Closed => {
            // As this process was called, which `cargo run` does by its path.
            let program = std::env::args().next();
            let program = program.as_deref().unwrap_or("handstamp");
            format!("{program} user add Ann     # password: plain tea at dawn")
        }
    };
    let news = match config.news {
        Some(_) => format!("Just Tech News, the demo app: {curl} {api}/posts\n"),
        None => String::new(),
    };
    let page = match config.web_dir.join("index.html").exists() {
        true => String::new(),
        false => {
            let web_dir = std::path::absolute(&config.web_dir);
            let web_dir = web_dir.unwrap_or_else(|_| config.web_dir.clone());
            let web_dir = web_dir.display();
            format!(" (one that says how to get yours: there is none in WEB_DIR, {web_dir})")
        }
    };
    say(&format!(
        "\nTry it:\n  \
         {make_account}\n  \
         {curl} {api}/checklogin\n  \
         {curl} -X DELETE {api}/logout\n  \
         {curl} {post} '{{{ann}}}' {api}/login\n\
         {news}\
         The page: {site}/{page}\n\
         The API, to browse: {site}/docs\n"
    ))
}

/// In production there is a proxy, as somebody has to speak https; and blocks as wide as this
/// are refused there.
fn warn_of_proxies(config: &Config) {
    if config.trusted_proxies.iter().any(is_too_wide) {
        tracing::warn!(
            "TRUSTED_PROXIES holds everybody, who can then choose their own address; production \
             refuses it"
        );
    }
    if config.is_production() && config.trusted_proxies.is_empty() {
        tracing::warn!(
            "TRUSTED_PROXIES is empty: behind a proxy every client seems to have its address, and \
             LOGIN_FAILURES_PER_ADDRESS, SIGNUPS_PER_ADDRESS, MAILS_PER_ADDRESS and \
             FREE_READS_PER_ADDRESS count them as one"
        );
    }
}

/// A fallback that can be guessed is still accepted, so that it can be replaced at leisure.
fn warn_of_weak_fallbacks(config: &Config) {
    let mut keys = config.secret_key_fallbacks.iter();
    if config.is_production() && keys.any(Secret::is_weak) {
        tracing::warn!(
            "SECRET_KEY_FALLBACKS holds a key that can be guessed; remove it as soon as \
             SESSION_ABSOLUTE_TIMEOUT has passed"
        );
    }
}

fn warn_of_device_proofs(config: &Config) {
    if config.device_bound_sessions && config.device_proof_lifetime < LEAST_PROOF_LIFETIME {
        tracing::warn!(
            "DEVICE_PROOF_LIFETIME is below 4m: Chromium signs six times in nine minutes, then sends \
             requests without proof, which are refused"
        );
    }
}

fn warn_of_mail(config: &Config) {
    if !config.sends_mail() {
        tracing::warn!(
            "SMTP_URL is not set: nobody who forgets their password gets back in by themselves"
        );
    }
    if config
        .mail
        .smtp_url
        .as_ref()
        .is_some_and(SmtpUrl::risks_password)
    {
        tracing::warn!(
            "SMTP_URL lets the password for the mail server go over the network in clear, should \
             somebody in between hide STARTTLS; add ?tls=required, or use smtps://"
        );
    }
}

/// Warns of passkeys in the database with which nobody can log in: passkeys are turned off, or they were
/// added for another domain.
async fn warn_of_passkeys(config: &Config, accounts: &Accounts) -> Result<(), Failure> {
    let site = config.passkeys.relying_party.as_ref();
    let (count, unusable) = accounts.count_passkeys(site).await?;
    match site {
        _ if unusable == 0 => {}
        Some(site) => tracing::warn!(
            "{unusable} of {count} passkeys were added for another domain than {} (RP_ID) and cannot \
             be used: an account with nothing else cannot be logged in to",
            site.id()
        ),
        None => tracing::warn!(
            count,
            "accounts have passkeys, and there are none without PUBLIC_URL (or RP_ID and \
             RP_ORIGINS): who has nothing else cannot log in"
        ),
    }
    Ok(())
}

/// The socket of systemd's socket activation, on which connections wait while there is no process.
fn inherited_listener() -> Result<Option<TcpListener>, Failure> {
    let inherited = ListenFd::from_env().take_tcp_listener(0);
    let unusable = |error| {
        Failure::other(format!(
            "the socket that was passed on cannot be used: {error}"
        ))
    };
    let Some(listener) = inherited.map_err(unusable)? else {
        return Ok(None);
    };
    listener.set_nonblocking(true).map_err(unusable)?;
    TcpListener::from_std(listener).map(Some).map_err(unusable)
}

/// Serves the metrics for as long as the process runs, if they are on.
async fn serve_metrics(config: &Config, metrics: Metrics) -> Result<(), Failure> {
    let Some(address) = config.metrics_address else {
        return Ok(());
    };
    let listener = listen_for_metrics(address).await?;
    let address = listener.local_addr().map_err(Failure::other)?;
    tracing::info!("metrics at http://{address}/metrics");
    let mut signals = StopSignals::register().map_err(Failure::other)?;
    let stop = async move {
        signals.next().await;
    };
    tokio::spawn(metrics.serve(listener, stop));
    Ok(())
}

/// Retries for a moment: the server that this one replaces may be about to release the address.
async fn listen_for_metrics(address: SocketAddr) -> Result<TcpListener, Failure> {
    let start = Instant::now();
    loop {
        let error = match TcpListener::bind(address).await {
            Ok(listener) => return Ok(listener),
            Err(error) => error,
        };
        let what = format!("METRICS_ADDR: cannot listen on {address}: {error}");
        if error.kind() != ErrorKind::AddrInUse {
            return Err(Failure::Mistakes(vec![what]));
        }
        if start.elapsed() > METRICS_PATIENCE {
            return Err(Failure::other(what));
        }
        tokio::time::sleep(METRICS_PAUSE).await;
    }
}

async fn listen(config: &Config) -> Result<TcpListener, Failure> {
    let address = (config.host.as_str(), config.port);
    TcpListener::bind(address).await.map_err(|error| {
        let Config { host, port, .. } = config;
        let what = format!("cannot listen on {host}:{port}: {error}");
        match error.kind() {
            ErrorKind::AddrInUse => Failure::other(format!("{what}; set PORT to another")),
            ErrorKind::PermissionDenied => Failure::other(what),
            _ => Failure::Mistakes(vec![format!("HOST: {what}")]),
        }
    })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StopSignal {
    /// From a service manager or `kill`.
    Terminate,
    /// From the keyboard.
    Interrupt,
}

/// The signals that stop the server. From its registration on they do not end the process by
/// themselves.
struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    fn register() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) -> StopSignal {
        tokio::select! {
            _ = self.terminate.recv() => StopSignal::Terminate,
            _ = self.interrupt.recv() => StopSignal::Interrupt,
        }
    }
}
