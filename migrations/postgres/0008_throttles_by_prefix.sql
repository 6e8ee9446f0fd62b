-- For ranges of keys whatever the language of the database, which sorts letters its own way.
create index throttles_by_prefix on throttles (key text_pattern_ops);
