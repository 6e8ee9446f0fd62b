//! Sample news from the command line.

use super::{
    Failure,
    database::{Needs, open},
    terminal::say,
};
use crate::{
    Clock, Db,
    news::{Loaded, load_demo},
    server::settings::{CommandName, Config, Variables},
};

/// Loads the sample news and says what was added.
pub async fn demo(variables: &Variables) -> Result<(), Failure> {
    let config = Config::for_command(variables, CommandName::Demo)?;
    refuse_in_production(&config)?;
    let needs = Needs {
        file: false,
        news: true,
    };
    let db = open(&config, needs).await?;
    let loaded = load(&config, &db).await;
    db.close().await;
    let Loaded {
        users,
        posts,
        comments,
    } = loaded?;
    say(&format!(
        "added {posts} posts, {comments} comments and {users} users"
    ))
}

/// Loads the sample news.
pub(crate) async fn load(config: &Config, db: &Db) -> Result<Loaded, Failure> {
    let clock = Clock::system();
    let accounts = config
        .accounts(db.clone(), clock.clone())
        .map_err(Failure::other)?;
    Ok(load_demo(db, &accounts, &clock).await?)
}

/// Its users log in by name alone.
pub(crate) fn refuse_in_production(config: &Config) -> Result<(), Failure> {
    if config.is_production() {
        let mistake = "APP_ENV: sample news is not for production".to_owned();
        return Err(Failure::Mistakes(vec![mistake]));
    }
    Ok(())
}
