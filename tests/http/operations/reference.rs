//! Completions and man pages.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use crate::helpers::{Workplace, failed, succeeded};

#[test]
fn every_shell_gets_completions() {
    let workplace = Workplace::new(&[]);
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = succeeded(&workplace.run(&["completions", shell]));
        for word in ["move-database", "sign-out", "end-sessions"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    let script = succeeded(&workplace.run(&["completions", "bash"]));
    let mut bash = Command::new("bash")
        .arg("-n")
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    bash.stdin
        .take()
        .unwrap()
        .write_all(script.as_bytes())
        .unwrap();
    assert!(bash.wait().unwrap().success());
    failed(&workplace.run(&["completions", "tin"]), 2);
    assert_eq!(std::fs::read_dir(workplace.path("")).unwrap().count(), 0);
}

#[test]
fn every_command_gets_a_man_page() {
    let workplace = Workplace::new(&[]);
    succeeded(&workplace.run(&["man", "share/man1"]));
    let page = |name: &str| {
        let path = workplace.path("share/man1").join(format!("{name}.1"));
        std::fs::read_to_string(path).unwrap()
    };
    let serve = page("handstamp-serve");
    assert!(
        serve.contains("SESSION_ABSOLUTE_TIMEOUT") && serve.contains("demo"),
        "{serve}"
    );
    for (name, words) in [
        ("handstamp", "restore"),
        ("handstamp-move-database", "DATABASE_URL"),
        ("handstamp-restore", "sessions"),
        ("handstamp-user-sign-out", "all"),
    ] {
        assert!(page(name).contains(words), "{name}");
    }
    std::fs::write(workplace.path("file"), "").unwrap();
    failed(&workplace.run(&["man", "file"]), 1);
}
