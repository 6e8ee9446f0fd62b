-- How many passkeys an account has; read where its credentials are, so that nobody waits for a count.
alter table users add column passkey_count bigint not null default 0;

create table passkeys (
    -- As the authenticator has chosen it.
    id bytea primary key not null,
    user_id uuid not null references users (id) on delete cascade,
    name text not null,
    -- The public key and what else its next use is checked against, as JSON.
    credential text not null,
    -- Whether it is kept in more than one place, as the authenticator says.
    backed_up boolean not null,
    created_at timestamptz not null,
    last_used_at timestamptz
);

create index passkeys_by_user on passkeys (user_id, created_at);

-- What an authenticator is asked to sign. Each is good for one attempt.
create table passkey_challenges (
    challenge bytea primary key not null,
    -- What it was asked for.
    purpose text not null,
    -- SHA-256 of what names the browser that has asked.
    asked_by bytea not null,
    -- What its response is checked against, as JSON.
    state text not null,
    expires_at timestamptz not null
);

create index passkey_challenges_by_browser on passkey_challenges (asked_by, purpose);
create index passkey_challenges_by_expiry on passkey_challenges (expires_at);
