"""The data that every round starts from, made once: a folder for each peer with its database,
its secret and `cookies`, one signed session a line."""

import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

from .. import load
from ..load import Load
from ..machine import BEFORE, FOLDER, HANDSTAMP, PEERS, SESSIONS
from ..servers.peers import BETTER_AUTH, DEVELOPMENT, HANDSTAMP_PEER, PASSWORD, secret
from . import handstamp_rows, rows

SEEDS = FOLDER / "seeds"
RUNS = FOLDER / "runs"
MAX_AGE = 6 * 3600
HOT_SESSIONS = 64
STORM_USERS = 64
COLD_SESSIONS = 200_000
LONGEST_SECONDS = 600
JSON = {"Content-Type": "application/json"}


def copy(peer):
    """A peer's data for one round; that of the one before is thrown away."""
    folder = RUNS / peer.name
    shutil.rmtree(folder, ignore_errors=True)
    leave_out = shutil.ignore_patterns("*-shm", "*-wal")
    shutil.copytree(of(peer), folder, ignore=leave_out, copy_function=copy_file)
    return folder


def copy_of_size(count):
    """handstamp's data with `count` users for one run, which may end their sessions."""
    folder = RUNS / f"handstamp-{count}"
    shutil.rmtree(folder, ignore_errors=True)
    leave_out = shutil.ignore_patterns("*-shm", "*-wal")
    shutil.copytree(of_size(count), folder, ignore=leave_out, copy_function=copy_file)
    (folder / "cookies").symlink_to(folder / "cold")
    return folder


def copy_file(source, target):
    """Databases, on the disk; the lists are read only."""
    if not source.endswith(".db"):
        os.symlink(source, target)
        return
    shutil.copyfile(source, target)
    with open(target, "rb") as copied:
        os.fsync(copied.fileno())


def of(peer):
    """A peer's data, made if it is not there or too old for its sessions."""
    return made(peer.name, lambda folder: make(peer, folder, SESSIONS), SESSIONS)


def of_size(count):
    """handstamp's data with `count` users; `cold` are their sessions in the order in which they
    were made, at most 200,000, `shuffled` as many in random order, and `names` their users."""
    return made(f"handstamp-{count}", lambda folder: make_of_size(folder, count), count)


def make_of_size(folder, count):
    # No use of a session is due to be recorded as long as the data is used.
    last_seen_at = handstamp_rows.hours_ago(-2 * MAX_AGE // 3600)
    signer = make_handstamp(HANDSTAMP_PEER, folder, count, last_seen_at)
    some = min(count, COLD_SESSIONS)
    shuffled = random.Random(count).sample(range(count), some)
    for name, numbers in [
        ("cold", range(some)),
        ("shuffled", shuffled),
        ("hot", range(count - HOT_SESSIONS, count)),
    ]:
        write_lines(folder / name, map(signer.cookie, numbers))
    write_names(folder, shuffled)


def made(name, make_in, *what):
    folder = SEEDS / name
    stamp = json.dumps([stamp_of_sources(name), *what])
    stamp_file = folder / "made"
    if stamp_file.exists() and stamp_file.read_text() == stamp:
        if time.time() - stamp_file.stat().st_mtime < MAX_AGE:
            return folder
    print(f"making the data of {name}", file=sys.stderr)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "secret").write_text(secret())
    make_in(folder)
    # Whatever a server left in its write-ahead log goes into the file itself.
    for file in folder.glob("*.db"):
        rows.settle(rows.connect(file), file)
    stamp_file.write_text(stamp)
    return folder


def stamp_of_sources(name):
    """Changes with the servers and with what fills their databases."""
    digest = hashlib.sha256()
    if "handstamp" in name:
        digest.update(HANDSTAMP.read_bytes())
    if name == "before":
        digest.update(BEFORE.read_bytes())
    files = sorted(Path(__file__).parent.glob("*.py"))
    for file in [*files, *sorted(PEERS.rglob("*.*"))]:
        if file.is_file():
            digest.update(file.read_bytes())
    return digest.hexdigest()


def make(peer, folder, count):
    if peer.binary:
        signer = make_handstamp(peer, folder, count)
        cookies = [signer.cookie(number) for number in range(count)]
    elif peer is BETTER_AUTH:
        cookies = make_better_auth(folder, count)
    elif peer.name == "axum":
        cookies = [f"session={number:066d}" for number in range(HOT_SESSIONS)]
    else:
        cookies = make_peer(peer, folder, count)
    write_lines(folder / "cookies", cookies)
    # Not the first ones, which the warm-up of a cold round takes.
    write_lines(folder / "hot", cookies[-HOT_SESSIONS:])
    write_names(folder, range(count))


