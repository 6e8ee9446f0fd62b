-- For PostgreSQL alone: tells also of a proof that was not made by a login or a re-authentication,
-- as when an operator takes it back, and of a password that an account gets or loses.
drop trigger revoke_changed on sessions;

-- A use moves `last_seen_at` forward and `expiry_date` not back, and those alone.
create trigger revoke_changed after update on sessions for each row
when (
    new.id <> old.id
    or new.public_id <> old.public_id
    or new.user_id is distinct from old.user_id
    or new.created_at <> old.created_at
    or new.authenticated_at is distinct from old.authenticated_at
    or new.last_seen_at < old.last_seen_at
    or new.expiry_date < old.expiry_date
    or (new.last_seen_at = old.last_seen_at and new.expiry_date <> old.expiry_date)
)
execute function revoke_changed_session();

drop trigger revoke_changed on users;

-- Not for a log-in or a new hash of the same password.
create trigger revoke_changed after update on users for each row
when (
    (new.id, new.username, new.email, new.created_at, new.disabled_at, new.password_hash is null)
    is distinct from
    (old.id, old.username, old.email, old.created_at, old.disabled_at, old.password_hash is null)
)
execute function revoke_changed_user();
