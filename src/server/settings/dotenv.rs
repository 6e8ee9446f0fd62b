//! The `.env` file, with the environment over it.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    io,
    path::Path,
};

use percent_encoding::percent_decode_str;
use url::Url;

/// The name of the settings file, looked for in the working directory.
pub const DOTENV: &str = ".env";
/// What a first `.env` is made from; explains every setting.
pub const DOTENV_EXAMPLE: &str = include_str!("../../../.env.example");

/// Variables by name, and the mistakes found while reading them.
#[derive(Clone, Debug, Default)]
pub struct Variables {
    values: HashMap<String, String>,
    /// The names that `.env` sets, in order.
    in_dotenv: BTreeSet<String>,
    /// The names that the environment sets, in order.
    in_environment: BTreeSet<String>,
    /// The names with two values of which only one can be meant.
    pub(crate) ambiguous: HashSet<String>,
    pub(crate) mistakes: Vec<String>,
}

impl Variables {
    /// The text set for `name`; a variable set to nothing counts as not set.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values
            .get(name)
            .map(String::as_str)
            .filter(|text| !text.is_empty())
    }

    /// Sets `name`, whatever was set before.
    pub fn set(&mut self, name: &str, text: &str) {
        self.ambiguous.remove(name);
        self.values.insert(name.to_owned(), text.to_owned());
    }

    /// `text` less the password of `DATABASE_URL`, which a database's error might repeat.
    pub fn without_secrets(&self, text: &str) -> String {
        ["DATABASE_URL", "SMTP_URL"]
            .into_iter()
            .filter_map(|name| self.get(name))
            .fold(text.to_owned(), |text, url| without_password(url, &text))
    }

    pub(super) fn dotenv_names(&self) -> impl Iterator<Item = &str> {
        self.in_dotenv.iter().map(String::as_str)
    }

    pub(super) fn environment_names(&self) -> impl Iterator<Item = &str> {
        self.in_environment.iter().map(String::as_str)
    }

    /// These variables less those that `is_left_out` names.
    pub fn without(mut self, is_left_out: impl Fn(&str) -> bool) -> Self {
        self.values.retain(|name, _| !is_left_out(name));
        self.ambiguous.retain(|name| !is_left_out(name));
        self
    }
}

/// `text` less the password of `url`.
pub fn without_password(url: &str, text: &str) -> String {
    let url = Url::parse(url);
    let password = match &url {
        Ok(url) => url.password().unwrap_or_default(),
        Err(_) => return text.to_owned(),
    };
    let decoded = percent_decode_str(password).decode_utf8_lossy();
    [password, &*decoded]
        .into_iter()
        .filter(|secret| !secret.is_empty())
        .fold(text.to_owned(), |text, secret| text.replace(secret, "…"))
}

impl FromIterator<(String, String)> for Variables {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(values: I) -> Self {
        Self {
            values: values.into_iter().collect(),
            ..Self::default()
        }
    }
}

/// Every variable of the environment and, where it has none of that name, of `.env`.
/// Mistakes in `.env` are kept, to be reported with all others.
pub fn read_environment() -> Variables {
    let mut variables = read_dotenv(Path::new(DOTENV));
    let environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    for (name, value) in environment.filter(|(_, value)| !value.is_empty()) {
        variables.in_environment.insert(name.clone());
        variables.ambiguous.remove(&name);
        variables.values.insert(name, value);
    }
    variables
}

fn read_dotenv(path: &Path) -> Variables {
    let mut variables = Variables::default();
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) => {
            if error.kind() != io::ErrorKind::NotFound {
                variables
                    .mistakes
                    .push(format!("{DOTENV}: cannot be read: {error}"));
            }
            return variables;
        }
    };
    parse(&text)
}

fn parse(text: &[u8]) -> Variables {
    let mut variables = Variables::default();
    let text = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text);
    for item in dotenvy::from_read_iter(text) {
        match item {
            Ok((name, value)) => {
                variables.in_dotenv.insert(name.clone());
                match variables.values.get(&name) {
                    Some(first) if *first == value => {}
                    Some(_) => {
                        variables.ambiguous.insert(name);
                    }
                    None => {
                        variables.values.insert(name, value);
                    }
                }
            }
            // The line may hold a secret: its number is shown, not its text.
            Err(dotenvy::Error::LineParse(line, _)) => {
                let number = line_number(text, &line);
                variables
                    .mistakes
                    .push(format!("{DOTENV}: {number} is not NAME=value"));
            }
            Err(_) => variables
                .mistakes
                .push(format!("{DOTENV}: is not UTF-8 text")),
        }
    }
    variables
}