def write_names(folder, numbers):
    bodies = (json.dumps({"username": rows.username(number)}) for number in numbers)
    write_lines(folder / "names", bodies)


def make_peer(peer, folder, count):
    """A peer with /login, /checklogin and /logout."""
    with peer.start(folder):
        pass
    rows.copy_users(folder / "users.db", count)
    with peer.start(folder) as server:
        cookie = log_in(server, "/login", {"username": rows.TEMPLATE})
        if peer.name in {"actix", "fastify"}:
            # Nothing but the cookie holds the session: as many logins.
            return log_in_all(server, folder, count)
    if peer.name == "flask":
        return sign_with_flask(folder, count)
    copies = {"express": rows.copy_express, "tower-sessions": rows.copy_tower_sessions}
    return copies[peer.name](folder, cookie, count)


def make_handstamp(peer, folder, count, last_seen_at=None):
    environment = {"PATH": os.environ["PATH"]} | peer.environment(folder)
    add_user = ["user", "add", rows.TEMPLATE, "--password-stdin"]
    for arguments, text, extra in [
        (["migrate"], "", {}),
        (["demo"], "", DEVELOPMENT),
        (add_user, PASSWORD, {}),
    ]:
        subprocess.run(
            [peer.binary, *arguments],
            input=text,
            text=True,
            cwd=folder,
            env=environment | extra,
            check=True,
            capture_output=True,
        )
    with peer.start(folder) as server:
        cookie = log_in(server, "/login", {"username": rows.TEMPLATE, "password": PASSWORD})
    signer = handstamp_rows.copy(folder, cookie, count, last_seen_at)
    users = handstamp_rows.add_users_with_password(folder, STORM_USERS)
    bodies = [json.dumps({"username": user, "password": PASSWORD}) for user in users]
    write_lines(folder / "passwords", bodies)
    return signer


def make_better_auth(folder, count):
    email = f"{rows.TEMPLATE}@example.com"
    body = {"name": rows.TEMPLATE, "email": email, "password": PASSWORD}
    with BETTER_AUTH.start(folder) as server:
        cookie = log_in(server, "/api/auth/sign-up/email", body)
    cookies = rows.copy_better_auth(folder, cookie, count)
    bodies = [
        json.dumps({"email": f"{rows.username(number)}@example.com", "password": PASSWORD})
        for number in range(STORM_USERS)
    ]
    write_lines(folder / "passwords", bodies)
    return cookies


def log_in(server, path, body):
    status, headers, text = server.ask("POST", path, JSON, json.dumps(body))
    if status != 200:
        raise RuntimeError(f"{path} answered {status}: {text}")
    return headers["Set-Cookie"].split(";")[0]


def log_in_all(server, folder, count):
    """Every user's cookie, in the order of the responses."""
    bodies, cookies = folder / "bodies", folder / "collected"
    lines = (json.dumps({"username": rows.username(number)}) for number in range(count))
    write_lines(bodies, lines)
    wrk = load.start(server, Load("/login", "body", bodies), LONGEST_SECONDS, collect=cookies)
    try:
        # wrk runs for a fixed time.
        while wrk.poll() is None and not is_complete(cookies):
            time.sleep(0.2)
    finally:
        wrk.terminate()
        wrk.wait()
    found = cookies.read_text().splitlines()[:-1]
    if len(found) != count:
        raise RuntimeError(f"{count} logins gave {len(found)} cookies")
    return found


def is_complete(file):
    if not file.exists() or file.stat().st_size < 4:
        return False
    with file.open("rb") as lines:
        lines.seek(-4, os.SEEK_END)
        return lines.read() == b"end\n"


def sign_with_flask(folder, count):
    """As many cookies as Flask itself signs for these users."""
    program = (
        "import sys; from app import app\n"
        "signer = app.session_interface.get_signing_serializer(app)\n"
        "for name in sys.stdin.read().split():\n"
        "    print('session=' + signer.dumps({'username': name}))\n"
    )
    names = "\n".join(rows.username(number) for number in range(count))
    environment = {"DATA_DIR": str(folder), "SECRET_KEY": (folder / "secret").read_text()}
    python = FOLDER / "flask" / "venv" / "bin" / "python"
    done = subprocess.run(
        [python, "-c", program],
        input=names,
        capture_output=True,
        check=True,
        text=True,
        cwd=FOLDER / "flask",
        env=environment,
    )
    return done.stdout.split()


def write_lines(file, lines):
    with file.open("w") as text:
        text.writelines(f"{line}\n" for line in lines)
