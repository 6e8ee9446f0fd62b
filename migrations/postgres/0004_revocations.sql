-- For PostgreSQL alone: tells every server what it must not keep in memory any longer, whoever
-- ends it. SQLite says by itself that another process has written.

-- What was told, for a server that has missed the notification.
create table revocations (
    -- Rows become visible in another order than they are numbered: a reader goes by this.
    xid xid8 not null default pg_current_xact_id(),
    number bigint generated always as identity primary key,
    -- The session's public id or its user's id; null for everything.
    whose uuid,
    revoked_at timestamptz not null default clock_timestamp()
);

create index revocations_by_xid on revocations (xid);
create index revocations_by_time on revocations (revoked_at);

-- Runs for an operator who may not write here, and whose search path may be another.
create function revoke_sessions(whose uuid[]) returns void
language plpgsql security definer set search_path from current as $$
begin
    -- More are not worth telling one by one.
    if cardinality(whose) > 100 then
        whose := array[null::uuid];
    end if;
    insert into revocations (whose) select unnest(whose);
    perform pg_notify('handstamp_revocations', coalesce(id::text, '')) from unnest(whose) as id;
end
$$;

revoke all on function revoke_sessions from public;

create function revoke_deleted_sessions() returns trigger
language plpgsql security definer set search_path from current as $$
begin
    -- Nobody keeps what has been over for long, as what is purged.
    perform revoke_sessions(array(
        select public_id from deleted where expiry_date > now() - interval '30 minutes' limit 101
    ));
    return null;
end
$$;

create function revoke_deleted_users() returns trigger
language plpgsql security definer set search_path from current as $$
begin
    perform revoke_sessions(array(select id from deleted limit 101));
    return null;
end
$$;

create function revoke_changed_session() returns trigger
language plpgsql security definer set search_path from current as $$
begin
    perform revoke_sessions(array[old.public_id]);
    return null;
end
$$;

create function revoke_changed_user() returns trigger
language plpgsql security definer set search_path from current as $$
begin
    perform revoke_sessions(array[old.id]);
    return null;
end
$$;

create function revoke_everything() returns trigger
language plpgsql security definer set search_path from current as $$
begin
    perform revoke_sessions(array[null::uuid]);
    return null;
end
$$;

create trigger revoke_deleted after delete on sessions
referencing old table as deleted
for each statement execute function revoke_deleted_sessions();

create trigger revoke_deleted after delete on users
referencing old table as deleted
for each statement execute function revoke_deleted_users();

create trigger revoke_truncated after truncate on sessions
for each statement execute function revoke_everything();

create trigger revoke_truncated after truncate on users
for each statement execute function revoke_everything();

-- A use moves `last_seen_at` forward, and that alone.
create trigger revoke_changed after update on sessions for each row
when (
    new.id <> old.id
    or new.public_id <> old.public_id
    or new.user_id is distinct from old.user_id
    or new.created_at <> old.created_at
    or new.last_seen_at < old.last_seen_at
)
execute function revoke_changed_session();

-- Not for a log-in or a new hash of the same password.
create trigger revoke_changed after update on users for each row
when (
    (new.id, new.username, new.email, new.created_at, new.disabled_at)
    is distinct from (old.id, old.username, old.email, old.created_at, old.disabled_at)
)
execute function revoke_changed_user();
