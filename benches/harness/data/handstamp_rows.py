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


class Signer:
    """The ids and the cookies of the sessions that are made, by their number."""

    def __init__(self, data):
        self.secret = (data / "secret").read_bytes()
        self.key = signing_key(self.secret)

    def id(self, number):
        """128 bits that nobody can guess, and that need not be kept."""
        return hmac.digest(self.secret, number.to_bytes(8, "big"), "sha256")[:16]

    def cookie(self, number):
        return self.signed(public_id(number), random_id(self.id(number)))

    def signed(self, public_id, id):
        token = random_id(public_id[::-1]) + id
        return f"__Host-session={hmac_base64(self.key, token)}{token}"


def copy(data, cookie, count, last_seen_at=None):
    """Users without a password, and a session of each; returns what knows their cookies."""
    signer = Signer(data)
    database = connect(data / "handstamp.db")
    # Each page once: of ten million, a journal would be larger than the file.
    database.execute("pragma journal_mode = off")
    # For the index on the secret ids, whose pages are hit at random.
    database.execute(f"pragma cache_size = -{max(500_000, count * 3 // 10)}")
    row, statement = template_row(database, "sessions")
    same(cookie, signer.signed(row["public_id"], row["id"]))
    row["last_seen_at"] = last_seen_at or row["last_seen_at"]
    made_at = now()
    fill(
        database,
        "insert into users (id, username, username_key, created_at) values (?, ?, ?, ?)",
        ([user_id(number), username(number), username(number), made_at] for number in range(count)),
    )
    rows = session_rows(row, count, signer.id)
    fill(database, statement, (row | {"user_id": user_id(number)} for number, row in rows))
    database.execute("pragma journal_mode = wal")
    settle(database, data / "handstamp.db")
    return signer


def session_rows(row, count, id_of):
    """The row of a real session, for as many users."""
    old_user = uuid_text(row["user_id"]).encode()
    for number in range(count):
        new = id_of(number)
        data = record(row["data"], row["id"], new, number)
        yield (
            number,
            row
            | {
                "id": random_id(new),
                "data": data.replace(old_user, uuid_text(user_id(number)).encode()),
                "public_id": public_id(number),
            },
        )


def user_id(number):
    return (FIRST_USER + number).to_bytes(16, "big")


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
