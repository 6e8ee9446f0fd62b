-- When the user of a session last gave a second factor on it; null when they have not.
alter table sessions add column second_factor_at timestamptz;
