//! The `.env` file, with the environment over it.

use std::{collections::HashMap, io, path::Path};

use super::ConfigError;

/// The name of the settings file, looked for in the working directory.
pub const DOTENV: &str = ".env";
/// What a first `.env` is made from; explains every setting.
pub const DOTENV_EXAMPLE: &str = include_str!("../../.env.example");

/// Every variable of the environment and, where it has none of that name, of `.env`.
///
/// # Errors
/// When `.env` is there but cannot be read; a line that is no setting is named by its
/// number alone, as it may hold a secret.
pub fn read_environment() -> Result<HashMap<String, String>, ConfigError> {
    let mut variables = read_dotenv(Path::new(DOTENV))?;
    variables.extend(
        std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        }),
    );
    Ok(variables)
}

fn read_dotenv(path: &Path) -> Result<HashMap<String, String>, ConfigError> {
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(HashMap::new()),
        Err(error) => {
            return Err(ConfigError::one(format!(
                "{DOTENV}: cannot be read: {error}"
            )));
        }
    };
    let mut variables = HashMap::new();
    let mut mistakes = Vec::new();
    for item in dotenvy::from_read_iter(text.as_slice()) {
        match item {
            Ok((name, value)) => {
                variables.entry(name).or_insert(value);
            }
            Err(dotenvy::Error::LineParse(line, _)) => {
                let number = line_number(&text, &line);
                mistakes.push(format!("{DOTENV}: line {number} is not NAME=value"));
            }
            Err(_) => mistakes.push(format!("{DOTENV}: is not UTF-8 text")),
        }
    }
    if mistakes.is_empty() {
        Ok(variables)
    } else {
        Err(ConfigError(mistakes))
    }
}

fn line_number(text: &[u8], line: &str) -> usize {
    let text = String::from_utf8_lossy(text);
    text.lines()
        .position(|candidate| candidate.trim() == line.trim())
        .map_or(0, |index| index + 1)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_line_is_named_by_number_and_not_shown() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "PORT=1\nthis is my secret\n").unwrap();
        let error = read_dotenv(file.path()).unwrap_err();
        assert_eq!(error.0, [".env: line 2 is not NAME=value"]);
    }

    #[test]
    fn a_missing_file_is_empty() {
        assert!(read_dotenv(Path::new("no/such/file")).unwrap().is_empty());
    }
}
