"""Writes on disks whose fsync takes longer and longer."""

import sys
from itertools import islice

from .. import load
from ..data import rows, seeds
from ..load import Load
from ..machine import ROUNDS, SECONDS, SESSIONS, WARM_UP_SECONDS
from ..rounds import medians
from ..servers.disk import Disk
from ..servers.peers import DEVELOPMENT, EXPRESS, OURS, TOWER_SESSIONS
from .comparison import or_another
from .requests import NEWS, newest_post

# Milliseconds; None is the disk as it is.
DELAYS = [None, 0, 1, 4, 10]
CLIENTS = 64
ENTRANTS = [*OURS, TOWER_SESSIONS, EXPRESS]


def disk():
    """Login, log-out and comment of 64 clients, and one client's login, by the time of an fsync."""
    rounds = {delay: {peer.name: [] for peer in ENTRANTS} for delay in DELAYS}
    for number in range(ROUNDS):
        for delay in DELAYS:
            for peer in ENTRANTS:
                result = or_another(peer.name, lambda: one_server(peer, delay))
                rounds[delay][peer.name].append(result)
                shown = {key: round(value, 4) for key, value in result.items()}
                print(f"  {number + 1}/{ROUNDS} {delay} ms {peer.title} {shown}", file=sys.stderr)
    return {
        "titles": {peer.name: peer.title for peer in ENTRANTS},
        "delays": {
            delay: {name: {"rounds": all, "median": medians(all)} for name, all in peers.items()}
            for delay, peers in rounds.items()
        },
    }


def one_server(peer, delay):
    data = seeds.copy(peer)
    disk = Disk(data, delay)
    # By name alone only in development, where handstamp's cookie has another name.
    development, production = (DEVELOPMENT, NEWS) if peer in OURS else ({}, {})
    with peer.start(data, disk.environment | development) as server:
        result = log_ins(server, disk, data / "names")
    with peer.start(data, disk.environment | production) as server:
        log_out = Load("/logout", "delete", data / "cookies", CLIENTS, refusals=True)
        result |= counted("logout", server, disk, log_out)
        check_logged_out(peer, server, data / "cookies")
        if peer in OURS:
            path = f"/posts/{newest_post(data)}/comments"
            comment = Load(path, "comment", data / "hot", CLIENTS, refusals=True)
            result |= counted("comment", server, disk, comment)
            check_comments(data, result["comment_requests"] - result["comment_refused"])
    if not disk.fsyncs():
        raise RuntimeError(f"no fsync of {peer.name} was counted: is it linked statically?")
    return result


def log_ins(server, disk, names):
    """Somebody else each time: a third of the names for each of the three runs."""
    third = SESSIONS // 3
    log_in = Load("/login", "body", names, CLIENTS, refusals=True)
    lone = Load("/login", "body", names, 1)
    load.run(server, log_in, WARM_UP_SECONDS)
    disk.wait_until_quiet()
    result = named("lone", load.run(server, lone, SECONDS, third))
    return result | counted("login", server, disk, log_in, 2 * third)


def counted(name, server, disk, wanted, first=0):
    disk.wait_until_quiet()
    before = disk.fsyncs()
    result = load.run(server, wanted, SECONDS, first)
    fsyncs = disk.fsyncs() - before
    if not result["rate"]:
        raise RuntimeError(f"no answer at {wanted.path}")
    done = result["requests"] - result["refused"]
    return named(name, result) | {f"{name}_per_fsync": done / max(fsyncs, 1)}


def named(name, result):
    return {
        f"{name}_{field}": result[field] for field in ["rate", "p50", "p99", "refused", "requests"]
    }


def check_logged_out(peer, server, cookies):
    """That of the first requests one was heard: on a slow disk some are refused."""
    statuses = set()
    with cookies.open() as lines:
        for line in islice(lines, CLIENTS):
            status, _, _ = server.ask("GET", peer.check_login, {"Cookie": line.strip()})
            if status == 401:
                return
            statuses.add(status)
    raise RuntimeError(f"{peer.name} answered {statuses} after log-outs")


def check_comments(data, count):
    database = rows.connect(data / "handstamp.db")
    [written] = database.execute("select count(*) from comments").fetchone()
    database.close()
    if written < count:
        raise RuntimeError(f"{count} comments were answered and {written} written")
