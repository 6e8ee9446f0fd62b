-- For PostgreSQL alone: tells also of a session that was bound to a device, so that no node goes on
-- taking its cookie alone. An answered challenge is not told.
create trigger revoke_unbound after update on sessions for each row
when (new.device_bound_at is distinct from old.device_bound_at)
execute function revoke_changed_session();
