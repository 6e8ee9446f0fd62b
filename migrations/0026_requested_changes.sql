-- When what a link is for was requested: of one that takes a change of the address back, the change.
-- Null in rows of a version before this one.
alter table account_tokens add column requested_at timestamptz;
