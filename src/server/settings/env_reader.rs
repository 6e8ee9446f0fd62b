//! Parses settings, and collects every mistake on the way.

use std::{fmt, str::FromStr, time::Duration};

use super::{Variables, dotenv::DOTENV, values::rate_limit};
use crate::auth::throttle::RateLimit;

/// Everything that is wrong with the settings, a line each; never a secret's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError(pub Vec<String>);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl std::error::Error for ConfigError {}

/// A ten-year session is a mistake in the unit, and keeps every sum far from overflow.
const MAX_DURATION: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// A quote left open in `.env` makes the lines after it part of a value, and one of them may
/// hold a secret: neither a log nor an error shows such a value.
fn is_one_line(text: &str) -> bool {
    !text.contains(char::is_control)
}

/// Reads settings one by one.
#[derive(Debug)]
pub struct EnvReader<'a> {
    variables: &'a Variables,
    mistakes: Vec<String>,
}

impl<'a> EnvReader<'a> {
    /// A reader of those of the variables that `names` lists.
    pub fn new(variables: &'a Variables, names: impl IntoIterator<Item = &'static str>) -> Self {
        let mut reader = Self {
            variables,
            mistakes: variables.mistakes.clone(),
        };
        for name in names {
            if variables.get(name).is_some_and(|text| !is_one_line(text)) {
                reader.mistake(name, "must be one line; is a quote left open?");
            }
            if variables.ambiguous.contains(name) {
                let what = format!("has two values in {DOTENV}; only one can count");
                reader.mistake(name, what);
            }
        }
        reader
    }

    /// The text set for `name`; a variable set to nothing counts as not set.
    pub fn text(&self, name: &str) -> Option<&'a str> {
        self.variables.get(name).filter(|text| is_one_line(text))
    }

    /// Notes a mistake in `name`.
    pub fn mistake(&mut self, name: &str, what: impl fmt::Display) {
        self.mistakes.push(format!("{name}: {what}"));
    }

    /// The value of `name` as `parse` reads it; `default` when it is not set.
    pub fn read_with<T>(
        &mut self,
        name: &str,
        default: T,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> T {
        match self.text(name).map(parse) {
            None => default,
            Some(Ok(value)) => value,
            Some(Err(what)) => {
                self.mistake(name, what);
                default
            }
        }
    }

    /// A value that parses itself; `wanted` says what would be right.
    pub fn read<T: FromStr>(&mut self, name: &str, default: T, wanted: &str) -> T {
        self.read_with(name, default, |text| {
            text.parse()
                .map_err(|_| format!("must be {wanted} (it is {text:?})"))
        })
    }

    /// A whole number from 1 to `most`.
    pub fn count(&mut self, name: &str, default: usize, most: usize) -> usize {
        let wanted = format!("a whole number from 1 to {most}");
        self.read_with(name, default, |text| match text.parse() {
            Ok(count) if (1..=most).contains(&count) => Ok(count),
            _ => Err(format!("must be {wanted} (it is {text:?})")),
        })
    }

    /// `on` or `off`.
    pub fn switch(&mut self, name: &str, default: bool) -> bool {
        self.read_with(name, default, |text| match text {
            "on" => Ok(true),
            "off" => Ok(false),
            _ => Err(format!("must be on or off (it is {text:?})")),
        })
    }

    /// A length of time such as `30m` or `14d`.
    pub fn duration(&mut self, name: &str, default: &str) -> Duration {
        let parse = |text: &str| match humantime::parse_duration(text) {
            Ok(duration) if duration.is_zero() => Err("must be longer than nothing".to_owned()),
            Ok(duration) if duration > MAX_DURATION => Err("must be at most ten years".to_owned()),
            Ok(duration) => Ok(duration),
            Err(_) => Err(format!(
                "must be a duration such as 30m or 14d (it is {text:?})"
            )),
        };
        let default = parse(default).unwrap_or(MAX_DURATION);
        self.read_with(name, default, parse)
    }

    /// As [`duration`](Self::duration), of `least` at least.
    pub fn duration_of_at_least(&mut self, name: &str, default: &str, least: Duration) -> Duration {
        let read = self.duration(name, default);
        if read >= least {
            return read;
        }
        let least = humantime::format_duration(least);
        self.mistake(name, format_args!("must be at least {least}"));
        MAX_DURATION
    }

    /// A count in a time such as `10/15m`; none for `unlimited`.
    pub fn rate_limit(&mut self, name: &str, default: &str) -> Option<RateLimit> {
        let default = rate_limit(default).unwrap_or_default();
        self.read_with(name, default, rate_limit)
    }

    /// Values separated by commas; every one that cannot be read is a mistake.
    pub fn list<T>(&mut self, name: &str, parse: impl Fn(&str) -> Result<T, String>) -> Vec<T> {
        let mut values = Vec::new();
        let items = self
            .text(name)
            .unwrap_or_default()
            .split(',')
            .map(str::trim);
        for (index, item) in items.filter(|item| !item.is_empty()).enumerate() {
            match parse(item) {
                Ok(value) => values.push(value),
                Err(what) => self.mistake(name, format!("entry {} {what}", index + 1)),
            }
        }
        values
    }

    /// What was built, if nothing was wrong on the way.
    pub fn finish<T>(self, value: T) -> Result<T, ConfigError> {
        if self.mistakes.is_empty() {
            Ok(value)
        } else {
            Err(ConfigError(self.mistakes))
        }
    }
}
