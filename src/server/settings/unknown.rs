//! Reports names that are no settings.

use strsim::normalized_damerau_levenshtein;

use super::{EnvReader, Variables, dotenv::DOTENV, table::names};

/// What the libraries below read.
const OF_LIBRARIES: [&str; 5] = [
    "NO_COLOR",
    "RUST_BACKTRACE",
    "RUST_LIB_BACKTRACE",
    "RUST_LOG",
    "RUST_LOG_STYLE",
];
/// One typo in five letters, or two in ten.
const NEAR: f64 = 0.8;

/// Refuses names in `.env` that are near misses of settings.
pub(super) fn refuse_near_misses(reader: &mut EnvReader<'_>, variables: &Variables) {
    for name in variables.dotenv_names() {
        if let Some(meant) = nearest(name) {
            let what = format!("is no setting, though {DOTENV} has it; is {meant} meant?");
            reader.mistake(name, what);
        }
    }
}

/// What to warn about: other names in `.env`, which may be another program's, and names in the
/// environment that are near misses of settings.
pub fn unknown_names(variables: &Variables) -> Vec<String> {
    let in_dotenv = variables
        .dotenv_names()
        .filter(|name| !is_known(name) && nearest(name).is_none())
        .map(|name| match is_like_a_name(name) {
            true => format!("{name} in {DOTENV} is no setting of handstamp"),
            false => format!("a name in {DOTENV} is no setting of handstamp"),
        });
    let in_environment = variables.environment_names().filter_map(|name| {
        nearest(name).map(|meant| format!("{name} is no setting of handstamp; is {meant} meant?"))
    });
    in_dotenv.chain(in_environment).collect()
}

/// Whether `text` can be repeated: otherwise it may be a secret on a line that ends in `=`.
fn is_like_a_name(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}

fn is_known(name: &str) -> bool {
    names().chain(OF_LIBRARIES).any(|known| known == name)
}

/// The setting of which `name` is a near miss, if it is not one itself.
fn nearest(name: &str) -> Option<&'static str> {
    if is_known(name) {
        return None;
    }
    let upper = name.to_ascii_uppercase();
    let likeness = |known: &&str| normalized_damerau_levenshtein(known, &upper);
    let best = names().max_by(|a, b| likeness(a).total_cmp(&likeness(b)))?;
    (likeness(&best) >= NEAR).then_some(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_told_from_other_names() {
        for (slip, meant) in [
            ("SESION_IDLE_TIMEOUT", "SESSION_IDLE_TIMEOUT"),
            ("SESSION_IDEL_TIMEOUT", "SESSION_IDLE_TIMEOUT"),
            ("session_idle_timeout", "SESSION_IDLE_TIMEOUT"),
            ("SIGN_UP", "SIGNUP"),
            ("TRUSTED_PROXY", "TRUSTED_PROXIES"),
            ("DATABSE_URL", "DATABASE_URL"),
        ] {
            assert_eq!(nearest(slip), Some(meant), "{slip}");
        }
        for other in [
            "PORT",
            "RUST_LOG",
            "HOSTNAME",
            "PGPORT",
            "POST",
            "SECRET_KEY_BASE",
            "VITE_API_URL",
            "APP_NAME",
            "HOME",
        ] {
            assert_eq!(nearest(other), None, "{other}");
        }
    }
}
