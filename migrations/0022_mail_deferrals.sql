-- How often the mail server has deferred a mail. Attempts that failed as the server was away do not
-- count: they say nothing of the mail.
alter table outbox add column deferrals bigint not null default 0;

-- Sign-ups that nobody has verified are found by their age.
create index users_by_unverified_sign_up on users (created_at) where pending_email is not null;
