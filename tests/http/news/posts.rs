//! Just Tech News: reading, writing, voting, as a visitor, an author and somebody else.

use reqwest::Method;
use serde_json::{Value, json};

use crate::helpers::{Answer, Browser, Kind, Server, on_both_databases};

on_both_databases!(
    the_walk_of_an_author_and_a_visitor,
    lists_go_by_cursor,
    only_authors_change_what_they_wrote,
    fields_are_bounded_and_kept_as_typed,
);

const NOWHERE: &str = "00000000-0000-7000-8000-000000000000";

pub async fn write_post(browser: &Browser, title: &str) -> Value {
    let answer = browser.post("/posts", json!({"title": title})).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json()
}

pub fn path_of(post: &Value) -> String {
    format!("/posts/{}", post["id"].as_str().unwrap())
}

/// A server with this many posts of the user Author, and their paths.
pub async fn with_posts(
    kind: Kind,
    settings: &[(&str, &str)],
    number: usize,
) -> (Server, Vec<String>) {
    let server = Server::start_with(kind, settings).await;
    let author = server.browser();
    author.sign_up("Author").await;
    let mut paths = Vec::new();
    for number in 0..number {
        paths.push(path_of(&write_post(&author, &format!("p{number}")).await));
    }
    (server, paths)
}

pub async fn patch(browser: &Browser, path: &str, body: Value) -> Answer {
    browser
        .send(browser.request(Method::PATCH, path).json(&body))
        .await
}

pub async fn put(browser: &Browser, path: &str) -> Answer {
    browser.send(browser.request(Method::PUT, path)).await
}

pub fn titles(list: &Answer) -> Vec<String> {
    let list = list.json();
    let posts = list["posts"].as_array().unwrap();
    posts
        .iter()
        .map(|post| post["title"].as_str().unwrap().to_owned())
        .collect()
}

async fn the_walk_of_an_author_and_a_visitor(kind: Kind) {
    let server = Server::start(kind).await;
    let (jackson, visitor) = (server.browser(), server.browser());
    jackson.sign_up("Jackson").await;

    let draft = json!({"title": "Sessions", "url": "https://example.com/a?b=c", "text": "Signed."});
    let answer = jackson.post("/posts/", draft).await;
    assert_eq!(answer.status, 201);
    let post = answer.json();
    assert_eq!(
        (&post["author"], &post["comment_count"]),
        (&json!("Jackson"), &json!(0))
    );

    // The home page, with and without the links for logged-in users.
    let home = visitor.get("/posts").await;
    assert_eq!(home.header("cache-control"), Some("no-store"));
    assert_eq!(
        home.json(),
        json!({"posts": [post], "next": null, "logged_in": false})
    );
    assert_eq!(jackson.get("/posts").await.json()["logged_in"], true);
    assert_eq!(
        visitor.session(),
        None,
        "looking at the list starts no session"
    );

    // The single post, with and without its comment form.
    let path = path_of(&post);
    let single = jackson.get(&path).await.json();
    let expected = json!({"post": post, "comments": [], "logged_in": true, "reads_left": null});
    assert_eq!(single, expected);
    let single = visitor.get(&path).await.json();
    assert_eq!(
        (&single["logged_in"], &single["reads_left"]),
        (&json!(false), &json!(2))
    );

    // Comment, vote, edit, delete.
    let comments = format!("{path}/comments");
    let answer = jackson.post(&comments, json!({"text": "First"})).await;
    assert_eq!(answer.status, 201);
    let comment = answer.json();
    assert_eq!(
        (&comment["author"], &comment["text"]),
        (&json!("Jackson"), &json!("First"))
    );
    let voted = put(&jackson, &format!("{path}/vote")).await.json();
    assert_eq!(
        (&voted["vote_count"], &voted["voted"]),
        (&json!(1), &json!(true))
    );
    let seen = visitor.get(&path).await.json();
    assert_eq!(
        (&seen["post"]["vote_count"], &seen["post"]["voted"]),
        (&json!(1), &json!(false))
    );
    assert_eq!(
        (&seen["comments"], &seen["post"]["comment_count"]),
        (&json!([comment]), &json!(1))
    );

    let edited = patch(&jackson, &path, json!({"title": "Sessions, signed"})).await;
    assert_eq!(edited.status, 200);
    assert_eq!(edited.json()["title"], "Sessions, signed");
    assert_eq!(
        edited.json()["url"],
        "https://example.com/a?b=c",
        "what is left out stays"
    );
    let emptied = patch(&jackson, &path, json!({"url": null, "text": null}))
        .await
        .json();
    assert_eq!(
        (&emptied["url"], &emptied["text"]),
        (&json!(null), &json!(null))
    );

    // The dashboard.
    assert_eq!(
        titles(&jackson.get("/posts?author=me").await),
        ["Sessions, signed"]
    );
    assert_eq!(
        titles(&visitor.get("/posts?author=JACKSON").await),
        ["Sessions, signed"]
    );
    assert_eq!(
        visitor.get("/posts?author=me").await.reason(),
        "unknown_session"
    );
    assert_eq!(
        server.browser().get("/posts?author=me").await.reason(),
        "no_cookie"
    );
    assert_eq!(titles(&visitor.get("/posts?author=nobody").await), [""; 0]);

    let delete = format!("{comments}/{}", comment["id"].as_str().unwrap());
    assert_eq!(jackson.delete(&delete).await.status, 204);
    assert_eq!(jackson.delete(&delete).await.code(), "not_found");
    assert_eq!(jackson.get(&path).await.json()["post"]["comment_count"], 0);
    assert_eq!(jackson.delete(&path).await.status, 204);
    assert_eq!(jackson.get(&path).await.code(), "not_found");
}

