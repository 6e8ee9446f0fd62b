-- For PostgreSQL alone: tells also of a second factor that was given on a session, or turned on or off
-- by its user.
create trigger revoke_second_factor after update on sessions for each row
when (new.second_factor_at is distinct from old.second_factor_at)
execute function revoke_changed_session();

create trigger revoke_second_factor after update on users for each row
when ((new.totp_since is null) <> (old.totp_since is null))
execute function revoke_changed_user();
