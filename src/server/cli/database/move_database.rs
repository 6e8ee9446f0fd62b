//! Moves everything to another database.

use std::io;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{Needs, connect, migrate_news, open, unmigrated, unopened};
use crate::{
    db::{
        DatabaseUrl, TABLES,
        copy::{self, Copied, Step, TargetState},
        create, refuse_open,
    },
    news,
    server::{
        cli::{failure::Failure, terminal::say},
        settings::{CommandName, Config, Variables, without_password},
    },
};

/// Copies everything from `DATABASE_URL` to the database at `to`, and compares the two.
pub async fn move_database(to: &str, variables: &Variables) -> Result<(), Failure> {
    let config = Config::for_command(variables, CommandName::Database)?;
    let target = to
        .parse()
        .map_err(|error| Failure::Mistakes(vec![format!("--to: {error}")]))?;
    let moved = run(&config, &target).await;
    moved.map_err(|failure| failure.map(|text| without_password(to, text)))
}

async fn run(config: &Config, target: &DatabaseUrl) -> Result<(), Failure> {
    let source = &config.database_url;
    super::refuse_missing_file(source)?;
    for url in [source, target] {
        if let Some(wrong) = copy::wrong_schema(url).await.map_err(unopened(url))? {
            return Err(Failure::other(format!("{url}: {wrong}")));
        }
    }
    let is_same = copy::is_same(source, target).await;
    if is_same.map_err(|error| Failure::other(format!("the move did not begin: {error}")))? {
        let mistake = format!("--to: {target} is the database to move");
        return Err(Failure::Mistakes(vec![mistake]));
    }
    // Before a file is opened here: to close it again would drop every lock of this process.
    for url in [source, target] {
        refuse_served(url)?;
    }
    let state = copy::target_state(target).await.map_err(unopened(target))?;
    if let TargetState::HoldsRows(table) = state {
        return Err(Failure::other(format!(
            "{target} holds rows (in {table}); nothing was changed"
        )));
    }
    let has_news = migrate_source(config).await?;
    migrate_target(target, has_news).await?;
    let mut tables = TABLES.to_vec();
    if has_news {
        tables.extend(news::TABLES);
    }
    if state == TargetState::Unfinished {
        say("continuing a move that was interrupted")?;
    }
    let copied = copy_with_bar(source, target, &tables).await?;
    for Copied { table, checksum } in &copied {
        say(&format!(
            "{table:<13}  {:>10} rows  {checksum}",
            checksum.rows
        ))?;
    }
    let left = copy::other_tables(source, &tables).await;
    let left = left.map_err(unopened(source))?;
    if !left.is_empty() {
        say(&format!(
            "not handstamp's, and not copied: {}",
            left.join(", ")
        ))?;
    }
    say(&format!(
        "moved {source} to {target}; every row was compared. Set DATABASE_URL to the new one and \
         start the servers"
    ))
}

/// A server that has a SQLite file open would write what is lost, or miss what is moved. Of those
/// on PostgreSQL nobody knows.
fn refuse_served(url: &DatabaseUrl) -> Result<(), Failure> {
    match url {
        DatabaseUrl::Sqlite(file) => refuse_open(file.get_filename())
            .map_err(|error| Failure::other(format!("{url} is in use: {error}"))),
        DatabaseUrl::Postgres(_) => Ok(()),
    }
}

/// Brings the source up to date; true when it has the news, whether they are served or not.
async fn migrate_source(config: &Config) -> Result<bool, Failure> {
    let needs = Needs {
        file: false,
        news: false,
    };
    let db = open(config, needs).await?;
    let has_news = migrate_news(&db, &config.database_url).await;
    db.close().await;
    has_news
}

/// Gives the target the same tables.
async fn migrate_target(target: &DatabaseUrl, has_news: bool) -> Result<(), Failure> {
    if let DatabaseUrl::Sqlite(file) = target {
        match create(file.get_filename()) {
            // Said better below.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            created => created.map_err(|error| unopened(target)(error.into()))?,
        }
    }
    let db = connect(target, "--to").await?;
    db.migrate_target().await.map_err(unmigrated(target))?;
    if has_news {
        news::migrate(&db).await.map_err(unmigrated(target))?;
    }
    db.close().await;
    Ok(())
}

async fn copy_with_bar(
    source: &DatabaseUrl,
    target: &DatabaseUrl,
    tables: &[&str],
) -> Result<Vec<Copied>, Failure> {
    // It draws nothing where standard error is no terminal.
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template(
        "{bar:40} {percent:>3}%  {human_pos} of {human_len} rows read and compared  {eta} left",
    );
    bar.set_style(style.map_err(Failure::other)?);
    let mut report = |step| match step {
        Step::Begin { rows } => {
            bar.set_length(2 * rows);
            bar.set_position(0);
        }
        Step::Row => bar.inc(1),
        Step::StartOver => {
            bar.suspend(|| {
                tracing::warn!(
                    "the source was changed since the move was interrupted: starting over"
                );
            });
        }
    };
    let copied = copy::copy(source, target, tables, &mut report).await;
    bar.finish_and_clear();
    copied.map_err(|error| {
        let again = match error.is_passing() {
            true => "; run it again to continue",
            false => "",
        };
        Failure::other(format!("the move stopped: {error}{again}"))
    })
}
