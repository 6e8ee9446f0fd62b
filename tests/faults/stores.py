"""The tables, read and filled beside the server; the SQL runs on both databases."""

import contextlib
import sqlite3

BEGINS = "event in ('log_in', 'sign_up') and outcome = 'success'"
# One session and one event each, of the same user at the same moment.
HALVES = {
    "sessions without an audit event": f"""
        select count(*) from sessions s where user_id is not null and not exists (
            select 1 from audit_events a
            where a.user_id = s.user_id and happened_at = created_at and {BEGINS})""",
    "audit events without a session": f"""
        select count(*) from audit_events a where {BEGINS} and not exists (
            select 1 from sessions s
            where a.user_id = s.user_id and happened_at = created_at)""",
    "users who logged in without a time of it": f"""
        select count(*) from users u where last_login_at is null and exists (
            select 1 from audit_events a where a.user_id = u.id and {BEGINS})""",
    "users with a time of a login that is not there": f"""
        select count(*) from users u where last_login_at is not null and not exists (
            select 1 from audit_events a where a.user_id = u.id and {BEGINS})""",
    "sessions of nobody": """
        select count(*) from sessions s where user_id is not null and not exists (
            select 1 from users u where u.id = s.user_id)""",
    "more sessions than audit events, or fewer": f"""
        select abs((select count(*) from sessions where user_id is not null)
            - (select count(*) from audit_events where {BEGINS}))""",
}


class Store:
    def add_accounts(self, prefix, count, with_password):
        """Copies of the account `template`; their names."""
        hash_ = "password_hash" if with_password else "null"
        self.execute(
            f"""insert into users (id, username, username_key, password_hash, created_at)
            select {self.new_id}, '{prefix}' || n, '{prefix}' || n, {hash_}, created_at
            from {self.numbers(count)}, users where username_key = 'template'"""
        )
        return [f"{prefix}{number}" for number in range(1, count + 1)]

    def logins(self):
        return self.number("select count(*) from sessions where user_id is not null")

    def halves(self):
        return {what: self.number(sql) for what, sql in HALVES.items()}


class Sqlite(Store):
    new_id = "randomblob(16)"

    def __init__(self, file):
        self.file, self.url = file, f"sqlite://{file}"

    def numbers(self, count):
        numbers = f"select 1 as n union all select n + 1 from numbers where n < {count}"
        return f"(with recursive numbers as ({numbers}) select n from numbers)"

    def execute(self, sql):
        with contextlib.closing(sqlite3.connect(self.file, timeout=30)) as connection:
            rows = connection.execute(sql).fetchall()
            connection.commit()
        return rows

    def number(self, sql):
        return self.execute(sql)[0][0]

    def problem(self):
        """What SQLite finds wrong in the file."""
        said = self.execute("pragma integrity_check") + self.execute("pragma foreign_key_check")
        return "" if said == [("ok",)] else f"integrity_check: {said[:3]}"


class Postgres(Store):
    new_id = "gen_random_uuid()"

    def __init__(self, server):
        self.server, self.url = server, server.url

    def numbers(self, count):
        return f"generate_series(1, {count}) n"

    def execute(self, sql):
        self.server.sql(sql)

    def number(self, sql):
        return int(self.server.read(sql))

    def problem(self):
        """What PostgreSQL finds wrong in its tables and indexes."""
        return self.server.amcheck()
