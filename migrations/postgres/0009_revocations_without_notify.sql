-- For PostgreSQL alone. A notification takes a lock on the whole database until its transaction
-- is committed, so that log-outs commit one by one; nodes read the log often enough without.
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
    -- More are not worth logging one by one.
    if pg_catalog.cardinality(whose) > 100 then
        whose := array[null::pg_catalog.uuid];
    end if;
    insert into HOME.revocations (whose) select pg_catalog.unnest(whose);
end
$$;

-- Rows are trimmed by `xid`.
drop index HOME.revocations_by_time;

    $functions$, 'HOME', home);
end
$migration$;
