"""Many sessions from one: the rows of a real login, copied with ids of their own."""

import base64
import hmac
import os
import random
import sqlite3
import string
from urllib.parse import quote

TEMPLATE = "template00"


def username(number):
    """As long as the template's, which a record says in front of it."""
    return f"user{number:06d}" if number < 1_000_000 else f"use{number:07d}"


def connect(file):
    """A database to fill: nobody minds if it is lost half-way."""
    database = sqlite3.connect(file, isolation_level=None)
    database.execute("pragma synchronous = off")
    return database


def settle(database, file):
    """All of it on the disk, so that no later write of the server waits for ours."""
    database.execute("pragma wal_checkpoint(truncate)")
    database.close()
    with open(file, "rb") as written:
        os.fsync(written.fileno())


def fill(database, statement, rows):
    database.execute("begin")
    database.executemany(statement, rows)
    database.execute("commit")


def copy_users(file, count):
    """The table that every peer with a /login by name has."""
    database = connect(file)
    statement = "insert into users (username, created_at) values (?, '2026-01-01T00:00:00Z')"
    fill(database, statement, ([username(number)] for number in range(count)))
    database.execute(
        "insert into users (username, created_at) values (?, '2026-01-01T00:00:00Z')", [TEMPLATE]
    )
    database.close()


def hmac_base64(key, message):
    return base64.b64encode(hmac.digest(key, message.encode(), "sha256")).decode()


def same(cookie, signed):
    """That ours are as the server's own."""
    if cookie != signed:
        raise RuntimeError(f"a cookie is signed in another way: {cookie}, not {signed}")


def random_text(length):
    return "".join(random.choices(string.ascii_letters + string.digits, k=length))


def template_row(database, table):
    database.row_factory = sqlite3.Row
    row = dict(database.execute(f'select * from "{table}" order by rowid desc limit 1').fetchone())
    database.row_factory = None
    columns = ", ".join(f'"{column}"' for column in row)
    values = ", ".join(f":{column}" for column in row)
    return row, f'insert into "{table}" ({columns}) values ({values})'


def copy_express(data, cookie, count):
    """`s:` and the id with its signature, as cookie-signature makes it."""
    key = (data / "secret").read_text().encode()

    def signed(sid):
        text = f"s:{sid}.{hmac_base64(key, sid).rstrip('=')}"
        return "connect.sid=" + quote(text, safe="")

    database = connect(data / "sessions.db")
    row, statement = template_row(database, "sessions")
    same(cookie, signed(row["sid"]))
    ids = [random_text(32) for _ in range(count)]
    copies = (
        row | {"sid": sid, "sess": row["sess"].replace(TEMPLATE, username(number))}
        for number, sid in enumerate(ids)
    )
    fill(database, statement, copies)
    return [signed(sid) for sid in ids]


def random_id(number_bytes):
    """A tower-sessions id: 128 random bits, in base64."""
    return base64.urlsafe_b64encode(number_bytes).decode().rstrip("=")


def record(template, old, new, number):
    """A record of tower-sessions (MessagePack) with another id and another user."""
    id_bytes = base64.urlsafe_b64decode(old + "==")[::-1]
    if id_bytes not in template:
        raise RuntimeError("a session's record is written in another way")
    return template.replace(id_bytes, new[::-1]).replace(
        TEMPLATE.encode(), username(number).encode()
    )


def copy_tower_sessions(data, cookie, count):
    database = connect(data / "users.db")
    row, statement = template_row(database, "tower_sessions")
    same(cookie, "id=" + row["id"])
    ids = [os.urandom(16) for _ in range(count)]
    copies = (
        row | {"id": random_id(new), "data": record(row["data"], row["id"], new, number)}
        for number, new in enumerate(ids)
    )
    fill(database, statement, copies)
    return ["id=" + random_id(new) for new in ids]


def copy_better_auth(data, cookie, count):
    """`user` and `session` rows; the token with its HMAC, as better-call signs it."""
    key = (data / "secret").read_text().encode()

    def signed(token):
        return "better-auth.session_token=" + quote(f"{token}.{hmac_base64(key, token)}", safe="")

    database = connect(data / "auth.db")
    user, user_statement = template_row(database, "user")
    account, account_statement = template_row(database, "account")
    session, session_statement = template_row(database, "session")
    same(cookie, signed(session["token"]))
    ids = [random_text(32) for _ in range(count)]
    tokens = [random_text(32) for _ in range(count)]
    fill(
        database,
        user_statement,
        (
            user | {"id": id, "name": username(number), "email": f"{username(number)}@example.com"}
            for number, id in enumerate(ids)
        ),
    )
    fill(
        database,
        account_statement,
        (account | {"id": random_text(32), "accountId": id, "userId": id} for id in ids),
    )
    fill(
        database,
        session_statement,
        (
            session | {"id": random_text(32), "token": token, "userId": id}
            for id, token in zip(ids, tokens)
        ),
    )
    return [signed(token) for token in tokens]
