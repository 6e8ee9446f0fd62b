-- Attempts that are counted so that guessing gets slow; outlives a restart, shared by every
-- server on the database.
create table throttles (
    -- What is counted and of whom, as gate/throttle.rs writes it.
    key text primary key not null,
    count bigint not null,
    -- The window that the count belongs to starts here.
    window_from timestamptz not null,
    -- Before this moment every attempt is refused.
    blocked_until timestamptz,
    -- From this moment on the row says nothing any more.
    expires_at timestamptz not null
);

create index throttles_by_expiry on throttles (expires_at);

-- What happened to accounts and sessions, for an operator to read. No foreign key: the
-- events of a user outlive them.
create table audit_events (
    id uuid primary key not null,
    happened_at timestamptz not null,
    event text not null,
    outcome text not null,
    reason text,
    user_id uuid,
    ip text,
    request_id text
);

create index audit_events_by_time on audit_events (happened_at);
create index audit_events_by_user on audit_events (user_id, id);

-- Names the key that signed the session's cookie last, without giving it away.
alter table sessions add column key_id text;
