-- Wrong codes since the last right one, or since a recovery code or a passkey has logged the user in.
alter table totp_secrets add column failures bigint not null default 0;
