"""handstamp on PostgreSQL, beside the obvious way and what PostgreSQL itself can do."""

import functools
import json
import re
import subprocess
import sys

from .. import load
from ..data import handstamp_rows, postgres_rows, recorded, rows, seeds
from ..load import Load
from ..machine import ROUNDS, SECONDS, SESSIONS, SLOW_SECONDS, WARM_UP_SECONDS
from ..rounds import medians
from ..servers.peers import DEVELOPMENT, HANDSTAMP_PEER, OURS, TOWER_SESSIONS_POSTGRES
from ..servers.postgres import programs
from .comparison import check, or_another

CLIENTS = 16
HERE = [*OURS, TOWER_SESSIONS_POSTGRES]
KINDS = ["cold", "login", "logout", "signup"]
# Milliseconds of an fsync of PostgreSQL, for log-outs.
SLOW = [1, 4]
# Whose requests are recorded.
RECORDED = 7


def postgres():
    """Cold, hot, login by name and log-out on PostgreSQL, sign-up, and pgbench as the limit."""
    names = [peer.name for peer in HERE] + ["sqlite", "pgbench"]
    rounds = {name: [] for name in names}
    with postgres_rows.seeded(HERE) as server:
        scripts = make_scripts(server)
        for number in range(ROUNDS):
            for peer in HERE:
                result = or_another(peer.name, lambda: one_peer(server, peer))
                rounds[peer.name].append(result)
            rounds["sqlite"].append(or_another("sqlite", on_sqlite))
            rounds["pgbench"].append({kind: pgbench(server, scripts[kind]) for kind in KINDS})
            for name in names:
                shown = {key: round(value, 6) for key, value in rounds[name][-1].items()}
                print(f"  {number + 1}/{ROUNDS} {name} {shown}", file=sys.stderr)
    return {name: {"rounds": all, "median": medians(all)} for name, all in rounds.items()}


