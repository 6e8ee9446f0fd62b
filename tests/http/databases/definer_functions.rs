//! PostgreSQL runs no code but the owner's with the rights of the tables' owner.

use sqlx::{Connection, PgConnection};

use crate::{
    helpers::{Database, Kind, Server},
    sessions::freshness::{add_ann, log_in, reason_of_the_end, warm_up},
};

/// A server whose tables are in this schema, and the URL of a role that may delete sessions
/// there and nothing else.
async fn start_with_deleter(schema: &str) -> (Server, String) {
    let database = Database::new(Kind::Postgres).await;
    let name = database
        .text("select current_database()::text")
        .await
        .unwrap();
    database
        .execute(&format!("create schema if not exists {schema}"))
        .await;
    let url = format!("{}&options[search_path]={schema}", database.url);
    let role = format!("deleter_{name}_{schema}");
    let url_of_role = url.replace("postgres://postgres@", &format!("postgres://{role}@"));
    assert_ne!(url, url_of_role);
    let server = Server::start_on(Database::at(&url), &[("PASSWORDLESS_LOGIN", "on")]).await;
    for sql in [
        format!("create role {role} login"),
        format!("grant usage on schema {schema} to {role}"),
        format!("grant select, delete on {schema}.sessions to {role}"),
        format!("create table {schema}.proof (ran_as text)"),
    ] {
        server.database.execute(&sql).await;
    }
    (server, url_of_role)
}

async fn run(conn: &mut PgConnection, sql: &str) -> sqlx::Result<()> {
    sqlx::raw_sql(sql).execute(conn).await.map(drop)
}

/// A temporary table comes first where `search_path` does not say otherwise, and its defaults run
/// with the rights of the role that inserts.
#[tokio::test(flavor = "multi_thread")]
async fn who_may_delete_sessions_runs_nothing_as_the_owner() {
    for schema in ["public", "another"] {
        let (server, url) = start_with_deleter(schema).await;
        add_ann(&server).await;
        let browser = server.browser();
        let cookie = log_in(&browser).await;
        warm_up(&browser, &cookie).await;
        let mut deleter = PgConnection::connect(&url).await.unwrap();
        let trap = format!(
            "create function pg_temp.trap() returns timestamptz language plpgsql as $$
             begin
                 insert into {schema}.proof values (current_user);
                 return now();
             end
             $$;
             create temp table revocations (
                 whose uuid, revoked_at timestamptz default pg_temp.trap()
             );
             create temp table sessions (public_id uuid, expiry_date timestamptz);
             grant all on revocations, sessions to public;"
        );
        run(&mut deleter, &trap).await.unwrap();
        let delete = format!("delete from {schema}.sessions");
        run(&mut deleter, &delete).await.unwrap();
        let proof = format!("{schema}.proof");
        assert_eq!(server.database.count(&proof).await, 0, "ran as the owner");
        let reason = reason_of_the_end(&browser, &cookie).await;
        assert_eq!(reason, "unknown_session", "and the node invalidates it");
        let told = format!("{schema}.revocations");
        assert_eq!(server.database.count(&told).await, 1);
    }
}

/// Values of the caller's own types would be converted by the caller's code.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_calls_the_owners_functions_from_a_table_of_their_own() {
    let (_server, url) = start_with_deleter("public").await;
    let mut deleter = PgConnection::connect(&url).await.unwrap();
    let table = "create temp table mine (public_id uuid, expiry_date timestamptz, id uuid)";
    run(&mut deleter, table).await.unwrap();
    for function in [
        "revoke_deleted_sessions",
        "revoke_deleted_users",
        "revoke_changed_session",
        "revoke_changed_user",
        "revoke_everything",
    ] {
        let trigger = format!(
            "create trigger {function} after delete on mine
             for each statement execute function public.{function}()"
        );
        let refused = run(&mut deleter, &trigger).await.unwrap_err();
        let code = refused.as_database_error().and_then(|error| error.code());
        assert_eq!(code.as_deref(), Some("42501"), "{function}: {refused}");
    }
    let call = "select public.revoke_sessions(array[null::uuid])";
    assert!(run(&mut deleter, call).await.is_err());
}
