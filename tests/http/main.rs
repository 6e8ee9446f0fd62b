//! The whole suite: a real server on a free port with a database of its own, for each test,
//! on SQLite and on PostgreSQL.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod helpers;

mod accounts;
mod answers;
mod audit;
mod client_disconnects;
mod command_line;
mod commands;
mod conformance;
mod database_down;
mod debug_output;
mod definer_functions;
mod durability;
mod embed;
mod expiry_dates;
mod fair_share;
mod files;
mod free_reads_per_address;
mod freshness;
mod freshness_under_load;
mod full_disk;
mod hardening;
mod hosts;
mod keys;
mod logout_wins;
mod logs;
mod lost_files;
mod lost_notifications;
mod meter;
mod news;
mod news_counts;
mod open_files;
mod openapi;
mod own_app;
mod own_page;
mod passwords;
mod problems;
mod production;
mod proxies;
mod records;
mod serving;
mod sessions;
mod tampering;
mod throttling;
mod throttling_by_address;
mod timeouts;
mod usernames;
mod walks;
