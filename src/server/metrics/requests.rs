//! Counts and times requests, by method, route and status.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll, ready},
    time::Instant,
};

use axum::{
    extract::Request,
    http::{Method, StatusCode},
    response::Response,
};
use matchit::Router;
use pin_project_lite::pin_project;
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts, Registry,
};
use tower::Service;

/// The label of every path that no route has.
const UNMATCHED: &str = "unmatched";
/// The label of every method that no route has: a client may invent them.
const OTHER_METHOD: &str = "other";
const METHODS: [&str; 8] = [
    "GET",
    "POST",
    "PUT",
    "PATCH",
    "DELETE",
    "HEAD",
    "OPTIONS",
    OTHER_METHOD,
];
/// The statuses that nearly every response has; others are looked up by their labels.
const STATUSES: [u16; 12] = [200, 201, 204, 303, 304, 400, 401, 403, 404, 422, 429, 503];
/// In seconds. A cached session takes microseconds, a login some hundredths, a queued one seconds.
const BUCKETS: [f64; 14] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];
const LABELS: [&str; 3] = ["method", "route", "status"];

/// The metrics of requests. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Requests {
    total: IntCounterVec,
    durations: HistogramVec,
}

/// The routes of an app, with the series of each.
#[derive(Debug)]
struct Routes {
    requests: Requests,
    by_path: Router<usize>,
    /// The last one is that of unmatched paths.
    routes: Vec<Route>,
}

#[derive(Debug)]
struct Route {
    template: String,
    series: [[OnceLock<Series>; STATUSES.len()]; METHODS.len()],
}

/// The metrics of one method, route and status.
#[derive(Clone, Debug)]
struct Series {
    total: IntCounter,
    duration: Histogram,
}

impl Requests {
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let total = Opts::new(
            "http_requests_total",
            "Requests, by method, route and status.",
        );
        let total = IntCounterVec::new(total, &LABELS)?;
        let durations = HistogramOpts::new(
            "http_request_duration_seconds",
            "Time until a response began, by method, route and status.",
        );
        let durations = HistogramVec::new(durations.buckets(BUCKETS.to_vec()), &LABELS)?;
        registry.register(Box::new(total.clone()))?;
        registry.register(Box::new(durations.clone()))?;
        Ok(Self { total, durations })
    }

    /// Counts the requests to `app`, whose routes have these templates. One that contradicts those
    /// before it, which no router would take, counts as unmatched.
    pub fn around<S>(&self, app: S, templates: impl IntoIterator<Item = String>) -> Measured<S> {
        let mut routes = Routes {
            requests: self.clone(),
            by_path: Router::new(),
            routes: Vec::new(),
        };
        for template in templates {
            if routes
                .by_path
                .insert(&template, routes.routes.len())
                .is_ok()
            {
                routes.routes.push(Route::new(template));
            }
        }
        routes.routes.push(Route::new(UNMATCHED.to_owned()));
        Measured {
            inner: app,
            routes: Some(Arc::new(routes)),
        }
    }

    fn series(&self, method: &str, template: &str, status: StatusCode) -> Series {
        let labels = [method, template, status.as_str()];
        Series {
            total: self.total.with_label_values(&labels),
            duration: self.durations.with_label_values(&labels),
        }
    }
}

impl Route {
    fn new(template: String) -> Self {
        Self {
            template,
            series: Default::default(),
        }
    }
}

impl Routes {
    /// The number of a path's route.
    fn of(&self, path: &str) -> usize {
        let found = self.by_path.at(path);
        found.map_or(self.routes.len() - 1, |found| *found.value)
    }

    /// Notes a response. The series of usual ones are kept: to find one by its labels takes a lock
    /// and their hash.
    fn note(&self, route: usize, method: usize, status: StatusCode, start: Instant) {
        let Some(route) = self.routes.get(route) else {
            return;
        };
        let series = || {
            self.requests
                .series(METHODS[method], &route.template, status)
        };
        let seconds = start.elapsed().as_secs_f64();
        match STATUSES.iter().position(|usual| status == *usual) {
            Some(at) => route.series[method][at].get_or_init(series).note(seconds),
            None => series().note(seconds),
        }
    }
}

impl Series {
    fn note(&self, seconds: f64) {
        self.total.inc();
        self.duration.observe(seconds);
    }
}

fn method_number(method: &Method) -> usize {
    let found = METHODS.iter().position(|known| method == known);
    found.unwrap_or(METHODS.len() - 1)
}

/// An app whose requests may be counted.
#[derive(Clone, Debug)]
pub struct Measured<S> {
    inner: S,
    routes: Option<Arc<Routes>>,
}

impl<S> Measured<S> {
    /// An app whose requests nobody counts.
    pub fn not(app: S) -> Self {
        Self {
            inner: app,
            routes: None,
        }
    }
}

impl<S> Service<Request> for Measured<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = MeasuredFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let begun = self.routes.clone().map(|routes| Begun {
            start: Instant::now(),
            route: routes.of(request.uri().path()),
            method: method_number(request.method()),
            routes,
        });
        MeasuredFuture {
            inner: self.inner.call(request),
            begun,
        }
    }
}

/// A request that has no response yet.
#[derive(Debug)]
struct Begun {
    routes: Arc<Routes>,
    route: usize,
    method: usize,
    start: Instant,
}

pin_project! {
    /// The response of a measured app. One whose client disconnects before it is not counted.
    #[derive(Debug)]
    pub struct MeasuredFuture<F> {
        #[pin]
        inner: F,
        begun: Option<Begun>,
    }
}

impl<F: Future<Output = Result<Response, Infallible>>> Future for MeasuredFuture<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let response = ready!(this.inner.poll(cx));
        if let (Some(begun), Ok(response)) = (this.begun.take(), &response) {
            let Begun {
                route,
                method,
                start,
                ..
            } = begun;
            begun.routes.note(route, method, response.status(), start);
        }
        Poll::Ready(response)
    }
}
