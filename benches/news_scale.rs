//! How much longer the front page and a post take with a hundred times as much news.
//!
//! `cargo bench --bench news_scale`, with `TEST_POSTGRES_URL` set for PostgreSQL as well. Both
//! sizes are asked in turn within one run; the medians' ratio is what counts.

#![allow(clippy::expect_used, clippy::print_stdout, clippy::unwrap_used)]

use std::time::{Duration, Instant};

use handstamp::{
    Clock, Db, http,
    server::{Config, Health, app},
};
use reqwest::Client;
use sqlx::{Executor, PgPool, SqlitePool};
use tokio::net::TcpListener;

const SMALL: u64 = 1_000;
const LARGE: u64 = 100_000;
const COMMENTS_PER_POST: u64 = 10;
const ROUNDS: u64 = 2_000;

#[tokio::main]
async fn main() {
    let folder = tempfile::tempdir().unwrap();
    let file = |size: u64| format!("sqlite://{}/{size}.db", folder.path().display());
    compare("SQLite", &file(SMALL), &file(LARGE)).await;
    if let Ok(server) = std::env::var("TEST_POSTGRES_URL") {
        let small = new_postgres_database(&server, "bench_small").await;
        let large = new_postgres_database(&server, "bench_large").await;
        compare("PostgreSQL", &small, &large).await;
    }
}

async fn compare(name: &str, small: &str, large: &str) {
    let small = Site::start(small, SMALL).await;
    let large = Site::start(large, LARGE).await;
    for (what, path) in [("GET /posts", Path::List), ("GET /posts/{id}", Path::Post)] {
        let mut times = [Vec::new(), Vec::new()];
        for round in 0..ROUNDS {
            for (site, times) in [&small, &large].into_iter().zip(&mut times) {
                times.push(site.ask(path, round).await);
            }
        }
        let [small, large] = times.map(median);
        let ratio = large.as_secs_f64() / small.as_secs_f64();
        println!("{name:<11} {what:<16} {small:>9.1?} {large:>9.1?}  ratio {ratio:.2}");
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

#[derive(Clone, Copy)]
enum Path {
    List,
    Post,
}

/// The app in this process on a database of so many posts.
struct Site {
    base: String,
    client: Client,
    posts: u64,
}

impl Site {
    async fn start(url: &str, posts: u64) -> Self {
        let settings = [
            ("DATABASE_URL", url),
            ("SECRET_KEY", "a key of the bench, which is long enough"),
            ("FREE_READS", "unlimited"),
        ];
        let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let config = Config::for_server(&settings.into_iter().collect()).unwrap();
        let db = Db::connect(&config.database_url).await.unwrap();
        db.migrate().await.unwrap();
        fill(url, posts).await;
        let auth = config.auth(db.clone(), Clock::system()).unwrap();
        let app = app::service(&config, &auth, Health::new(db), None).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(http::serve(listener, app, std::future::pending()));
        Self {
            base,
            client: Client::new(),
            posts,
        }
    }

    async fn ask(&self, path: Path, round: u64) -> Duration {
        let path = match path {
            Path::List => "/posts".to_owned(),
            // All over the table, in no order.
            Path::Post => format!("/posts/{}", post_id(round * 7_919 % self.posts + 1)),
        };
        let start = Instant::now();
        let answer = self
            .client
            .get(format!("{}{path}", self.base))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        answer.bytes().await.unwrap();
        start.elapsed()
    }
}

/// As the statements below make it.
fn post_id(number: u64) -> String {
    format!("00000000-0000-7000-8000-{number:012x}")
}

async fn fill(url: &str, posts: u64) {
    let comments = posts * COMMENTS_PER_POST;
    let post = "(id, author_id, author, author_key, title, text, comment_count, created_at)";
    let comment = "(id, post_id, author_id, author, text, created_at)";
    if url.starts_with("sqlite") {
        let id = |number: &str| format!("unhex(printf('00000000000070008000%012x', {number}))");
        let numbers = |most| {
            format!(
                "with recursive n(i) as (select 1 union all select i + 1 from n where i < {most})"
            )
        };
        let at = "'2026-01-01T00:00:00.000000Z'";
        let pool = SqlitePool::connect(url).await.unwrap();
        for statement in [
            format!(
                "insert into posts {post} {} select {}, {}, 'Ann', 'ann', 'Post ' || i, 'Text.',
                 {COMMENTS_PER_POST}, {at} from n",
                numbers(posts),
                id("i"),
                id("i % 100"),
            ),
            format!(
                "insert into comments {comment} {} select {}, {}, {}, 'Ben', 'Well said.', {at} from n",
                numbers(comments),
                id("i"),
                id(&format!("i % {posts} + 1")),
                id("i % 100"),
            ),
            "analyze".to_owned(),
        ] {
            pool.execute(&*statement).await.unwrap();
        }
    } else {
        let id = |number: &str| {
            format!("('00000000-0000-7000-8000-' || lpad(to_hex({number}), 12, '0'))::uuid")
        };
        let at = "'2026-01-01Z'";
        let pool = PgPool::connect(url).await.unwrap();
        for statement in [
            format!(
                "insert into posts {post} select {}, {}, 'Ann', 'ann', 'Post ' || i, 'Text.',
                 {COMMENTS_PER_POST}, {at} from generate_series(1, {posts}) i",
                id("i"),
                id("i % 100"),
            ),
            format!(
                "insert into comments {comment} select {}, {}, {}, 'Ben', 'Well said.', {at}
                 from generate_series(1, {comments}) i",
                id("i"),
                id(&format!("i % {posts} + 1")),
                id("i % 100"),
            ),
            "analyze".to_owned(),
        ] {
            pool.execute(&*statement).await.unwrap();
        }
    }
}

async fn new_postgres_database(server: &str, name: &str) -> String {
    let pool = PgPool::connect(server).await.unwrap();
    for statement in [
        format!("drop database if exists {name}"),
        format!("create database {name}"),
    ] {
        pool.execute(&*statement).await.unwrap();
    }
    server.replace("/postgres?", &format!("/{name}?"))
}
