-- For PostgreSQL alone. A temporary table of the caller's came before ours in these functions,
-- which run as the owner: its defaults, and what converts values of types of the caller's own,
-- ran as the owner, too. So every name has its schema, whichever that is, temporary tables come
-- last, and nobody but the owner makes triggers of the functions.
do $migration$
declare
    home text := (
        select relnamespace::regnamespace::text from pg_class where oid = 'revocations'::regclass
    );
begin
    execute replace($functions$

create or replace function HOME.revoke_sessions(whose uuid[]) returns void
language plpgsql security definer set search_path = HOME, pg_temp as $$
begin
    -- More are not worth telling one by one.
    if pg_catalog.cardinality(whose) > 100 then
        whose := array[null::pg_catalog.uuid];
    end if;
    insert into HOME.revocations (whose) select pg_catalog.unnest(whose);
    perform pg_catalog.pg_notify('handstamp_revocations', coalesce(id::text, ''))
    from pg_catalog.unnest(whose) as id;
end
$$;

create or replace function HOME.revoke_deleted_sessions() returns trigger
language plpgsql security definer set search_path = HOME, pg_temp as $$
begin
    -- Nobody keeps what has been over for long, as what is purged.
    perform HOME.revoke_sessions(array(
        select public_id from deleted
        where expiry_date > pg_catalog.now() - interval '30 minutes' limit 101
    ));
    return null;
end
$$;

create or replace function HOME.revoke_deleted_users() returns trigger
language plpgsql security definer set search_path = HOME, pg_temp as $$
begin
    perform HOME.revoke_sessions(array(select id from deleted limit 101));
    return null;
end
$$;

create or replace function HOME.revoke_changed_session() returns trigger
language plpgsql security definer set search_path = HOME, pg_temp as $$
begin
    perform HOME.revoke_sessions(array[old.public_id]);
    return null;
end
$$;

create or replace function HOME.revoke_changed_user() returns trigger
language plpgsql security definer set search_path = HOME, pg_temp as $$
begin
    perform HOME.revoke_sessions(array[old.id]);
    return null;
end
$$;

create or replace function HOME.revoke_everything() returns trigger
language plpgsql security definer set search_path = HOME, pg_temp as $$
begin
    perform HOME.revoke_sessions(array[null::pg_catalog.uuid]);
    return null;
end
$$;

-- Not asked for when the triggers run.
revoke all on function
    HOME.revoke_sessions,
    HOME.revoke_deleted_sessions,
    HOME.revoke_deleted_users,
    HOME.revoke_changed_session,
    HOME.revoke_changed_user,
    HOME.revoke_everything
from public;

    $functions$, 'HOME', home);
end
$migration$;
