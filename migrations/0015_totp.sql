-- When codes of an authenticator app were turned on as a second factor; null where they are not.
alter table users add column totp_since timestamptz;

-- What the codes are made from. A user has one that is confirmed, at most, and one that is not.
create table totp_secrets (
    id uuid primary key not null,
    user_id uuid not null references users (id) on delete cascade,
    -- Encrypted with a key that is derived from SECRET_KEY.
    sealed bytea not null,
    created_at timestamptz not null,
    -- Null until its user has shown that their app makes the right codes.
    confirmed_at timestamptz,
    -- The step of the last code that was used: no code of this step or before counts.
    last_step bigint not null
);

create index totp_secrets_by_user on totp_secrets (user_id);

-- Codes for who has lost their authenticator app; one that was used is deleted.
create table recovery_codes (
    -- SHA-256 of the code, which is 120 random bits: nobody can try them all.
    hash bytea primary key not null,
    user_id uuid not null references users (id) on delete cascade,
    created_at timestamptz not null
);

create index recovery_codes_by_user on recovery_codes (user_id);

-- Logins whose password was right and whose code is yet to come. The session is a visitor's: it logs
-- nobody in.
create table half_logins (
    session_id uuid primary key not null,
    user_id uuid not null references users (id) on delete cascade,
    created_at timestamptz not null,
    expires_at timestamptz not null
);

create index half_logins_by_user on half_logins (user_id);
create index half_logins_by_expiry on half_logins (expires_at);
