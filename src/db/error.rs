//! What a database error means for a request.

use sqlx::error::DatabaseError;

/// SQLSTATE classes of PostgreSQL (appendix A of its manual): connection, resources, operator
/// intervention, system error.
const POSTGRES_UNAVAILABLE: [&str; 4] = ["08", "53", "57", "58"];
/// Serialization failure, deadlock, lock not available, read-only transaction, and a schema that
/// is not there (undefined table, column, schema): migrated elsewhere, or not yet.
const POSTGRES_NOT_NOW: [&str; 7] = [
    "40001", "40P01", "55P03", "25006", "42P01", "42703", "3F000",
];
/// Primary result codes of SQLite: BUSY, LOCKED, NOMEM, READONLY, INTERRUPT, IOERR, CORRUPT, FULL,
/// CANTOPEN, PROTOCOL, SCHEMA, NOTADB.
const SQLITE_UNAVAILABLE: [u32; 12] = [5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 17, 26];
/// SQLite's message, under its generic code, for a missing table.
const SQLITE_NO_SCHEMA: [&str; 2] = ["no such table", "no such column"];

/// Whether the database is unreachable or cannot work right now; otherwise the statement or its
/// parameters are at fault.
pub(crate) fn is_unavailable(error: &sqlx::Error) -> bool {
    use sqlx::Error as E;
    match error {
        E::Io(_)
        | E::Tls(_)
        | E::Protocol(_)
        | E::PoolTimedOut
        | E::PoolClosed
        | E::WorkerCrashed
        | E::BeginFailed => true,
        E::Database(error) => is_database_unavailable(&**error),
        _ => false,
    }
}

/// Whether another transaction was in the way, so that a second try may succeed: serialization
/// failure, deadlock.
pub(crate) fn is_conflict(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(DatabaseError::code);
    matches!(code.as_deref(), Some("40001" | "40P01"))
}

fn is_database_unavailable(error: &dyn DatabaseError) -> bool {
    let Some(code) = error.code() else {
        return true;
    };
    // SQLSTATEs have five characters, SQLite's codes are numbers that are smaller.
    if code.len() == 5 {
        return code
            .get(..2)
            .is_some_and(|class| POSTGRES_UNAVAILABLE.contains(&class))
            || POSTGRES_NOT_NOW.contains(&&*code);
    }
    let primary = code.parse::<u32>().map_or(0, |code| code & 0xff);
    SQLITE_UNAVAILABLE.contains(&primary)
        || SQLITE_NO_SCHEMA
            .iter()
            .any(|what| error.message().starts_with(what))
}
