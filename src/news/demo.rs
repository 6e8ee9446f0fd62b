//! The sample news.

use std::{sync::Arc, time::Duration};

use serde::Deserialize;

use super::{
    comments::{self, Comment},
    posts::{self, NewPost},
    votes,
};
use crate::{
    auth::{Accounts, Application, User},
    clock::{Clock, Timestamp},
    db::{Db, Tx},
    http::Error,
};

const SAMPLES: &str = include_str!("demo.json");

#[derive(Deserialize)]
struct Samples {
    users: Vec<String>,
    posts: Vec<SamplePost>,
}

#[derive(Deserialize)]
struct SamplePost {
    title: String,
    url: Option<String>,
    text: Option<String>,
    author: String,
    hours_ago: u64,
    voters: Vec<String>,
    comments: Vec<SampleComment>,
}

#[derive(Deserialize)]
struct SampleComment {
    author: String,
    /// How long after the post.
    minutes_later: u64,
    text: String,
}

/// What was added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Loaded {
    /// Accounts that were not there yet.
    pub users: usize,
    /// Posts that were not there yet.
    pub posts: usize,
    /// The comments on them.
    pub comments: usize,
}

/// Adds the sample users, posts, comments and votes that are not there yet. The users have
/// no passwords: they log in where `PASSWORDLESS_LOGIN` is on.
///
/// # Errors
/// When the database is not available; a post is added whole or not at all.
pub async fn load_demo(db: &Db, accounts: &Accounts, clock: &Clock) -> Result<Loaded, Error> {
    let samples: Samples = serde_json::from_str(SAMPLES).map_err(Error::internal)?;
    let mut loaded = Loaded::default();
    let mut users = Vec::new();
    for name in samples.users {
        let (user, is_new) = find_or_add(accounts, name).await?;
        users.push(user);
        loaded.users += usize::from(is_new);
    }
    let users = Arc::new(users);
    for post in samples.posts {
        let comments = post.comments.len();
        let add = (users.clone(), post, clock.now());
        let added = db.write(add, |(users, post, now), tx| {
            Box::pin(add_post(tx, users, post, *now))
        });
        if added.await? {
            loaded.posts += 1;
            loaded.comments += comments;
        }
    }
    Ok(loaded)
}

async fn find_or_add(accounts: &Accounts, name: String) -> Result<(User, bool), Error> {
    if let Some(account) = accounts.find_by_username(&name).await? {
        return Ok((account.user, false));
    }
    let email = Some(format!("{}@example.com", name.to_lowercase()));
    let user = accounts.add(Application::new(name).email(email)).await?;
    Ok((user, true))
}

/// Adds a post with its comments and votes; false when it is there already.
async fn add_post(
    tx: &mut Tx,
    users: &[User],
    sample: &SamplePost,
    now: Timestamp,
) -> Result<bool, Error> {
    let created_at = now.before(Duration::from_secs(sample.hours_ago * 60 * 60));
    let author = named(users, &sample.author)?;
    if posts::store::is_there(tx, author, &sample.title).await? {
        return Ok(false);
    }
    let post = NewPost {
        id: created_at.new_id(),
        author,
        title: &sample.title,
        url: sample.url.as_deref(),
        text: sample.text.as_deref(),
        created_at,
    };
    posts::store::insert(tx, &post).await?;
    for sample in &sample.comments {
        let author = named(users, &sample.author)?;
        let created_at = created_at.after(Duration::from_secs(sample.minutes_later * 60));
        let comment = Comment {
            id: created_at.new_id(),
            text: sample.text.clone(),
            author: author.username.clone(),
            created_at,
        };
        comments::store::insert(tx, post.id, author, &comment).await?;
    }
    for voter in &sample.voters {
        let voter = named(users, voter)?;
        if votes::store::insert(tx, post.id, voter.id).await? {
            votes::store::count(tx, post.id, 1).await?;
        }
    }
    Ok(true)
}

fn named<'a>(users: &'a [User], name: &str) -> Result<&'a User, Error> {
    let found = users
        .iter()
        .find(|user| user.username.eq_ignore_ascii_case(name));
    found.ok_or_else(|| Error::internal(format!("the samples have no user {name}")))
}
