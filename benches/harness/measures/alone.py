"""Requirements of handstamp alone: in a login storm, with a million sessions, at rest."""

import os
import statistics
import subprocess
import sys
import time

from .. import load
from ..data import handstamp_rows, seeds
from ..load import Load
from ..machine import (
    FOLDER,
    HANDSTAMP,
    MORE_ROUNDS,
    ROUNDS,
    SECONDS,
    SERVER_CORE,
    SLOW_SECONDS,
    WARM_UP_SECONDS,
)
from ..rounds import medians, ratio
from ..servers.peers import HANDSTAMP_PEER, OURS

STORM_CLIENTS = 64
HASH_MIB = 19
FEW, MANY = 1_000, 1_000_000
EXPIRED = 100_000
# Next to none: a thousand sessions would all be cached.
NO_CACHE = {"SESSION_CACHE_ENTRIES": "1"}
STARTS = 15


def storm():
    """64 clients log in with passwords without pause; hot /checklogin beside them."""
    rounds = {peer: [] for peer in OURS}
    for number in range(ROUNDS):
        for peer in OURS:
            data = seeds.copy(peer)
            with peer.start(data) as server:
                rounds[peer].append(one_storm(server, data))
            print(f"  {number + 1}/{ROUNDS} {peer.title} {rounds[peer][-1]}", file=sys.stderr)
    [ours, *before] = rounds.values()
    return medians(ours) | {"of_before": ratios(ours, before[0]) if before else None}


def ratios(ours, theirs):
    return {
        field: ratio([one[field] for one in ours], [one[field] for one in theirs])
        for field in ["idle_rate", "rate", "idle_p99", "p99", "memory", "log_ins", "log_ins_beside"]
    }


def one_storm(server, data):
    hot = Load("/checklogin", "cookie", data / "hot")
    log_ins = Load("/login", "body", data / "passwords", STORM_CLIENTS, refusals=True)
    hashes_at_once = 1
    seconds = SLOW_SECONDS
    # First, as the server still works off the logins of clients that disconnected.
    hashes = hashes_per_second(seconds)
    idle = load.warmed_up_run(server, hot)
    # The storm alone, then with the others beside it.
    alone = load.finish(load.start(server, log_ins, seconds), log_ins)
    storm = load.start(server, log_ins, seconds + 2)
    time.sleep(WARM_UP_SECONDS)
    before = handstamp_rows.count_log_ins(data)
    during = load.run(server, hot, seconds)
    beside = handstamp_rows.count_log_ins(data) - before
    refused = load.finish(storm, log_ins)
    most = server.memory("VmHWM")
    return {
        "idle_rate": idle["rate"],
        "rate": during["rate"],
        "rate_ratio": during["rate"] / idle["rate"],
        "idle_p99": idle["p99"],
        "p99": during["p99"],
        "p99_ratio": during["p99"] / idle["p99"],
        "idle_memory": idle["memory"],
        "memory": most,
        "memory_allowed": idle["memory"] + hashes_at_once * HASH_MIB + 32,
        "hashes": hashes,
        "log_ins": alone["rate"],
        "log_in_ratio": alone["rate"] / hashes,
        "log_ins_beside": beside / during["seconds"],
        "refused": refused["refused"] / refused["seconds"],
    }


def hashes_per_second(seconds):
    """Hashes a second on the server's core with nothing else on it."""
    done = subprocess.run(
        [FOLDER / "rust" / "release" / "peer-argon2", str(seconds)],
        check=True,
        capture_output=True,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, {SERVER_CORE}),
    )
    return float(done.stdout)


def scale():
    """A thousand users and sessions beside a million."""
    folders = {count: seeds.of_size(count) for count in [FEW, MANY]}
    rounds = {count: [] for count in folders}
    for number in range(MORE_ROUNDS):
        for count, data in folders.items():
            rounds[count].append(one_size(data, count))
            print(f"  {number + 1}/{MORE_ROUNDS} {count:>9} {rounds[count][-1]}", file=sys.stderr)
    few, many = (medians(rounds[count]) for count in [FEW, MANY])
    purges = []
    for number in range(ROUNDS):
        purges.append(one_purge(folders[MANY]))
        print(f"  {number + 1}/{ROUNDS} {purges[-1]}", file=sys.stderr)
    ratios = {
        field: ratio(*([one[field] for one in rounds[count]] for count in [MANY, FEW]))
        for field in ["hot", "cold", "shuffled", "ready"]
    }
    return {"few": few, "many": many, "ratios": ratios, "purge": medians(purges)}


def one_size(data, count):
    with HANDSTAMP_PEER.start(data, NO_CACHE) as server:
        ready = server.seconds_to_ready
        cold = load.warmed_up_run(server, Load("/checklogin", "cookie", data / "cold"))
        shuffled = load.warmed_up_run(server, Load("/checklogin", "cookie", data / "shuffled"))
    with HANDSTAMP_PEER.start(data) as server:
        hot = load.warmed_up_run(server, Load("/checklogin", "cookie", data / "hot"))
        if count != FEW:
            # Every session of the cold ones in turn, for as much as the cache takes.
            load.run(server, Load("/checklogin", "cookie", data / "cold"), SECONDS)
        return {
            "cold": cold["rate"],
            "shuffled": shuffled["rate"],
            "hot": hot["rate"],
            "ready": statistics.median([ready, server.seconds_to_ready]),
            "memory": max(cold["memory"], server.memory("VmHWM")),
        }


def one_purge(data):
    """A server that starts with expired rows, which purges them under load, beside one without."""
    result = {}
    seconds = SLOW_SECONDS
    for name, environment in [("hot", {}), ("cold", NO_CACHE)]:
        wanted = Load("/checklogin", "cookie", data / name)
        with HANDSTAMP_PEER.start(data, environment) as server:
            quiet = load.run(server, wanted, seconds)
        handstamp_rows.add_expired(data, EXPIRED)
        with HANDSTAMP_PEER.start(data, environment) as server:
            before = handstamp_rows.count_expired(data)
            purging = load.run(server, wanted, seconds)
            after = handstamp_rows.count_expired(data)
        handstamp_rows.remove_expired(data)
        if before == after:
            raise RuntimeError("nothing was purged while the load was on")
        result[f"{name}_purged"] = before - after
        result[f"{name}_p99"] = purging["p99"]
        result[f"{name}_quiet_p99"] = quiet["p99"]
        result[f"{name}_p99_ratio"] = purging["p99"] / quiet["p99"]
    return result


def rest():
    """Started on an existing database, without clients."""
    data = seeds.copy(HANDSTAMP_PEER)
    starts = []
    for _ in range(STARTS):
        with HANDSTAMP_PEER.start(data) as server:
            time.sleep(0.2)
            starts.append({"ready": server.seconds_to_ready, "memory": server.memory()})
    return medians(starts) | {"binary": HANDSTAMP.stat().st_size / 2**20}
