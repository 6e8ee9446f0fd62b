//! The units in `deploy/`, as systemd reads them.

use std::{fs, path::Path, process::Command};

const UNITS: [&str; 4] = [
    "handstamp.service",
    "handstamp.socket",
    "handstamp-backup.service",
    "handstamp-backup.timer",
];
/// In tenths, of ten: what `systemd-analyze security` calls OK ends at 4.
const MOST_EXPOSED: &str = "--threshold=20";

/// Without systemd there is nothing to run the units.
#[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
fn analyze(arguments: &[&str]) -> Option<Command> {
    let mut command = Command::new("systemd-analyze");
    match Command::new("systemd-analyze").arg("--version").output() {
        Ok(_) => {
            command.args(arguments);
            Some(command)
        }
        Err(error) => {
            eprintln!("skipped: systemd-analyze does not run here: {error}");
            None
        }
    }
}

#[test]
fn systemd_finds_no_fault_in_the_units() {
    let folder = tempfile::tempdir().unwrap();
    let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy");
    for unit in UNITS {
        let text = fs::read_to_string(deploy.join(unit)).unwrap();
        // It wants the program to be there.
        let text = text.replace("/usr/local/bin/handstamp", env!("CARGO_BIN_EXE_handstamp"));
        fs::write(folder.path().join(unit), text).unwrap();
    }
    for unit in UNITS {
        let Some(mut command) = analyze(&["verify", "--man=no"]) else {
            return;
        };
        let found = command.arg(folder.path().join(unit)).output().unwrap();
        let said = String::from_utf8(found.stderr).unwrap();
        // It also checks what this machine has.
        let of_ours: Vec<&str> = said
            .lines()
            .filter(|line| line.contains("handstamp"))
            .collect();
        assert_eq!(of_ours, [""; 0], "{unit}");
        assert!(found.status.success(), "{unit}: {said}");
    }
}

#[test]
fn the_services_may_do_little() {
    for unit in UNITS.into_iter().filter(|unit| unit.ends_with("service")) {
        let Some(mut command) = analyze(&["security", "--offline=true", MOST_EXPOSED]) else {
            return;
        };
        let unit = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("deploy")
            .join(unit);
        let found = command.arg(&unit).output().unwrap();
        assert!(found.status.success(), "{found:?}");
    }
}