def one_peer(postgres, peer):
    postgres.disk.take(None)
    postgres.create("round", peer.name)
    data = postgres_rows.FOLDER / peer.name
    on_postgres = {"DATABASE_URL": postgres.url("round")}
    development = DEVELOPMENT if peer in OURS else {}
    cookies, result = data / "cookies", {}
    with peer.start(data, on_postgres) as server:
        # Each session once: the first are the warm-up's, the last third is logged out.
        cold = Load("/checklogin", "cookie", cookies)
        check(server, cold, peer)
        # First, with a cache as small as on SQLite.
        result["hot"] = hot(server, data)
        result["cold"] = rate(load.warmed_up_run(server, cold))
        log_out = Load("/logout", "delete", cookies, CLIENTS)
        result["logout"] = rate(load.run(server, log_out, SECONDS, SESSIONS * 2 // 3))
        for number, delay in enumerate(SLOW):
            postgres.disk.take(delay)
            first = SESSIONS * (5 + number / len(SLOW)) // 6
            result[f"logout_{delay}"] = rate(load.run(server, log_out, SECONDS, int(first)))
        postgres.disk.take(None)
        if peer in OURS:
            result |= sign_up(server, data)
    with peer.start(data, on_postgres | development) as server:
        log_in = Load("/login", "body", data / "names", CLIENTS)
        load.run(server, log_in, WARM_UP_SECONDS)
        result["login"] = rate(load.run(server, log_in, SECONDS, SESSIONS // 2))
    return result


def rate(result):
    return result["rate"]


def hot(server, data):
    return rate(load.warmed_up_run(server, Load("/checklogin", "cookie", data / "hot")))


def on_sqlite():
    data = seeds.copy(HANDSTAMP_PEER)
    with HANDSTAMP_PEER.start(data) as server:
        return {"hot": hot(server, data)}


def sign_up(server, data):
    """Next to all of it is the password's hash: what the rest costs is what its threads do not."""
    lines = (json.dumps(new_account(f"new{number:06d}")) for number in range(20_000))
    seeds.write_lines(data / "accounts", lines)
    wanted = Load("/signup", "body", data / "accounts", connections=4, refusals=True)
    before = server.cpu_seconds_besides("low-priority")
    result = load.run(server, wanted, SLOW_SECONDS)
    after = server.cpu_seconds_besides("low-priority")
    return {"signup": result["rate"], "signup_cpu": (after - before) / result["requests"]}


def new_account(name):
    return {
        "username": name,
        "email": f"{name}@example.com",
        "password": "plain tea at dawn, twice",
    }


def make_scripts(postgres):
    """What one request of each kind has the database do, for as many users as there are."""
    postgres.create("recorded", HANDSTAMP_PEER.name)
    recorded.log_statements(postgres, "recorded")
    data = postgres_rows.FOLDER / HANDSTAMP_PEER.name
    signer = handstamp_rows.Signer(data)
    name = rows.username(RECORDED)
    user = handstamp_rows.uuid_text(handstamp_rows.user_id(RECORDED))
    session = handstamp_rows.uuid_text(handstamp_rows.public_id(RECORDED))
    known = {
        name: "'user' || lpad(:n::text, 6, '0')",
        user: recorded.of_user_n(user),
        session: recorded.of_user_n(session),
        rows.random_id(signer.id(RECORDED)): "left(md5(:n::text), 22)",
        "recorded00": "'new' || lpad(to_hex(:new::bigint), 12, '0')",
    }
    cookie = {"Cookie": signer.cookie(RECORDED)}
    body = json.dumps({"username": name})
    account = json.dumps(new_account("recorded00"))
    requests = {
        "cold": ("GET", "/checklogin", cookie),
        "logout": ("DELETE", "/logout", cookie),
        "signup": ("POST", "/signup", seeds.JSON, account),
        "login": ("POST", "/login", seeds.JSON, body),
    }
    scripts = {}
    on_postgres = {"DATABASE_URL": postgres.url("recorded")}
    for environment, kinds in [({}, ["cold", "logout", "signup"]), (DEVELOPMENT, ["login"])]:
        with HANDSTAMP_PEER.start(data, on_postgres | environment) as server:
            for kind in kinds:
                scripts[kind] = data / f"{kind}.sql"
                ask = functools.partial(answered, server, *requests[kind])
                statements = recorded.record(postgres, "recorded", ask)
                if not statements:
                    raise RuntimeError(f"no statement was logged for {kind}")
                scripts[kind].write_text(recorded.script(statements, known, SESSIONS))
    for_pgbench(postgres)
    return scripts


def answered(server, *request):
    status, _, text = server.ask(*request)
    if status >= 300:
        raise RuntimeError(f"{request} answered {status}: {text[:200]}")


def for_pgbench(postgres):
    """Sessions whose secret id follows from the user's number."""
    postgres.create("pgbench", HANDSTAMP_PEER.name)
    postgres.sql(
        "pgbench",
        """set session_replication_role = replica;
           update sessions set id = left(md5(
               ('x' || right(replace(public_id::text, '-', ''), 12))::bit(48)::bigint::text
           ), 22)""",
    )
    postgres.sql("pgbench", "vacuum full analyze sessions")


def pgbench(postgres, script):
    postgres.create("round", "pgbench")
    command = [
        str(programs() / "pgbench"),
        "--no-vacuum",
        "--protocol=prepared",
        f"--client={CLIENTS}",
        "--jobs=2",
    ]
    command += [f"--time={SECONDS + WARM_UP_SECONDS}", f"--file={script}"]
    command += [f"--host={postgres.folder}", "--username=postgres", "round"]
    done = subprocess.run(command, capture_output=True, text=True, preexec_fn=load.on_both_cores)
    found = re.search(r"tps = ([\d.]+)", done.stdout)
    if done.returncode or not found:
        raise RuntimeError(f"pgbench failed: {done.stderr[-2000:]}")
    return float(found[1])
