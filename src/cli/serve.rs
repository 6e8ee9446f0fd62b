//! The server, from its settings to its last answer.

use std::{
    io::{self, ErrorKind, IsTerminal},
    net::SocketAddr,
    time::Duration,
};

use handstamp::{
    Config, app,
    config::{Secret, is_too_wide},
    gate::{Gate, keep_purging},
    http::{self, Health},
};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::watch,
};
use tracing_subscriber::EnvFilter;

use super::{Failure, args::Serve, demo, first_run, terminal::say, user::open};

/// How long requests under way may take once the server is told to stop.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(15);
/// How long a load balancer may see that the server is not ready before it stops accepting.
const NOT_READY: Duration = Duration::from_secs(1);
const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);
const PURGE_INTERVAL: Duration = Duration::from_secs(60);
/// The store warns at each cookie of a session that has ended; that is everyday life.
const LOG_FILTER: &str = "info,tower_sessions_core=error";

/// Serves until SIGTERM or Ctrl-C.
pub async fn serve(options: Serve) -> Result<(), Failure> {
    let (variables, wrote_dotenv) = first_run::environment()?;
    let config = Config::for_server(&variables)?;
    start_logging(config.is_production());
    if wrote_dotenv {
        tracing::info!("first run: wrote .env with a fresh SECRET_KEY");
    }

    http::raise_open_files().map_err(Failure::other)?;
    if options.demo {
        demo::refuse_in_production(&config)?;
    }
    let db = open(&config).await?;
    if options.demo {
        let loaded = demo::load(&config, &db).await?;
        tracing::info!(
            posts = loaded.posts,
            comments = loaded.comments,
            "loaded the sample news"
        );
    }
    let gate = Gate::new(&config, db.clone()).map_err(Failure::other)?;
    let health = Health::new(db.clone());
    let app = app::service(&config, &gate, health.clone()).map_err(Failure::other)?;
    let listener = listen(&config).await?;
    announce(&config, listener.local_addr().map_err(Failure::other)?)?;
    warn_of_proxies(&config);
    warn_of_weak_fallbacks(&config);
    tracing::info!(database = %config.database_url, "serving");

    let (stop, mut stopping) = watch::channel(());
    let purging = tokio::spawn(keep_purging(gate, PURGE_INTERVAL));
    let drained = async move {
        let signal = stop_signal().await;
        tracing::info!("shutting down");
        health.shut_down();
        if signal == StopSignal::Terminate {
            tokio::time::sleep(NOT_READY).await;
        }
        stop.send_replace(());
    };
    let server = http::serve(listener, app, drained);
    let deadline = async {
        let _ = stopping.changed().await;
        tokio::time::sleep(DRAIN_TIMEOUT).await;
    };
    tokio::select! {
        () = server => {}
        () = deadline => {}
    }
    purging.abort();
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
    let post = "-H 'Content-Type: application/json' -d";
    let ann = "\"username\":\"Ann\",\"password\":\"plain tea at dawn\"";
    let curl = "curl -w '\\n' -b jar -c jar";
    say(&format!(
        "\nTry it:\n  \
         {curl} {post} '{{{ann},\"email\":\"ann@example.com\"}}' http://{address}/signup\n  \
         {curl} http://{address}/checklogin\n  \
         {curl} -X DELETE http://{address}/logout\n  \
         {curl} {post} '{{{ann}}}' http://{address}/login\n\
         The API, to browse: http://{address}/docs\n"
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
             LOGIN_FAILURES_PER_ADDRESS, SIGNUPS_PER_ADDRESS and FREE_READS_PER_ADDRESS count \
             them as one"
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

/// To standard error: standard output is for the address.
fn start_logging(json: bool) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(LOG_FILTER));
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr);
    let is_terminal = io::stderr().is_terminal();
    if json {
        logs.json().flatten_event(true).init();
    } else {
        logs.compact().with_ansi(is_terminal).init();
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
    /// From whoever runs the server.
    Terminate,
    /// From the keyboard.
    Interrupt,
}

async fn stop_signal() -> StopSignal {
    let terminate = async {
        match signal(SignalKind::terminate()) {
            Ok(mut terminate) => terminate.recv().await,
            // Without the handler the signal ends the process by itself.
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = terminate => StopSignal::Terminate,
        _ = tokio::signal::ctrl_c() => StopSignal::Interrupt,
    }
}
