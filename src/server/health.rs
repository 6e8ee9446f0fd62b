//! Whether the process is alive, and whether it can take requests.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{
    Json,
    extract::State,
    http::{HeaderName, HeaderValue, header},
};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::db::Db;
use crate::http::{Error, Problem};

/// A load balancer polls often and wants a quick response.
const PING_TIMEOUT: Duration = Duration::from_millis(1500);

/// The state behind `/healthz` and `/readyz`.
#[derive(Clone, Debug)]
pub struct Health {
    db: Db,
    shutting_down: Arc<AtomicBool>,
}

impl Health {
    /// Health of a process that works on `db`.
    pub fn new(db: Db) -> Self {
        Self {
            db,
            shutting_down: Arc::default(),
        }
    }

    /// Makes `/readyz` respond 503 from now on, so that a load balancer sends no new requests.
    pub fn shut_down(&self) {
        self.shutting_down.store(true, Ordering::Release);
    }

    /// The templates of its routes.
    pub(super) const TEMPLATES: [&str; 2] = ["/healthz", "/readyz"];

    /// The two routes.
    pub fn router<S>(self) -> OpenApiRouter<S> {
        OpenApiRouter::new()
            .routes(routes!(healthz))
            .routes(routes!(readyz))
            .with_state(self)
    }
}

#[derive(Debug, Serialize, ToSchema)]
struct HealthStatus {
    #[schema(example = "ok")]
    status: &'static str,
}

/// The response of a process that is well. A stored one would say so of one that is not.
type Well = ([(HeaderName, HeaderValue); 1], Json<HealthStatus>);

const OK: Well = (
    [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))],
    Json(HealthStatus { status: "ok" }),
);

/// The process is alive
#[utoipa::path(get, path = "/healthz", tag = "operators", responses(
    (status = 200, body = HealthStatus),
))]
async fn healthz() -> Well {
    OK
}

/// The database responds and, on SQLite, can be written to
#[utoipa::path(get, path = "/readyz", tag = "operators", responses(
    (status = 200, body = HealthStatus),
    (status = 503, body = Problem, content_type = "application/problem+json",
        description = "`unavailable`: the database does not respond, its disk is full, its file was deleted or \
            replaced, or the server is shutting down"),
))]
async fn readyz(State(health): State<Health>) -> Result<Well, Error> {
    if health.shutting_down.load(Ordering::Acquire) {
        return Err(Error::Unavailable(None));
    }
    tokio::time::timeout(PING_TIMEOUT, health.db.ping())
        .await
        .map_err(|_| Error::Unavailable(None))??;
    Ok(OK)
}
