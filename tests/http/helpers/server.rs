use handstamp::{
    Db,
    auth::{Accounts, Auth, User, keep_mailing},
    http::{self, HttpService},
    server::{Config, Health, app},
};
use tokio::{net::TcpListener, task::JoinHandle};

use super::{Browser, DEVICE_BOUND, Database, Kind, MailServer, MovableClock};

/// The app on a free port, in this process, with a clock that can be moved.
pub struct Server {
    pub base: String,
    pub clock: MovableClock,
    pub database: Database,
    pub auth: Auth,
    pub health: Health,
    _task: Task,
    _mailing: Task,
}

/// Aborted with its server.
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Server {
    pub async fn start(kind: Kind) -> Self {
        Self::start_with(kind, &[]).await
    }

    /// One whose mail goes to `mail`.
    pub async fn start_with_mail(kind: Kind, mail: &MailServer, settings: &[(&str, &str)]) -> Self {
        let of_mail = mail.settings();
        let of_mail = of_mail.iter().map(|(name, value)| (&**name, &**value));
        let settings: Vec<_> = of_mail.chain(settings.iter().copied()).collect();
        Self::start_with(kind, &settings).await
    }

    /// With settings of its own.
    pub async fn start_with(kind: Kind, settings: &[(&str, &str)]) -> Self {
        Self::start_on(Database::new(kind).await, settings).await
    }

    pub async fn start_on(database: Database, settings: &[(&str, &str)]) -> Self {
        let app = |auth: &Auth, config: &Config, health| {
            app::service(config, auth, health, None).unwrap()
        };
        Self::serve(database, settings, app).await
    }

    /// A server with an `app` that the test builds around the same auth.
    pub async fn start_app<S: HttpService>(
        kind: Kind,
        settings: &[(&str, &str)],
        app: impl FnOnce(Auth) -> S,
    ) -> Self {
        Self::start_app_on(Database::new(kind).await, settings, app).await
    }

    pub async fn start_app_on<S: HttpService>(
        database: Database,
        settings: &[(&str, &str)],
        app: impl FnOnce(Auth) -> S,
    ) -> Self {
        Self::serve(database, settings, |auth, _, _| app(auth.clone())).await
    }

    /// Serves what `app` returns, as the binary does.
    async fn serve<S: HttpService>(
        database: Database,
        settings: &[(&str, &str)],
        app: impl FnOnce(&Auth, &Config, Health) -> S,
    ) -> Self {
        let clock = MovableClock::default();
        let (auth, config) = open(&database, settings, &clock).await;
        let health = Health::new(auth.db().clone());
        let app = app(&auth, &config, health.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let task = tokio::spawn(http::serve(listener, app, std::future::pending()));
        // Elsewhere mails wait in the outbox.
        let sends_mail = config.mail.smtp_url.is_some();
        let mailing = keep_mailing_if(sends_mail, auth.clone());
        Self {
            base,
            clock,
            database,
            auth,
            health,
            _task: Task(task),
            _mailing: Task(tokio::spawn(mailing)),
        }
    }

    /// A new server on the same database.
    pub async fn restart_with(self, settings: &[(&str, &str)]) -> Self {
        let Self { database, .. } = self;
        Self::start_on(database, settings).await
    }

    pub fn browser(&self) -> Browser {
        Browser::new(&self.base)
    }

    /// The accounts as another process on the same database sees them, such as a command.
    pub async fn other_process(&self) -> Accounts {
        let db = Db::connect(&self.database.url.parse().unwrap())
            .await
            .unwrap();
        Accounts::new(db, self.clock.clock(), 1).unwrap()
    }

    pub fn accounts(&self) -> &Accounts {
        self.auth.accounts()
    }
}

async fn keep_mailing_if(sends_mail: bool, auth: Auth) {
    if sends_mail {
        keep_mailing(auth, std::future::pending()).await;
    }
}

async fn open(
    database: &Database,
    settings: &[(&str, &str)],
    clock: &MovableClock,
) -> (Auth, Config) {
    let defaults = [
        ("DATABASE_URL", &*database.url),
        (
            "SECRET_KEY",
            "a key of the tests, long enough and no other's",
        ),
        ("WEB_DIR", "no/such/folder"),
    ];
    // Browsers without device-bound sessions notice nothing of it: with this, all of the suite does.
    let bound = std::env::var("TEST_DEVICE_BOUND").is_ok();
    let bound = bound.then_some(&DEVICE_BOUND);
    let variables = defaults.iter().chain(bound).chain(settings);
    let variables = variables.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let config = Config::for_server(&variables.collect()).unwrap();
    let db = Db::connect(&config.database_url).await.unwrap();
    db.migrate().await.unwrap();
    if config.news.is_some() {
        handstamp::news::migrate(&db).await.unwrap();
    }
    (config.auth(db, clock.clock()).unwrap(), config)
}

/// The user with this name, who is there.
pub async fn find_user(accounts: &Accounts, name: &str) -> User {
    accounts.find_by_username(name).await.unwrap().unwrap().user
}
