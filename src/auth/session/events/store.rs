//! The SQL of why a session has ended.

use uuid::Uuid;

use crate::{
    clock::Timestamp,
    db::{Db, on_reader},
};

/// When the user was disabled, and the last event after the id `since` that has ended this session
/// of theirs, or is one of `ending_all`; none for a user who was deleted.
pub(super) async fn find_end(
    db: &Db,
    (user_id, public_id): (Uuid, Uuid),
    since: Uuid,
    ending_all: [&str; 5],
) -> sqlx::Result<Option<(Option<Timestamp>, Option<String>)>> {
    on_reader!(db, conn => sqlx::query_as(
        "select u.disabled_at,
                (select e.event from audit_events e
                 where e.user_id = $1 and e.id > $2 and e.outcome = 'success'
                     and (e.session_id = $3
                         or (e.session_id is null and e.event in ($4, $5, $6, $7, $8)))
                 order by e.id desc limit 1)
         from users u where u.id = $1",
    )
    .bind(user_id)
    .bind(since)
    .bind(public_id)
    .bind(ending_all[0])
    .bind(ending_all[1])
    .bind(ending_all[2])
    .bind(ending_all[3])
    .bind(ending_all[4])
    .fetch_optional(conn)
    .await)
}
