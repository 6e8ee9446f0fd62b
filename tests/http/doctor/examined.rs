//! The doctor's report.

use std::{collections::BTreeSet, process::Output};

use serde_json::Value;

use crate::helpers::Workplace;

/// What the doctor said.
#[derive(Debug)]
pub struct Examined {
    pub code: Option<i32>,
    pub report: Value,
}

impl Examined {
    pub fn of(workplace: &Workplace, url: &str) -> Self {
        Self::read(&workplace.run(&["doctor", url, "--json"]))
    }

    pub fn read(output: &Output) -> Self {
        let text = String::from_utf8(output.stdout.clone()).unwrap();
        let report = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{output:?}"));
        Self {
            code: output.status.code(),
            report,
        }
    }

    /// What it said of a check.
    pub fn detail(&self, name: &str) -> &str {
        let mut checks = self.report["checks"].as_array().unwrap().iter();
        let check = checks.find(|check| check["name"] == name).unwrap();
        check["detail"].as_str().unwrap()
    }

    pub fn with_status(&self, status: &str) -> BTreeSet<&str> {
        let checks = self.report["checks"].as_array().unwrap();
        let checks = checks.iter().filter(|check| check["status"] == status);
        checks
            .map(|check| check["name"].as_str().unwrap())
            .collect()
    }

    /// Requires that these checks failed and no others, each with a fix in words.
    pub fn assert_fails(&self, names: &[&str], case: &str) {
        let failed = self.with_status("fail");
        assert_eq!(failed, names.iter().copied().collect(), "{case}: {self:#?}");
        assert_eq!(self.code, Some(i32::from(!names.is_empty())), "{case}");
        assert_eq!(self.report["ok"], names.is_empty(), "{case}");
        for check in self.report["checks"].as_array().unwrap() {
            let has_fix = check["fix"].as_str().is_some_and(|fix| fix.len() > 20);
            assert_eq!(has_fix, check["status"] == "fail", "{case}: {check}");
        }
    }
}
