-- For PostgreSQL alone: tells also of a session that was bound to a device, so that no node goes on
-- taking its cookie alone. An answered challenge is not told.
drop trigger revoke_changed on sessions;

-- A use moves `last_seen_at` forward and `expiry_date` not back, and those alone.
create trigger revoke_changed after update on sessions for each row
when (
    new.id <> old.id
    or new.public_id <> old.public_id
    or new.user_id is distinct from old.user_id
    or new.created_at <> old.created_at
    or new.authenticated_at is distinct from old.authenticated_at
    or new.device_bound_at is distinct from old.device_bound_at
    or new.last_seen_at < old.last_seen_at
    or new.expiry_date < old.expiry_date
    or (
        new.last_seen_at = old.last_seen_at
        and new.expiry_date <> old.expiry_date
    )
)
execute function revoke_changed_session();
