-- When the address was proved to be its owner's: a link that was sent there was opened. Null until
-- then.
alter table users add column email_verified_at timestamptz;
-- Where EMAIL_VERIFICATION is required: the address that a sign-up has named, until the link is opened.
-- Several accounts may name the same, so that nobody learns which addresses have accounts.
alter table users add column pending_email text;

-- Mails that wait to be sent; a sent one is deleted.
create table outbox (
    id uuid primary key not null,
    created_at timestamptz not null,
    -- A node that sends the mail first moves this forward, so that no other sends it meanwhile.
    next_attempt_at timestamptz not null,
    attempts bigint not null,
    -- What is to be sent to whom, encrypted with a key that is derived from SECRET_KEY.
    sealed bytea not null
);

create index outbox_by_next_attempt on outbox (next_attempt_at, id);

-- What the links of mails are good for. No foreign key: whoever deletes a user deletes these.
create table account_tokens (
    -- SHA-256 of the token, which is nowhere but in the mail.
    hash bytea primary key not null,
    purpose text not null,
    user_id uuid not null,
    -- The address that the link was sent to.
    email text not null,
    -- The row of the outbox that it was sent from.
    mail_id uuid not null,
    created_at timestamptz not null,
    expires_at timestamptz not null
);

create index account_tokens_by_user on account_tokens (user_id, purpose);
create index account_tokens_by_expiry on account_tokens (expires_at);
