-- When the session's user last proved on it who they are. Null where a version that does not write
-- it has begun the session: then `created_at` counts. Visitors have none.
alter table sessions add column authenticated_at timestamptz;
