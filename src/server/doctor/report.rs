//! The outcome of an examination.

use std::fmt::{self, Display};

use serde::Serialize;

/// The outcome of one check.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    /// A word that stays the same between versions.
    pub name: &'static str,
    /// Whether it passed.
    pub status: Status,
    /// What was seen.
    pub detail: String,
    /// What to do about a failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

/// Whether a check passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// All is well.
    Pass,
    /// Something is to be fixed.
    Fail,
    /// It could not be checked from here; the detail says why.
    Skipped,
}

impl Check {
    pub(super) fn pass(name: &'static str, detail: impl Display) -> Self {
        Self {
            name,
            status: Status::Pass,
            detail: detail.to_string(),
            fix: None,
        }
    }

    pub(super) fn fail(name: &'static str, detail: impl Display, fix: impl Display) -> Self {
        Self {
            name,
            status: Status::Fail,
            detail: detail.to_string(),
            fix: Some(fix.to_string()),
        }
    }

    pub(super) fn skipped(name: &'static str, why: impl Display) -> Self {
        Self {
            name,
            status: Status::Skipped,
            detail: why.to_string(),
            fix: None,
        }
    }
}

/// Every check, in the order in which to fix what failed.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Whether none failed.
    pub ok: bool,
    /// What was examined, if not the settings and the database here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The checks.
    pub checks: Vec<Check>,
}

impl Report {
    pub(super) fn new(url: Option<String>, checks: Vec<Check>) -> Self {
        Self {
            ok: checks.iter().all(|check| check.status != Status::Fail),
            url,
            checks,
        }
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.checks.iter().map(|check| check.name.len()).max();
        let width = width.unwrap_or_default();
        for check in &self.checks {
            let status = match check.status {
                Status::Pass => "pass",
                Status::Fail => "FAIL",
                Status::Skipped => "  - ",
            };
            let detail = Printable(&check.detail);
            writeln!(f, "{status}  {:<width$}  {detail}", check.name)?;
            if let Some(fix) = &check.fix {
                writeln!(f, "{:width$}        fix: {}", "", Printable(fix))?;
            }
        }
        let count = |status| self.checks.iter().filter(|it| it.status == status).count();
        let (passed, failed) = (count(Status::Pass), count(Status::Fail));
        let skipped = count(Status::Skipped);
        write!(
            f,
            "\n{passed} passed, {failed} failed, {skipped} not checked"
        )
    }
}

/// A text of which a part comes from the site, and must not command the terminal.
struct Printable<'a>(&'a str);

impl Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for char in self.0.chars() {
            if char.is_control() {
                write!(f, "{}", char.escape_default())?;
            } else {
                write!(f, "{char}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_does_not_command_the_terminal() {
        let check = Check::fail("host", "\u{1b}[2J\r\u{9b}é", "\u{7}");
        let text = Report::new(None, vec![check]).to_string();
        assert!(text.contains("\\u{1b}[2J\\r\\u{9b}é"), "{text}");
        assert!(text.contains("fix: \\u{7}"), "{text}");
    }
}
