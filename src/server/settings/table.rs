//! The list of settings.

/// One setting as `--help` and docs/configuration.md list it.
#[derive(Debug)]
pub struct Setting {
    /// The name of the environment variable.
    pub name: &'static str,
    /// Its default.
    pub default: &'static str,
    /// What it does.
    pub about: &'static str,
    /// The commands that read it, beside `serve`, which reads all.
    pub read_by: &'static [CommandName],
}

/// A command that reads fewer settings than `serve`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandName {
    /// `handstamp audit`
    Audit,
    /// `handstamp demo`
    Demo,
    /// `handstamp backup`, `restore` and `move-database`
    Database,
    /// `handstamp user email`, `invite`, `passkeys`, `password`, `reset` and `reset-second-factor`, which
    /// write mails
    Mail,
    /// `handstamp migrate`
    Migrate,
    /// `handstamp user …`
    User,
}

use CommandName::{Audit, Database, Demo, Mail, Migrate, User};

impl Setting {
    const fn read_by(mut self, commands: &'static [CommandName]) -> Self {
        self.read_by = commands;
        self
    }
}

const fn setting(name: &'static str, default: &'static str, about: &'static str) -> Setting {
    Setting {
        name,
        default,
        about,
        read_by: &[],
    }
}

/// The settings, in the order of `.env.example`.
pub const SETTINGS: &[Setting] = &[
    setting("APP_ENV", "development", "development or production")
        .read_by(&[Demo, Mail, Migrate, User]),
    setting("HOST", "127.0.0.1", "address to listen on"),
    setting("PORT", "5000", "port to listen on; 0 takes a free one"),
    setting(
        "SHUTDOWN_TIMEOUT",
        "10s",
        "how long a client may delay the exit",
    ),
    setting(
        "METRICS_ADDR",
        "off",
        "where GET /metrics is, such as 127.0.0.1:9464",
    ),
    setting(
        "DATABASE_URL",
        "sqlite://handstamp.db",
        "sqlite://FILE or postgres://…",
    )
    .read_by(&[Audit, Database, Demo, Mail, Migrate, User]),
    setting(
        "SECRET_KEY",
        "none",
        "signs the cookie; at least 32 characters",
    )
    .read_by(&[Mail]),
    setting(
        "SECRET_KEY_FALLBACKS",
        "empty",
        "older keys still accepted, comma-separated",
    )
    .read_by(&[Mail]),
    setting(
        "SESSION_IDLE_TIMEOUT",
        "14d",
        "a session unused for this long expires",
    )
    .read_by(&[Mail, User]),
    setting(
        "SESSION_ABSOLUTE_TIMEOUT",
        "30d",
        "a session this old expires, regardless of activity",
    )
    .read_by(&[Mail, User]),
    setting("SESSIONS_PER_USER", "20", "one more login ends the oldest"),
    setting(
        "REAUTHENTICATION_WINDOW",
        "10m",
        "after this long, what is at risk asks for the password",
    ),
    setting(
        "DEVICE_BOUND_SESSIONS",
        "on in production",
        "copied cookies are worthless elsewhere",
    ),
    setting(
        "DEVICE_PROOF_LIFETIME",
        "10m",
        "how long a browser's proof of its device counts",
    ),
    setting(
        "PASSWORDLESS_LOGIN",
        "off",
        "on: accounts without a password log in by name",
    )
    .read_by(&[Mail, User]),
    setting(
        "SIGNUP",
        "open",
        "closed: accounts come from the command line",
    ),
    setting(
        "PASSWORD_MIN_LENGTH",
        "8",
        "characters of a password, 8 to 64",
    )
    .read_by(&[Mail, User]),
    setting(
        "LOGIN_FAILURES_PER_ACCOUNT",
        "10/15m",
        "failed logins of an account; past it, 429",
    ),
    setting(
        "LOGIN_FAILURES_PER_ADDRESS",
        "50/15m",
        "failed logins from an address; past it, 429",
    ),
    setting(
        "SIGNUPS_PER_ADDRESS",
        "20/1h",
        "sign-ups from an address; past it, 429",
    ),
    setting(
        "SMTP_URL",
        "none",
        "smtp://USER:PASSWORD@HOST:PORT or smtps://…",
    )
    .read_by(&[Mail]),
    setting(
        "MAIL_FROM",
        "none",
        "sender of mails, such as App <noreply@app.example>",
    )
    .read_by(&[Mail]),
    setting(
        "PUBLIC_URL",
        "none",
        "what links in mails begin with; needed with SMTP_URL",
    )
    .read_by(&[Mail]),
    setting(
        "EMAIL_VERIFICATION",
        "optional",
        "required: no login before the address is verified",
    ),
    setting(
        "MAILS_PER_ACCOUNT",
        "5/1h",
        "mails asked for to one e-mail address; past it, 429",
    ),
    setting(
        "MAILS_PER_ADDRESS",
        "20/1h",
        "mails asked for from one address; past it, 429",
    ),
    setting(
        "MAIL_TEMPLATES",
        "none",
        "folder whose files replace the texts of mails",
    ),
    setting(
        "RP_ID",
        "host of PUBLIC_URL or localhost",
        "domain of passkeys",
    ),
    setting(
        "RP_ORIGINS",
        "PUBLIC_URL or localhost",
        "pages that may use passkeys",
    ),
    setting(
        "PASSWORD_HASHES_AT_ONCE",
        "cores less one",
        "further logins queue for up to 3 s",
    ),
    setting(
        "SESSION_CACHE_ENTRIES",
        "100000",
        "sessions cached in memory; 0 turns it off",
    ),
    setting(
        "NEWS",
        "on in development",
        "whether the demo app is served",
    )
    .read_by(&[Migrate]),
    setting(
        "FREE_READS",
        "3",
        "posts a visitor may open; unlimited turns the meter off",
    ),
    setting(
        "FREE_READS_WINDOW",
        "30d",
        "a visitor's read is forgotten after this long",
    ),
    setting(
        "FREE_READS_PER_ADDRESS",
        "200/1d",
        "posts opened from an address without a session",
    ),
    setting(
        "TRUSTED_PROXIES",
        "empty",
        "addresses or blocks whose X-Forwarded-* are trusted",
    ),
    setting(
        "ALLOWED_ORIGINS",
        "empty",
        "other origins whose pages may call the API",
    ),
    setting(
        "API_PREFIX",
        "empty",
        "such as /api: all else is the page's",
    ),
    setting(
        "WEB_DIR",
        "web/dist",
        "the built page, served when the folder exists",
    ),
    setting(
        "PAGE_CSP",
        "its own files",
        "the Content-Security-Policy of the page",
    ),
];

/// The settings of the news, which nobody reads while `NEWS` is off.
pub(super) const NEWS_SETTINGS: [&str; 3] =
    ["FREE_READS", "FREE_READS_WINDOW", "FREE_READS_PER_ADDRESS"];

/// The names of all settings.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    SETTINGS.iter().map(|setting| setting.name)
}
