"""handstamp's users and sessions, many from one."""

import hashlib
import hmac
import os
from datetime import datetime, timedelta, timezone

from .rows import (
    TEMPLATE,
    connect,
    fill,
    hmac_base64,
    random_id,
    record,
    same,
    settle,
    template_row,
    username,
)

FIRST_USER = 0x019A9C3E_7B1C_7D52_9C3F_000000000000
FIRST_PUBLIC_ID = 0x019A9C3E_7B1C_7D53_9C3F_000000000000


def signing_key(secret):
    """HKDF-SHA256 without salt, its first block, of which the cookie crate signs with 32 bytes."""
    extracted = hmac.digest(bytes(32), secret, "sha256")
    return hmac.digest(extracted, b"handstamp session cookie, HMAC-SHA256\x01", hashlib.sha256)


def now():
    return hours_ago(0)


def hours_ago(hours):
    moment = datetime.now(timezone.utc) - timedelta(hours=hours)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def copy(data, cookie, count):
    """Users without a password, and a session of each."""
    key = signing_key((data / "secret").read_bytes())

    def signed(public_id, id):
        token = random_id(public_id[::-1]) + id
        return f"__Host-session={hmac_base64(key, token)}{token}"

    database = connect(data / "handstamp.db")
    database.execute("pragma cache_size = -500000")
    row, statement = template_row(database, "sessions")
    same(cookie, signed(row["public_id"], row["id"]))
    old_user = str(uuid_text(row["user_id"])).encode()
    fill(
        database,
        "insert into users (id, username, username_key, created_at) values (?, ?, ?, ?)",
        (
            [(FIRST_USER + number).to_bytes(16, "big"), username(number), username(number), now()]
            for number in range(count)
        ),
    )
    ids = [os.urandom(16) for _ in range(count)]

    def row_of(number, new):
        user = (FIRST_USER + number).to_bytes(16, "big")
        data = record(row["data"], row["id"], new, number)
        return row | {
            "id": random_id(new),
            "data": data.replace(old_user, uuid_text(user).encode()),
            "user_id": user,
            "public_id": public_id(number),
        }

    fill(database, statement, (row_of(number, new) for number, new in enumerate(ids)))
    settle(database, data / "handstamp.db")
    return [signed(public_id(number), random_id(new)) for number, new in enumerate(ids)]


def public_id(number):
    return (FIRST_PUBLIC_ID + number).to_bytes(16, "big")


def uuid_text(value):
    text = value.hex()
    return "-".join([text[:8], text[8:12], text[12:16], text[16:20], text[20:]])


def used_in_an_hour(data):
    """No use of a session is due to be recorded until then."""
    set_last_use(data, hours_ago(-1))


def used_an_hour_ago(data):
    set_last_use(data, hours_ago(1))


def set_last_use(data, moment):
    database = connect(data / "handstamp.db")
    database.execute("update sessions set last_seen_at = ?", [moment])
    settle(database, data / "handstamp.db")


def add_users_with_password(data, count):
    """Users with the template's password hash."""
    database = connect(data / "handstamp.db")
    [hash] = database.execute(
        "select password_hash from users where username = ?", [TEMPLATE]
    ).fetchone()
    names = [f"storm{number:02d}" for number in range(count)]
    fill(
        database,
        """insert into users (id, username, username_key, password_hash, created_at)
           values (?, ?, ?, ?, ?)""",
        ([os.urandom(16), name, name, hash, now()] for name in names),
    )
    settle(database, data / "handstamp.db")
    return names


def count_log_ins(data):
    """Successful logins so far."""
    database = connect(data / "handstamp.db")
    [count] = database.execute(
        "select count(*) from audit_events where event = 'log_in' and outcome = 'success'"
    ).fetchone()
    database.close()
    return count


def add_expired(data, count):
    """Sessions that expired two hours ago: the next purge takes them."""
    database = connect(data / "handstamp.db")
    row, statement = template_row(database, "sessions")
    row |= {"expiry_date": hours_ago(2), "last_seen_at": hours_ago(400)}
    ids = (random_id(os.urandom(16)) for _ in range(count))
    fill(database, statement, (row | {"id": id, "public_id": os.urandom(16)} for id in ids))
    settle(database, data / "handstamp.db")


def count_expired(data):
    database = connect(data / "handstamp.db")
    [count] = database.execute(
        "select count(*) from sessions where expiry_date < ?", [hours_ago(1)]
    ).fetchone()
    database.close()
    return count


def remove_expired(data):
    database = connect(data / "handstamp.db")
    database.execute("delete from sessions where expiry_date < ?", [hours_ago(1)])
    settle(database, data / "handstamp.db")
