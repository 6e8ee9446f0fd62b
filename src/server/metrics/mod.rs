//! `GET /metrics` in the Prometheus text format, on an address of its own.

mod live_sessions;
mod outbox;
mod requests;
mod snapshot;

pub use requests::{Measured, Requests};

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
    routing::get,
};
use prometheus::{Registry, TextEncoder};
use tokio::net::TcpListener;

use self::{live_sessions::LiveSessions, outbox::OutboxGauges, snapshot::Snapshot};
use crate::{
    auth::Auth,
    http::{self, Error},
};

/// Who scrapes is one or two; the files that the process may have open are for the others.
const CONNECTIONS: usize = 8;

/// The metrics of one server. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    registry: Registry,
    requests: Requests,
    snapshot: Snapshot,
    live_sessions: LiveSessions,
    outbox: OutboxGauges,
    auth: Auth,
}

impl Metrics {
    /// The metrics of a server that works with `auth`.
    ///
    /// # Errors
    /// When two metrics have the same name.
    pub fn new(auth: &Auth) -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        #[cfg(target_os = "linux")]
        registry.register(Box::new(
            prometheus::process_collector::ProcessCollector::for_self(),
        ))?;
        Ok(Self(Arc::new(Parts {
            requests: Requests::new(&registry)?,
            snapshot: Snapshot::new(&registry)?,
            live_sessions: LiveSessions::new(&registry)?,
            outbox: OutboxGauges::new(&registry)?,
            auth: auth.clone(),
            registry,
        })))
    }

    /// What counts the requests to the app.
    pub fn requests(&self) -> &Requests {
        &self.0.requests
    }

    /// `GET /metrics`, and nothing else.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/metrics", get(scrape))
            .with_state(self.clone())
    }

    /// Serves the metrics on `listener` until `stop`, when the next server may want the address.
    pub async fn serve(self, listener: TcpListener, stop: impl Future<Output = ()>) {
        http::serve_few(listener, self.router(), stop, CONNECTIONS).await;
    }

    async fn scrape(&self) -> Result<Response, Error> {
        let Parts {
            registry,
            snapshot,
            live_sessions,
            outbox,
            auth,
            ..
        } = &*self.0;
        live_sessions.refresh(auth).await;
        outbox.refresh(auth).await;
        snapshot.set(&auth.statistics());
        let families = registry.gather();
        let text = TextEncoder::new().encode_to_string(&families);
        let text = text.map_err(Error::internal)?;
        Ok(([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response())
    }
}

async fn scrape(State(metrics): State<Metrics>) -> Result<Response, Error> {
    metrics.scrape().await
}
