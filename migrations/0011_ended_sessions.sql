-- The public id of the one session that an event has ended; null for other events, and where all of
-- a user's sessions have ended.
alter table audit_events add column session_id uuid;
