//! The rows that are read to find sessions, and their SQL.

use std::sync::LazyLock;

use sqlx::FromRow;
use tower_sessions::session::Id;
use uuid::Uuid;

use crate::{
    auth::session::{proof::Proof, timeouts::Written},
    clock::Timestamp,
    db::{Db, on_reader, on_small_reader},
};

/// Rows in one query, which has as many parameters.
pub(crate) const MAX_BATCH: usize = 16;

/// A session with its user.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct SessionRow {
    /// The secret one.
    pub id: String,
    pub public_id: Uuid,
    pub session_created_at: Timestamp,
    /// None for a visitor, and in rows of a version that did not write it.
    pub authenticated_at: Option<Timestamp>,
    pub last_seen_at: Timestamp,
    pub expiry_date: Timestamp,
    pub expires_at_latest: Option<Timestamp>,
    pub key_id: Option<String>,
    /// None when it is bound to no device.
    pub device_bound_at: Option<Timestamp>,
    /// None for a visitor.
    pub user_id: Option<Uuid>,
    /// This and what follows are none for a deleted or disabled user, too.
    pub username: Option<String>,
    pub email: Option<String>,
    pub email_verified: bool,
    pub created_at: Option<Timestamp>,
    pub has_password: bool,
    pub has_passkey: bool,
    pub has_usable_passkey: bool,
    pub has_totp: bool,
    pub second_factor_at: Option<Timestamp>,
}

impl SessionRow {
    pub fn written(&self) -> Written {
        Written {
            created_at: self.session_created_at,
            last_seen_at: self.last_seen_at,
            expiry_date: self.expiry_date,
            expires_at_latest: self.expires_at_latest,
        }
    }

    pub fn proof(&self) -> Proof {
        Proof {
            authenticated_at: self.authenticated_at.unwrap_or(self.session_created_at),
            has_password: self.has_password,
            has_passkey: self.has_passkey,
            has_usable_passkey: self.has_usable_passkey,
            has_totp: self.has_totp,
            second_factor_at: self.second_factor_at,
        }
    }
}

/// Where `$domain` is the domain whose passkeys can be used; null where none can.
macro_rules! select_where_public_id {
    ($condition:literal, $domain:literal) => {
        concat!(
            "select s.id, s.public_id, s.created_at as session_created_at, s.authenticated_at,
                    s.last_seen_at, s.expiry_date, s.expires_at_latest, s.key_id, s.device_bound_at,
                    s.user_id, u.username, u.email,
                    u.email_verified_at is not null as email_verified, u.created_at,
                    u.password_hash is not null as has_password,
                    coalesce(u.passkey_count, 0) > 0 as has_passkey,
                    coalesce(u.passkey_count, 0) > 0 and ",
            $domain,
            " is not null and exists
                        (select 1 from passkeys p where p.user_id = u.id
                         and (p.rp_id is null or p.rp_id = ",
            $domain,
            ")) as has_usable_passkey,
                    u.totp_since is not null as has_totp, s.second_factor_at
             from sessions s
             left join users u on u.id = s.user_id and u.disabled_at is null
             where s.public_id ",
            $condition
        )
    };
}

/// Sessions in one query that reads all that are followed.
pub(crate) const MAX_SWEEP: usize = 256;

const ONE: &str = select_where_public_id!("= $1", "$2");
const SEVERAL: &str = select_where_public_id!(
    "in ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
    "$17"
);

static MANY: LazyLock<String> = LazyLock::new(|| {
    let parameters: Vec<String> = (1..=MAX_SWEEP).map(|number| format!("${number}")).collect();
    format!(
        "{}({})",
        select_where_public_id!("in ", "$257"),
        parameters.join(", ")
    )
});

/// The row of a session, on a site with the passkeys of `domain`, if with any.
pub(crate) async fn find(
    db: &Db,
    public_id: Uuid,
    domain: Option<&str>,
) -> sqlx::Result<Option<SessionRow>> {
    on_small_reader!(db, conn => sqlx::query_as(ONE)
        .bind(public_id)
        .bind(domain)
        .fetch_optional(conn)
        .await)
}

/// The rows of up to [`MAX_BATCH`] sessions. The first ids are bound again where there are
/// fewer than parameters, so that one prepared statement serves every number of them.
pub(crate) async fn find_several(
    db: &Db,
    public_ids: &[Uuid],
    domain: Option<&str>,
) -> sqlx::Result<Vec<SessionRow>> {
    on_small_reader!(db, conn => {
        let mut query = sqlx::query_as(SEVERAL);
        for public_id in public_ids.iter().cycle().take(MAX_BATCH) {
            query = query.bind(*public_id);
        }
        query.bind(domain).fetch_all(conn).await
    })
}

/// The rows of up to [`MAX_SWEEP`] sessions, likewise.
pub(crate) async fn find_many(
    db: &Db,
    public_ids: &[Uuid],
    domain: Option<&str>,
) -> sqlx::Result<Vec<SessionRow>> {
    on_reader!(db, conn => {
        let mut query = sqlx::query_as(&MANY);
        for public_id in public_ids.iter().cycle().take(MAX_SWEEP) {
            query = query.bind(*public_id);
        }
        query.bind(domain).fetch_all(conn).await
    })
}

/// The public id of a session, by its secret one.
pub(crate) async fn find_public_id(db: &Db, id: Id) -> sqlx::Result<Option<Uuid>> {
    on_small_reader!(db, conn => sqlx::query_scalar(
        "select public_id from sessions where id = $1",
    )
    .bind(id.to_string())
    .fetch_optional(conn)
    .await)
}