async fn lists_go_by_cursor(kind: Kind) {
    let server = Server::start(kind).await;
    let (ann, ben) = (server.browser(), server.browser());
    ann.sign_up("Ann").await;
    ben.sign_up("Ben").await;
    for number in 0..7 {
        write_post(
            if number % 2 == 0 { &ann } else { &ben },
            &format!("p{number}"),
        )
        .await;
    }
    let visitor = server.browser();
    let page = visitor.get("/posts?limit=3").await;
    assert_eq!(titles(&page), ["p6", "p5", "p4"]);
    // New posts do not shift the pages.
    write_post(&ann, "late").await;
    let mut next = page.json()["next"].as_str().unwrap().to_owned();
    let page = visitor.get(&format!("/posts?limit=3&after={next}")).await;
    assert_eq!(titles(&page), ["p3", "p2", "p1"]);
    page.json()["next"].as_str().unwrap().clone_into(&mut next);
    let page = visitor.get(&format!("/posts?limit=3&after={next}")).await;
    assert_eq!(
        (titles(&page), &page.json()["next"]),
        (vec!["p0".to_owned()], &json!(null))
    );
    let page = visitor.get("/posts?author=ben&limit=2").await;
    assert_eq!(titles(&page), ["p5", "p3"]);
    let next = page.json()["next"].as_str().unwrap().to_owned();
    let page = visitor
        .get(&format!("/posts?author=ben&limit=2&after={next}"))
        .await;
    assert_eq!(
        (titles(&page), &page.json()["next"]),
        (vec!["p1".to_owned()], &json!(null))
    );

    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=many", "limit"),
        ("limit=99999999999999999999", "limit"),
        ("after=nonsense", "after"),
    ] {
        let answer = visitor.get(&format!("/posts?{query}")).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code()),
            (422, "invalid".into()),
            "{query}"
        );
        assert!(answer.json()["errors"][field].is_array(), "{answer:?}");
    }
    assert_eq!(visitor.get("/posts?author=%00").await.status, 200);
}

