//! Which files of WEB_DIR are served, and which ranges of them.

use std::{fs, os::unix::fs::symlink, path::Path};

use reqwest::Method;
use tempfile::TempDir;

use crate::helpers::{Answer, Kind, Server, Workplace, on_both_databases};

on_both_databases!(
    hidden_files_are_not_there,
    links_lead_nowhere_else,
    ranges_are_as_the_file_is,
    a_folder_with_secrets_is_refused,
);

/// A server of a folder inside another.
async fn serving(kind: Kind) -> (Server, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let web = folder.path().join("web");
    fs::create_dir(&web).unwrap();
    let server = Server::start_with(kind, &[("WEB_DIR", web.to_str().unwrap())]).await;
    (server, folder)
}

fn write(folder: &TempDir, path: &str, text: &str) {
    let path = folder.path().join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

async fn hidden_files_are_not_there(kind: Kind) {
    let (server, folder) = serving(kind).await;
    for path in [
        "web/.env",
        "web/.git/config",
        "web/a/.htpasswd",
        "web/.well-known/.env",
    ] {
        write(&folder, path, "a secret");
    }
    write(&folder, "web/.well-known/security.txt", "Contact: us");
    write(&folder, "web/app.js", "go()");
    let browser = server.browser();
    for path in [
        "/.env",
        "/%2eenv",
        "/%2Eenv",
        "//.env",
        "/%2f.env",
        "/.git/config",
        "/.git%2fconfig",
        "/a/.htpasswd",
        "/a/%2ehtpasswd",
        "/.well-known/.env",
    ] {
        let answer = browser.get(path).await;
        assert_eq!(answer.code(), "not_found", "{path}");
        let head = browser.send(browser.request(Method::HEAD, path)).await;
        assert_eq!(head.status, 404, "{path}");
    }
    assert_eq!(browser.get("/app.js").await.text, "go()");
    let known = browser.get("/.well-known/security.txt").await;
    assert_eq!(known.text, "Contact: us");
}

async fn links_lead_nowhere_else(kind: Kind) {
    let (server, folder) = serving(kind).await;
    write(&folder, "outside/secret.txt", "a secret");
    write(&folder, "outside/page.html", "a secret");
    write(&folder, "web/inside.txt", "for everybody");
    write(&folder, "web/app.js", "go()");
    let link = |target: &Path, name: &str| symlink(target, folder.path().join(name)).unwrap();
    let outside = folder.path().join("outside");
    link(&outside.join("secret.txt"), "web/secret.txt");
    link(&outside, "web/folder");
    link(&outside.join("secret.txt"), "web/app.js.br");
    link(&outside.join("page.html"), "web/index.html");
    link(Path::new("inside.txt"), "web/own.txt");
    let browser = server.browser();
    for path in ["/secret.txt", "/folder/secret.txt", "/folder%2fsecret.txt"] {
        assert_eq!(browser.get(path).await.code(), "not_found", "{path}");
    }
    let request = browser
        .request(Method::GET, "/app.js")
        .header("accept-encoding", "br");
    assert_eq!(browser.send(request).await.code(), "not_found");
    let page = browser.get("/").await;
    assert!(!page.text.contains("a secret"), "{page:?}");
    assert_eq!(browser.get("/own.txt").await.text, "for everybody");

    // A deployment that switches a link to the new folder is fine.
    let web = folder.path().join("web");
    fs::rename(&web, folder.path().join("version-1")).unwrap();
    symlink("version-1", &web).unwrap();
    assert_eq!(browser.get("/inside.txt").await.text, "for everybody");
}

async fn ranges_are_as_the_file_is(kind: Kind) {
    let (server, folder) = serving(kind).await;
    write(&folder, "web/ten.txt", "0123456789");
    write(&folder, "web/page.html", "0123456789");
    let browser = server.browser();
    let ask = async |path: &str, range: &str| {
        let request = browser.request(Method::GET, path).header("range", range);
        browser.send(request).await
    };
    let part = |answer: &Answer| {
        let range = answer.header("content-range").map(str::to_owned);
        (answer.status.as_u16(), range, answer.text.clone())
    };
    for (range, of, text) in [
        ("bytes=2-4", "bytes 2-4/10", "234"),
        ("bytes=8-", "bytes 8-9/10", "89"),
        ("bytes=8-99", "bytes 8-9/10", "89"),
        ("bytes=-3", "bytes 7-9/10", "789"),
    ] {
        let expected = (206, Some(of.to_owned()), text.to_owned());
        assert_eq!(part(&ask("/ten.txt", range).await), expected, "{range}");
    }
    for path in ["/ten.txt", "/page.html"] {
        for range in ["bytes=10-", "bytes=99-100", "bytes=-0"] {
            let answer = ask(path, range).await;
            assert_eq!(answer.status, 416, "{range}");
            assert_eq!(answer.code(), "range_not_satisfiable", "{range}");
            assert_eq!(answer.header("content-range"), Some("bytes */10"));
        }
    }
    for ignored in [
        "nonsense",
        "bytes=a-b",
        "bytes=5-2",
        "bytes=",
        "bytes=-",
        "items=0-4",
        "bytes=0-1,3-4",
        "bytes=-99",
    ] {
        let whole = (200, None, "0123456789".to_owned());
        assert_eq!(part(&ask("/ten.txt", ignored).await), whole, "{ignored}");
    }
    let request = browser
        .request(Method::GET, "/ten.txt")
        .header("range", "bytes=2-4")
        .header("if-range", "\"another build\"");
    assert_eq!(browser.send(request).await.status, 200);
    let request = browser
        .request(Method::HEAD, "/ten.txt")
        .header("range", "bytes=99-");
    assert_eq!(browser.send(request).await.status, 200);
    assert_eq!(ask("/nowhere.txt", "bytes=0-1").await.code(), "not_found");
}

async fn a_folder_with_secrets_is_refused(kind: Kind) {
    let server = Server::start(kind).await;
    let key = handstamp::auth::generate_secret_key();
    let run = |settings: &[(&str, &str)], has_dotenv: bool| {
        let mut workplace = Workplace::new(&[("SECRET_KEY", &key), ("PORT", "none")]);
        for (name, value) in settings {
            workplace.set(name, value);
        }
        if has_dotenv {
            fs::write(workplace.path(".env"), "").unwrap();
        }
        fs::create_dir(workplace.path("web")).unwrap();
        let output = workplace.run(&["serve"]);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        // With an invalid port it never starts, whatever else is wrong.
        let said = String::from_utf8(output.stderr).unwrap();
        let said = said.lines().filter(|line| line.starts_with("WEB_DIR: "));
        said.map(str::to_owned).collect::<Vec<_>>()
    };
    let database = ("DATABASE_URL", &*server.database.url);
    for here in [".", "./", "web/.."] {
        let said = run(&[("WEB_DIR", here)], true);
        assert_eq!(said.len(), 2, "{said:?}");
        assert!(said[0].contains("database file"), "{said:?}");
        assert!(said[1].contains(".env"), "{said:?}");
        let said = run(&[("WEB_DIR", here), database], true);
        assert_eq!(said.len(), 1, "{said:?}");
    }
    let inside = ("DATABASE_URL", "sqlite://web/handstamp.db");
    assert_eq!(run(&[("WEB_DIR", "web"), inside], true).len(), 1);
    assert_eq!(run(&[("WEB_DIR", "web")], true).len(), 0);
    assert_eq!(run(&[("WEB_DIR", "."), database], false).len(), 0);
}
