//! The whole suite: a real server on a free port with a database of its own, for each test,
//! on SQLite and on PostgreSQL.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod helpers;

mod accounts {
    mod audit;
    mod by_app;
    mod passwords;
    mod usernames;
}

mod conformance;

mod cookies {
    mod keys;
    mod new_keys;
    mod tampering;
}

mod databases {
    mod client_disconnects;
    mod cut_off;
    pub mod database_down;
    mod definer_functions;
    mod durability;
    mod full_disk;
    mod locked;
    mod lost_files;
    mod pgbouncer;
    mod revocation_log;
    mod writes;
}

mod deployment {
    mod nodes;
    mod proxied;
    mod shutdown;
    mod units;
}

mod device_bound {
    mod chromium;
    mod forged;
    mod library;
    mod offers;
    mod proofs;
    mod races;
    mod refreshes;
    mod refused;
    mod registrations;
    mod routes;
    mod several;
}

mod doctor {
    mod behind_relays;
    mod examined;
    mod here;
    mod mistakes;
    mod relay;
    mod sites;
}

mod events {
    mod ends;
    mod expiry;
    mod foreign_writes;
    mod streams;
}

mod library {
    mod chat;
    mod debug_output;
    pub mod embed;
    mod own_app;
    mod recently_authenticated;
    mod second_factors;
}

mod mail {
    mod bars;
    mod commands;
    pub mod email_change;
    mod notices;
    pub mod outbox;
    mod postfix;
    pub mod recovery;
    mod retries;
    mod stolen_accounts;
    mod transport;
    pub mod verification;
}

mod metrics {
    mod address;
    mod counts;
    mod dashboard;
    mod live_sessions;
    mod scrape;
}

mod news {
    mod counts;
    mod free_reads_per_address;
    mod meter;
    mod posts;
}

mod operations {
    mod accounts;
    mod backups;
    mod interrupted_moves;
    pub mod moves;
    mod reference;
    mod refused_moves;
    mod restores;
    mod stolen_accounts;
}

mod page {
    mod api_prefix;
    mod files;
    mod own_page;
}

mod passkeys {
    mod other_domains;
}

mod reauthentication {
    mod meanwhile;
    mod proofs;
    mod races;
    mod session_info;
    mod window;
}

mod second_factors {
    mod between_the_steps;
    mod challenges;
    mod half_done;
    mod hostile;
    mod meanwhile;
    mod passkey_logins;
    mod passkeys;
    mod stolen_accounts;
    mod told;
    mod totp;
    mod two_steps;
    mod wrong_codes;
}

mod server {
    mod command_line;
    mod commands;
    mod hardening;
    mod hosts;
    mod logs;
    mod open_files;
    mod openapi;
    mod problems;
    mod production;
    mod proxies;
    mod responses;
    mod serving;
}

mod sessions {
    mod expiry_dates;
    pub mod freshness;
    pub mod freshness_under_load;
    mod logout_wins;
    mod own_sessions;
    mod records;
    mod timeouts;
    mod walks;
}

mod throttling {
    mod by_account;
    mod by_address;
    mod fair_share;
    mod reauthentication;
}
