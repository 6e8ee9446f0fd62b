-- The device that a session is bound to, if it is: the public key that its browser has registered, as an
-- uncompressed point. In the session's row, so that no end of a session can forget it.
alter table sessions add column device_key bytea;
alter table sessions add column device_bound_at timestamptz;
-- The newest challenge that the device has answered, by its time in microseconds since 1970: those
-- before it no longer count.
alter table sessions add column device_answered bigint;
