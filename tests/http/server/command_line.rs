//! The commands of the binary.

use std::{os::unix::fs::PermissionsExt, process::Output};

use handstamp::{
    auth::generate_secret_key,
    server::{
        Config,
        settings::{DOTENV_EXAMPLE, SETTINGS},
    },
};

use crate::helpers::{Database, Kind, PASSWORD, Workplace, on_both_databases};

on_both_databases!(accounts_from_the_command_line);

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn mistakes(output: &Output) -> Vec<String> {
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    String::from_utf8(output.stderr.clone())
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect()
}

/// The word before the colon in each mistake.
fn named(output: &Output) -> Vec<String> {
    let lines = mistakes(output).into_iter();
    lines
        .map(|line| line.split(':').next().unwrap().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_run_makes_its_own_key_and_the_second_keeps_it() {
    let workplace = Workplace::new(&[]);
    let process = workplace.serve();
    let browser = process.browser();
    browser.sign_up("Ann").await;
    let cookie = format!("session={}", browser.session().unwrap());
    process.kill();

    let dotenv = std::fs::read_to_string(workplace.path(".env")).unwrap();
    let mode = std::fs::metadata(workplace.path(".env"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let mode = std::fs::metadata(workplace.path("handstamp.db"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let key = dotenv
        .lines()
        .find_map(|line| line.strip_prefix("SECRET_KEY="))
        .unwrap();
    assert_eq!(key.len(), 64);
    assert_eq!(dotenv.replace(key, ""), DOTENV_EXAMPLE);

    let process = workplace.serve();
    assert_eq!(process.browser().check_with(&cookie).await.status, 200);
    assert_eq!(
        std::fs::read_to_string(workplace.path(".env")).unwrap(),
        dotenv
    );
}

#[test]
fn production_without_a_good_key_is_refused() {
    let mut workplace = Workplace::new(&[("APP_ENV", "production")]);
    assert_eq!(named(&workplace.run(&["serve"])), ["SECRET_KEY"]);
    assert!(!workplace.path(".env").exists());
    for weak in [
        "blahblahblah",
        "super_secret_key",
        "short",
        &"ab".repeat(20),
    ] {
        workplace.set("SECRET_KEY", weak);
        let lines = mistakes(&workplace.run(&[]));
        assert!(lines[0].starts_with("SECRET_KEY: "), "{lines:?}");
        assert!(!lines[0].contains(weak), "{lines:?}");
    }
    workplace.set("SECRET_KEY", &generate_secret_key());
    workplace.set("PASSWORDLESS_LOGIN", "on");
    assert_eq!(named(&workplace.run(&[])), ["PASSWORDLESS_LOGIN"]);
}

#[test]
fn every_mistake_is_named_at_once_and_no_secret_shown() {
    let workplace = Workplace::new(&[
        ("APP_ENV", "staging"),
        ("PORT", "http"),
        ("DATABASE_URL", "mysql://ann:hunter2@db/news"),
        ("SECRET_KEY", "too short a key"),
        ("SECRET_KEY_FALLBACKS", "one, another"),
        ("SESSION_IDLE_TIMEOUT", "soon"),
        ("SESSION_ABSOLUTE_TIMEOUT", "0s"),
        ("SESSIONS_PER_USER", "0"),
        ("PASSWORDLESS_LOGIN", "yes"),
        ("PASSWORD_HASHES_AT_ONCE", "-1"),
        ("TRUSTED_PROXIES", "10.0.0.0/8, everybody"),
        ("ALLOWED_ORIGINS", "https://app.example/, app.example"),
    ]);
    let output = workplace.run(&[]);
    assert_eq!(
        named(&output),
        [
            "APP_ENV",
            "PASSWORDLESS_LOGIN",
            "PORT",
            "SECRET_KEY",
            "SECRET_KEY_FALLBACKS",
            "SECRET_KEY_FALLBACKS",
            "SESSION_IDLE_TIMEOUT",
            "SESSION_ABSOLUTE_TIMEOUT",
            "SESSIONS_PER_USER",
            "PASSWORD_HASHES_AT_ONCE",
            "TRUSTED_PROXIES",
            "ALLOWED_ORIGINS",
            "ALLOWED_ORIGINS",
            "DATABASE_URL",
        ]
    );
    let text = mistakes(&output).join("\n");
    for secret in ["too short a key", "hunter2", "one, another"] {
        assert!(!text.contains(secret), "{text}");
    }
}

#[test]
fn dotenv_is_read_and_the_environment_wins() {
    let mut workplace = Workplace::new(&[]);
    std::fs::write(workplace.path(".env"), "PORT=nonsense\nSECRET_KEY=short\n").unwrap();
    assert_eq!(named(&workplace.run(&[])), ["PORT", "SECRET_KEY"]);
    workplace.set("PORT", "0");
    assert_eq!(named(&workplace.run(&[])), ["SECRET_KEY"]);
    workplace.set("SECRET_KEY", "");
    let lines = mistakes(&workplace.run(&[]));
    assert!(
        lines[0].contains("it has 5"),
        "set to nothing is not set: {lines:?}"
    );
    std::fs::write(workplace.path(".env"), "my secret\nPORT=nonsense\n").unwrap();
    workplace.set("PORT", "");
    assert_eq!(
        named(&workplace.run(&["migrate"])),
        [".env"],
        "it reads no PORT"
    );
    assert_eq!(named(&workplace.run(&[])), [".env", "SECRET_KEY", "PORT"]);
    std::fs::remove_file(workplace.path(".env")).unwrap();
    workplace.serve();
    assert!(
        workplace.path(".env").exists(),
        "a key set to nothing is no key"
    );
}

#[test]
fn secret_prints_a_key_and_nothing_else() {
    let workplace = Workplace::new(&[]);
    let [one, other] = [(); 2].map(|()| stdout(&workplace.run(&["secret"])));
    assert!(
        one.len() == 65 && one.ends_with('\n') && one.trim().chars().all(char::is_alphanumeric)
    );
    assert_ne!(one, other);
    assert_eq!(std::fs::read_dir(workplace.path("")).unwrap().count(), 0);
}

#[test]
fn help_lists_the_environment_with_its_defaults() {
    let workplace = Workplace::new(&[]);
    for arguments in [&["--help"][..], &["serve", "--help"]] {
        let help = stdout(&workplace.run(arguments));
        for setting in SETTINGS {
            assert!(
                help.contains(setting.name),
                "{arguments:?}: {}",
                setting.name
            );
            assert!(help.contains(&format!("[default: {}]", setting.default)));
        }
    }
    let of_accounts = "APP_ENV DATABASE_URL SESSION_IDLE_TIMEOUT SESSION_ABSOLUTE_TIMEOUT \
                       PASSWORDLESS_LOGIN PASSWORD_MIN_LENGTH";
    for (arguments, read) in [
        (&["migrate"][..], "APP_ENV DATABASE_URL NEWS"),
        (&["audit"], "DATABASE_URL"),
        (&["backup"], "DATABASE_URL"),
        (&["restore"], "DATABASE_URL"),
        (&["move-database"], "DATABASE_URL"),
        (&["demo"], "APP_ENV DATABASE_URL"),
        (&["user"], of_accounts),
        (&["user", "add"], of_accounts),
    ] {
        let help = stdout(&workplace.run(&[arguments, &["--help"]].concat()));
        let listed = SETTINGS
            .iter()
            .map(|setting| setting.name)
            .filter(|name| help.contains(&format!("  {name} ")));
        assert_eq!(listed.collect::<Vec<_>>().join(" "), read, "{help}");
    }
    assert_eq!(workplace.run(&["fly"]).status.code(), Some(2));
}

#[test]
fn the_settings_are_the_same_wherever_they_are_listed() {
    let key = generate_secret_key();
    let read = |values: Vec<(String, String)>| {
        let key = ("SECRET_KEY".to_owned(), key.clone());
        Config::for_server(&values.into_iter().chain([key]).collect()).unwrap()
    };
    let page = include_str!("../../../docs/configuration.md");
    let unset = read(Vec::new());
    for setting in SETTINGS {
        assert!(
            DOTENV_EXAMPLE.contains(&format!("{}=", setting.name)),
            "{}",
            setting.name
        );
        assert!(
            page.contains(&format!("| `{}` |", setting.name)),
            "{}",
            setting.name
        );
    }
    let policy = unset.page_csp.to_str().unwrap();
    assert!(DOTENV_EXAMPLE.contains(&format!("#PAGE_CSP=\"{policy}\"\n")));
    // .env.example sets the defaults.
    let example = dotenvy::from_read_iter(DOTENV_EXAMPLE.as_bytes())
        .map(Result::unwrap)
        .collect();
    let example = read(example);
    assert_eq!(format!("{example:?}"), format!("{unset:?}"));
    let is_a_value = |default| {
        !matches!(
            default,
            "none"
                | "empty"
                | "cores less one"
                | "on in development"
                | "on in production"
                | "its own files"
                | "host of PUBLIC_URL or localhost"
                | "PUBLIC_URL or localhost"
        )
    };
    let defaults = SETTINGS
        .iter()
        .filter(|setting| is_a_value(setting.default));
    let defaults = defaults
        .map(|setting| (setting.name.into(), setting.default.into()))
        .collect();
    let defaults = read(defaults);
    assert_eq!(format!("{defaults:?}"), format!("{unset:?}"));
}

async fn accounts_from_the_command_line(kind: Kind) {
    let database = Database::new(kind).await;
    let key = generate_secret_key();
    let settings = [
        ("DATABASE_URL", &*database.url),
        ("SECRET_KEY", &*key),
        ("PASSWORDLESS_LOGIN", "on"),
    ];
    let workplace = Workplace::new(&settings);
    let done = |arguments: &[&str], input: &str| {
        let output = workplace.run_with_input(arguments, input);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        stdout(&output)
    };
    assert!(done(&["migrate"], "").ends_with("is up to date\n"));
    assert_eq!(
        done(&["user", "add", "Jackson", "--no-password"], ""),
        "added Jackson\n"
    );
    let add = [
        "user",
        "add",
        "Ann",
        "--email",
        "ann@example.com",
        "--password-stdin",
    ];
    assert_eq!(done(&add, &format!("{PASSWORD}\n")), "added Ann\n");

    let process = workplace.serve();
    let (ann, jackson) = (process.browser(), process.browser());
    assert_eq!(ann.log_in("ann").await.status, 200);
    assert_eq!(jackson.log_in_by_name("jackson").await.status, 200);

    let list = done(&["user", "list"], "");
    let names: Vec<_> = list
        .lines()
        .map(|line| line.split_whitespace().next().unwrap())
        .collect();
    assert_eq!(names, ["Ann", "Jackson"]);
    let shown = done(&["user", "show", "JACKSON"], "");
    assert!(
        shown.contains("password    no") && shown.contains("state       enabled"),
        "{shown}"
    );

    done(&["user", "sign-out", "Ann"], "");
    assert_eq!(ann.check().await.reason(), "unknown_session");
    done(&["user", "disable", "Jackson"], "");
    assert_eq!(jackson.check().await.reason(), "user_gone");
    assert!(done(&["user", "show", "Jackson"], "").contains("state       disabled"));
    done(&["user", "enable", "Jackson"], "");
    assert_eq!(jackson.check().await.reason(), "unknown_session");
    ann.log_in("Ann").await;
    done(
        &["user", "password", "Ann", "--password-stdin"],
        "black coffee by noon\r\n",
    );
    assert_eq!(ann.check().await.reason(), "unknown_session");
    assert_eq!(
        ann.log_in_with("Ann", "black coffee by noon").await.status,
        200
    );

    let failed = |arguments: &[&str], input: &str| {
        let output = workplace.run_with_input(arguments, input);
        let text = String::from_utf8(output.stderr).unwrap();
        (
            output.status.code().unwrap(),
            text.split([':', ' ']).next().unwrap().to_owned(),
        )
    };
    assert_eq!(failed(&["user", "show", "Nobody"], ""), (1, "there".into()));
    assert_eq!(
        failed(&["user", "add", "ANN", "--no-password"], ""),
        (1, "Somebody".into())
    );
    assert_eq!(
        failed(&["user", "add", "!", "--no-password"], ""),
        (2, "username".into())
    );
    assert_eq!(
        failed(&["user", "add", "Ben", "--password-stdin"], "12345678"),
        (2, "password".into())
    );
    assert_eq!(
        failed(&["user", "add", "Ben"], ""),
        (2, "password".into()),
        "nobody to ask"
    );
    assert_eq!(
        failed(&["user", "password", "Ann", "--password-stdin"], ""),
        (2, "password".into())
    );
}

#[test]
fn what_cannot_be_opened_is_named() {
    let mut workplace = Workplace::new(&[("SECRET_KEY", &generate_secret_key())]);
    workplace.set("DATABASE_URL", "sqlite://no/such/folder/news.db");
    assert_eq!(named(&workplace.run(&[])), ["DATABASE_URL"]);
    workplace.set("DATABASE_URL", "postgres://ann:hunter2@127.0.0.1:1/news");
    let output = workplace.run(&[]);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text.contains("refused") && !text.contains("hunter2"),
        "{text}"
    );
    workplace.set("DATABASE_URL", "");
    workplace.set("HOST", "no such host");
    assert_eq!(named(&workplace.run(&[])), ["HOST"]);
}

#[test]
fn processes_that_migrate_at_once_wait_for_each_other() {
    for _ in 0..8 {
        let workplace = Workplace::new(&[]);
        std::thread::scope(|scope| {
            let migrations: Vec<_> = (0..6)
                .map(|_| scope.spawn(|| workplace.run(&["migrate"])))
                .collect();
            for migration in migrations {
                let output = migration.join().unwrap();
                assert!(output.status.success(), "{output:?}");
            }
        });
    }
}
