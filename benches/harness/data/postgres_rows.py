"""The same users and sessions as in the SQLite files, in databases of a PostgreSQL."""

import json
import os
import subprocess
from contextlib import contextmanager

from ..machine import SESSIONS
from ..servers.peers import PASSWORD
from ..servers.postgres import Postgres
from . import handstamp_rows, rows, seeds

FOLDER = seeds.RUNS / "postgres-data"


@contextmanager
def seeded(peers):
    """A PostgreSQL with a database for each of the peers, named after it."""
    with Postgres() as postgres:
        for peer in peers:
            seed(postgres, peer)
        postgres.sql("postgres", "checkpoint")
        yield postgres


def seed(postgres, peer):
    folder = FOLDER / peer.name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "secret").write_text(seeds.secret())
    postgres.create(peer.name)
    url = postgres.url(peer.name)
    make = seed_handstamp if peer.binary else seed_tower_sessions
    cookies = make(postgres, peer, folder, url)
    seeds.write_lines(folder / "cookies", cookies)
    seeds.write_lines(folder / "hot", cookies[-seeds.HOT_SESSIONS :])
    seeds.write_names(folder, range(SESSIONS))
    postgres.sql(peer.name, "vacuum analyze")


def seed_handstamp(postgres, peer, folder, url):
    environment = {"PATH": os.environ["PATH"]} | peer.environment(folder) | {"DATABASE_URL": url}
    for arguments, text in [
        (["migrate"], ""),
        (["user", "add", rows.TEMPLATE, "--password-stdin"], PASSWORD),
    ]:
        subprocess.run(
            [peer.binary, *arguments],
            input=text,
            text=True,
            cwd=folder,
            env=environment,
            check=True,
            capture_output=True,
        )
    with peer.start(folder, {"DATABASE_URL": url}) as server:
        body = {"username": rows.TEMPLATE, "password": PASSWORD}
        cookie = seeds.log_in(server, "/login", body)
    signer = handstamp_rows.Signer(folder)
    row = newest(postgres, peer.name, "sessions", "created_at")
    for column in ["public_id", "user_id"]:
        row[column] = bytes.fromhex(row[column].replace("-", ""))
    row["data"] = bytes.fromhex(row["data"].removeprefix("\\x"))
    rows.same(cookie, signer.signed(row["public_id"], row["id"]))
    # No use of a session is due to be recorded in the run.
    row["last_seen_at"] = handstamp_rows.hours_ago(-1)
    columns = "id, username, username_key, created_at"
    made_at = handstamp_rows.now()
    copy(
        postgres,
        peer.name,
        f"users ({columns})",
        (
            [handstamp_rows.user_id(number), name, name, made_at]
            for number in range(SESSIONS)
            for name in [rows.username(number)]
        ),
    )
    copy(
        postgres,
        peer.name,
        f"sessions ({', '.join(row)})",
        (
            (new | {"user_id": handstamp_rows.user_id(number)}).values()
            for number, new in handstamp_rows.session_rows(row, SESSIONS, signer.id)
        ),
    )
    return [signer.cookie(number) for number in range(SESSIONS)]


def seed_tower_sessions(postgres, peer, folder, url):
    with peer.start(folder, {"DATABASE_URL": url}):
        pass
    users = ((name, "2026-01-01T00:00:00Z") for name in usernames())
    copy(postgres, peer.name, "users (username, created_at)", users)
    with peer.start(folder, {"DATABASE_URL": url}) as server:
        cookie = seeds.log_in(server, "/login", {"username": rows.TEMPLATE})
    row = newest(postgres, peer.name, "tower_sessions.session", "expiry_date")
    row["data"] = bytes.fromhex(row["data"].removeprefix("\\x"))
    rows.same(cookie, "id=" + row["id"])
    ids = [os.urandom(16) for _ in range(SESSIONS)]
    copies = (
        (
            row
            | {"id": rows.random_id(new), "data": rows.record(row["data"], row["id"], new, number)}
        ).values()
        for number, new in enumerate(ids)
    )
    copy(postgres, peer.name, f"tower_sessions.session ({', '.join(row)})", copies)
    return ["id=" + rows.random_id(new) for new in ids]


def usernames():
    yield rows.TEMPLATE
    yield from map(rows.username, range(SESSIONS))


def newest(postgres, database, table, column):
    text = f"select row_to_json(r) from {table} r order by {column} desc limit 1"
    return json.loads(postgres.sql(database, text))


def copy(postgres, database, table, values):
    def field(value):
        if value is None:
            return r"\N"
        # Bytes, of a uuid as well: both are read from hexadecimal digits.
        if isinstance(value, bytes):
            return value.hex() if len(value) == 16 else rf"\\x{value.hex()}"
        return str(value)

    lines = ("\t".join(map(field, row)) + "\n" for row in values)
    postgres.sql(database, f"copy {table} from stdin", lines)
