//! The SQL of why a session has ended.

use uuid::Uuid;

use crate::{
    clock::Timestamp,
    db::{Db, on_reader},
};

/// A session that has ended, as it was last read.
pub(super) struct Ended {
    pub user_id: Uuid,
    pub public_id: Uuid,
    pub authenticated_at: Timestamp,
}

/// When the user was disabled, and the event after the id `since` that has ended the session: one
/// that names it, else the last one of `ending_all` or of an operator who has ended every session.
/// None for a user who was deleted.
///
/// A change of the password at `authenticated_at` was made on this very session, which it keeps.
pub(super) async fn find_end(
    db: &Db,
    ended: Ended,
    since: Uuid,
    ending_all: [&str; 5],
) -> sqlx::Result<Option<(Option<Timestamp>, Option<String>)>> {
    on_reader!(db, conn => sqlx::query_as(
        "select u.disabled_at,
                (select e.event from (
                     select * from (
                         select id, event, session_id from audit_events
                         where user_id = $1 and id > $2 and outcome = 'success'
                             and (session_id = $3
                                 or (session_id is null and event in ($4, $5, $6, $7, $8)
                                     and not (event = 'change_password' and happened_at = $9)))
                         order by session_id is null, id desc limit 1) as of_user
                     union all
                     select * from (
                         select id, event, session_id from audit_events
                         where user_id is null and id > $2 and outcome = 'success'
                             and event = 'end_all_sessions'
                         order by id desc limit 1) as of_everybody) as e
                 order by e.session_id is null, e.id desc limit 1)
         from users u where u.id = $1",
    )
    .bind(ended.user_id)
    .bind(since)
    .bind(ended.public_id)
    .bind(ending_all[0])
    .bind(ending_all[1])
    .bind(ending_all[2])
    .bind(ending_all[3])
    .bind(ending_all[4])
    .bind(ended.authenticated_at)
    .fetch_optional(conn)
    .await)
}
