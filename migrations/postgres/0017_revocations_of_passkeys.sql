-- For PostgreSQL alone: tells also of an account that gets its first passkey or loses its last.
drop trigger revoke_changed on users;

-- Not for a log-in or a new hash of the same password.
create trigger revoke_changed after update on users for each row
when (
    (
        new.id, new.username, new.email, new.email_verified_at is null, new.created_at,
        new.disabled_at, new.password_hash is null, new.passkey_count = 0
    )
    is distinct from
    (
        old.id, old.username, old.email, old.email_verified_at is null, old.created_at,
        old.disabled_at, old.password_hash is null, old.passkey_count = 0
    )
)
execute function revoke_changed_user();
