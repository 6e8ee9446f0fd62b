-- Every statement here runs on SQLite and on PostgreSQL.

create table users (
    id uuid primary key not null,
    -- As typed; `username_key` is what makes two of them the same name.
    username text not null,
    username_key text not null unique,
    email text,
    email_key text unique,
    -- An argon2id PHC string; null for an account that has no password.
    password_hash text,
    created_at timestamptz not null,
    last_login_at timestamptz,
    disabled_at timestamptz
);

-- `id`, `data` and `expiry_date` are as tower-sessions-sqlx-store has them.
-- Being logged in hangs on `user_id` alone, which only log-in sets. It is no foreign key:
-- a session whose user is gone stays until it expires, to be answered as such.
create table sessions (
    id text primary key not null,
    data bytea not null,
    expiry_date timestamptz not null,
    public_id uuid not null unique,
    -- The id before the last change of it: who logs out with that one logs out this one.
    previous_id text,
    user_id uuid,
    created_at timestamptz not null,
    last_seen_at timestamptz not null,
    user_agent text,
    ip text
);

create index sessions_by_user on sessions (user_id, public_id);
create index sessions_by_previous_id on sessions (previous_id);
create index sessions_by_expiry on sessions (expiry_date);