async fn only_authors_change_what_they_wrote(kind: Kind) {
    let server = Server::start(kind).await;
    let (ann, ben, visitor) = (server.browser(), server.browser(), server.browser());
    ann.sign_up("Ann").await;
    ben.sign_up("Ben").await;
    let path = path_of(&write_post(&ann, "mine").await);
    let comment = ann
        .post(&format!("{path}/comments"), json!({"text": "mine"}))
        .await
        .json();
    let comment = format!("{path}/comments/{}", comment["id"].as_str().unwrap());

    for (browser, status, code) in [(&ben, 403, "not_yours"), (&visitor, 401, "not_logged_in")] {
        for answer in [
            patch(browser, &path, json!({"title": "taken"})).await,
            browser.delete(&path).await,
            browser.delete(&comment).await,
        ] {
            assert_eq!(
                (answer.status.as_u16(), answer.code().as_str()),
                (status, code)
            );
        }
    }
    for answer in [
        visitor.post("/posts", json!({"title": "t"})).await,
        visitor
            .post(&format!("{path}/comments"), json!({"text": "t"}))
            .await,
        put(&visitor, &format!("{path}/vote")).await,
        visitor.delete(&format!("{path}/vote")).await,
    ] {
        assert_eq!(answer.reason(), "no_cookie");
    }
    for id in [NOWHERE, "nonsense", "%00"] {
        let path = format!("/posts/{id}");
        for answer in [
            ben.get(&path).await,
            patch(&ben, &path, json!({"title": "t"})).await,
            ben.delete(&path).await,
            ben.post(&format!("{path}/comments"), json!({"text": "t"}))
                .await,
            put(&ben, &format!("{path}/vote")).await,
            ben.delete(&format!("{path}/vote")).await,
            ben.delete(&format!("{path}/comments/{id}")).await,
        ] {
            assert_eq!(
                (answer.status.as_u16(), answer.code().as_str()),
                (404, "not_found")
            );
        }
    }
    // A comment is found at its own post only.
    let other = path_of(&write_post(&ann, "other").await);
    assert_eq!(
        ann.delete(&comment.replace(&path, &other)).await.code(),
        "not_found"
    );
    let seen = ann.get(&path).await.json();
    assert_eq!(
        (&seen["post"]["title"], &seen["post"]["comment_count"]),
        (&json!("mine"), &json!(1))
    );
}

async fn fields_are_bounded_and_kept_as_typed(kind: Kind) {
    let server = Server::start(kind).await;
    let ann = server.browser();
    ann.sign_up("Ann").await;
    let fields = async |body: Value| {
        let answer = ann.post("/posts", body).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code().as_str()),
            (422, "invalid")
        );
        answer.json()["errors"]
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!(fields(json!({})).await, ["title"]);
    assert_eq!(fields(json!({"title": "  "})).await, ["title"]);
    assert_eq!(fields(json!({"title": "x".repeat(201)})).await, ["title"]);
    assert_eq!(fields(json!({"title": "a\u{0}b"})).await, ["title"]);
    assert_eq!(
        fields(json!({"title": "t", "text": "x".repeat(10_001)})).await,
        ["text"]
    );
    for url in [
        "javascript:alert(1)",
        "JAVASCRIPT:alert(1)",
        "data:text/html,x",
        "/a",
        "",
    ] {
        assert_eq!(
            fields(json!({"title": "t", "url": url})).await,
            ["url"],
            "{url}"
        );
    }
    let all = json!({"title": "", "url": "x", "text": "x".repeat(10_001)});
    assert_eq!(fields(all).await, ["text", "title", "url"]);

    let typed = json!({
        "title": " <script>alert('é')</script> & \u{1F600}",
        "url": "https://example.com/?q=<b>",
        "text": format!("  *as* it\nwas\ttyped {}", "é".repeat(9_900)),
    });
    let post = ann.post("/posts", typed.clone()).await.json();
    for field in ["title", "url", "text"] {
        assert_eq!(post[field], typed[field]);
    }
    let path = path_of(&post);
    assert_eq!(
        patch(&ann, &path, json!({"url": "javascript:x"}))
            .await
            .code(),
        "invalid"
    );
    assert_eq!(
        patch(&ann, &path, json!({"title": null})).await.status,
        200,
        "null leaves it"
    );
    let comments = format!("{path}/comments");
    for text in ["", " \n", &"x".repeat(4_001), "a\u{0}"] {
        assert_eq!(
            ann.post(&comments, json!({"text": text})).await.code(),
            "invalid",
            "{text:?}"
        );
    }
    assert_eq!(
        ann.post(&comments, json!({"text": "é".repeat(4_000)}))
            .await
            .status,
        201
    );
    let seen = ann.get(&path).await.json();
    assert_eq!(
        (&seen["post"]["title"], &seen["post"]["comment_count"]),
        (&typed["title"], &json!(1))
    );
}
