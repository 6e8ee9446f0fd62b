-- When a session expires at the latest, however much it is used; null where its timeouts alone say so.
alter table sessions add column expires_at_latest timestamptz;
