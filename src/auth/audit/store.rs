//! The SQL of audit events.

use uuid::Uuid;

use super::{AuditEvent, Event, Reason};
use crate::{
    clock::Timestamp,
    db::{Db, Tx, in_tx, on_reader},
};

/// Inserts an event.
pub(super) async fn insert(tx: &mut Tx, now: Timestamp, event: &Event) -> sqlx::Result<()> {
    in_tx!(tx, conn => sqlx::query(
        "insert into audit_events
             (id, happened_at, event, outcome, reason, user_id, session_id, ip, request_id)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(now.new_id())
    .bind(now)
    .bind(event.action.as_str())
    .bind(event.outcome())
    .bind(event.failure.map(Reason::as_str))
    .bind(event.user_id)
    .bind(event.session_id)
    .bind(event.ip.as_deref())
    .bind(event.request_id.as_deref())
    .execute(conn)
    .await
    .map(drop))
}

/// Up to `limit` events since `since`, oldest first, from the one after `after`; those of
/// `user_id` alone if there is one.
pub(crate) async fn list(
    db: &Db,
    user_id: Option<Uuid>,
    since: Timestamp,
    after: Uuid,
    limit: i64,
) -> sqlx::Result<Vec<AuditEvent>> {
    on_reader!(db, conn => match user_id {
        Some(user_id) => sqlx::query_as(
            "select e.id, e.happened_at, e.event, e.outcome, e.reason, e.user_id, u.username,
                    e.session_id, e.ip, e.request_id
             from audit_events e left join users u on u.id = e.user_id
             where e.user_id = $1 and e.id > $2 and e.happened_at >= $3
             order by e.id limit $4",
        )
        .bind(user_id)
        .bind(after)
        .bind(since)
        .bind(limit)
        .fetch_all(conn)
        .await,
        None => sqlx::query_as(
            "select e.id, e.happened_at, e.event, e.outcome, e.reason, e.user_id, u.username,
                    e.session_id, e.ip, e.request_id
             from audit_events e left join users u on u.id = e.user_id
             where e.id > $1 and e.happened_at >= $2
             order by e.id limit $3",
        )
        .bind(after)
        .bind(since)
        .bind(limit)
        .fetch_all(conn)
        .await,
    })
}

/// Removes up to `limit` events from before `before`; returns how many.
pub(crate) async fn purge(tx: &mut Tx, before: Timestamp, limit: i64) -> sqlx::Result<u64> {
    in_tx!(tx, conn => sqlx::query(
        "delete from audit_events where id in
             (select id from audit_events where happened_at < $1
              order by happened_at limit $2)",
    )
    .bind(before)
    .bind(limit)
    .execute(conn)
    .await
    .map(|done| done.rows_affected()))
}