fn line_number(text: &[u8], line: &str) -> String {
    // A quote that is never closed makes one line of many.
    let first = line.lines().next().unwrap_or_default().trim();
    let text = String::from_utf8_lossy(text);
    let index = text
        .lines()
        .position(|line| !first.is_empty() && line.contains(first));
    index.map_or("a line".to_owned(), |index| format!("line {}", index + 1))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        fuzz::{fuzz, spoilt},
        server::settings::Config,
    };

    #[test]
    fn a_broken_line_is_named_by_number_and_not_shown() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for (text, mistake) in [
            (
                "PORT=1\nthis is my secret\n",
                ".env: line 2 is not NAME=value",
            ),
            (
                "PORT=1\n\nSECRET_KEY=my secret\n",
                ".env: line 3 is not NAME=value",
            ),
            (
                "SECRET_KEY=\"my secret\nPORT=1\n",
                ".env: line 1 is not NAME=value",
            ),
        ] {
            std::fs::write(file.path(), text).unwrap();
            assert_eq!(read_dotenv(file.path()).mistakes, [mistake], "{text}");
        }
    }

    #[test]
    fn a_quote_left_open_shows_no_other_line() {
        for name in ["PORT", "DATABASE_URL"] {
            let text = format!("{name}=\"sqlite://a.db\nSECRET_KEY=hunter2\"");
            let error = Config::for_server(&parse(text.as_bytes())).unwrap_err();
            let mistake = format!("{name}: must be one line; is a quote left open?");
            assert!(error.0.contains(&mistake), "{error}");
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn a_setting_with_two_values_is_a_mistake() {
        let mistake = "PORT: has two values in .env; only one can count";
        for (text, is_mistake) in [
            ("PORT=\nPORT=1", true),
            ("PORT=1\n#\nexport PORT='2'", true),
            ("PORT=1\nPORT=1", false),
            ("ANOTHER_PROGRAMS=1\nANOTHER_PROGRAMS=2", false),
        ] {
            let variables = parse(text.as_bytes());
            let error = Config::for_server(&variables).unwrap_err();
            assert_eq!(error.0.contains(&mistake.to_owned()), is_mistake, "{text}");
            let without = variables.without(|name| name == "PORT");
            let error = Config::for_server(&without).unwrap_err();
            assert!(!error.0.contains(&mistake.to_owned()), "{text}");
        }
    }

    #[test]
    fn a_byte_order_mark_is_no_mistake() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "\u{FEFF}PORT=1\n").unwrap();
        let variables = read_dotenv(file.path());
        assert_eq!(
            (variables.get("PORT"), variables.mistakes.len()),
            (Some("1"), 0)
        );
    }

    #[test]
    fn a_missing_file_is_empty() {
        let variables = read_dotenv(Path::new("no/such/file"));
        assert!(variables.values.is_empty() && variables.mistakes.is_empty());
    }

    const LINES: &[&str] = &[
        "",
        "# a comment",
        "export HOST=localhost",
        "APP_ENV=production",
        "PORT=0",
        "PORT=65536",
        "SECRET_KEY=hunter2hunter2hunter2hunter2hunter2",
        "SECRET_KEY_FALLBACKS=hunter2,hunter2hunter2hunter2hunter2hunter2",
        "DATABASE_URL=sqlite://a.db",
        "DATABASE_URL=postgres://ann:hunter2@localhost:5432/news?sslmode=disable",
        "SESSION_IDLE_TIMEOUT=14d",
        "SESSION_ABSOLUTE_TIMEOUT=18446744073709551615y 1s",
        "SESSIONS_PER_USER=99999999999999999999",
        "FREE_READS=unlimited",
        "TRUSTED_PROXIES=10.0.0.0/8, ::1, nonsense",
        "ALLOWED_ORIGINS=https://app.example,http://[::1]:3000",
        "NAME='$PORT ${PORT} \\$PORT'",
        "NAME=\"a\\nb",
        "NAME=${PORT",
    ];
    const WORDS: &[&str] = &[
        "=", "\"", "'", "\\", "$", "${", "}", "#", "\n", "\r", " ", "PORT", "\0",
    ];

    #[test]
    #[ignore = "scripts/fuzz runs it"]
    fn fuzz_dotenv() {
        let valid = || {
            let lines = prop::collection::vec(prop::sample::select(LINES), 0..8);
            lines.prop_map(|lines| lines.join("\n").into_bytes())
        };
        let files = || prop_oneof![1 => valid().boxed(), 3 => spoilt(valid(), WORDS).boxed()];
        fuzz(".env", files, |text| {
            let variables = parse(&text);
            for mistake in &variables.mistakes {
                let line = mistake
                    .strip_prefix(".env: line ")
                    .and_then(|rest| rest.strip_suffix(" is not NAME=value"));
                let is_known = line.is_some_and(|line| line.parse::<usize>().is_ok())
                    || *mistake == ".env: a line is not NAME=value"
                    || *mistake == ".env: is not UTF-8 text";
                prop_assert!(is_known, "{}", mistake);
            }
            // Secrets that stand where they belong are in no error and no log.
            let is_misplaced = |(name, value): (&String, &String)| {
                let in_place = match &**name {
                    "SECRET_KEY" | "SECRET_KEY_FALLBACKS" => value.matches("hunter2").count(),
                    "DATABASE_URL" => value.matches(":hunter2@").count(),
                    _ => 0,
                };
                value.matches("hunter2").count() > in_place && !value.contains('\n')
            };
            let is_misplaced = variables.values.iter().any(is_misplaced);
            let shown = match Config::for_server(&variables) {
                Ok(config) => format!("{config:?} {}", config.database_url),
                Err(error) => error.to_string(),
            };
            prop_assert!(is_misplaced || !shown.contains("hunter2"), "{}", shown);
            Ok(())
        });
    }
}
