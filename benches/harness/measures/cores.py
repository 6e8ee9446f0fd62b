"""Two cores, in one process or in two, each core with half of the load on it."""

import sys
from contextlib import ExitStack

from .. import load
from ..data import postgres_rows, seeds
from ..load import CONNECTIONS, WARM_UP_LINES, Load
from ..machine import BOTH_CORES, LOAD_CORE, ROUNDS, SECONDS, SERVER_CORE, SESSIONS, WARM_UP_SECONDS
from ..rounds import medians
from ..servers.peers import AXUM, HANDSTAMP_PEER, OURS, TOWER_SESSIONS
from .comparison import check, or_another

ENTRANTS = [AXUM, *OURS, TOWER_SESSIONS]


def cores():
    """Hot and cold on one core and on two, load included, and on two nodes of a PostgreSQL."""
    one = [
        (peer.title, "one", lambda peer=peer: one_server(peer, one_core=True)) for peer in ENTRANTS
    ]
    two = [
        (peer.title, "two", lambda peer=peer: one_server(peer, one_core=False)) for peer in ENTRANTS
    ]
    with postgres_rows.seeded([HANDSTAMP_PEER]) as postgres:
        nodes = [
            ("handstamp on PostgreSQL", "two", lambda: several_nodes(postgres, 1)),
            ("handstamp on PostgreSQL, two nodes", "two", lambda: several_nodes(postgres, 2)),
        ]
        rounds = {(title, on): [] for title, on, _ in [*one, *two, *nodes]}
        for number in range(ROUNDS):
            for title, on, measure in [*one, *two, *nodes]:
                rounds[title, on].append(or_another(title, measure))
                shown = rounds[title, on][-1]
                print(f"  {number + 1}/{ROUNDS} {title}, {on} {shown}", file=sys.stderr)
    return {
        f"{title}, {on}": {"title": title, "on": on, "rounds": all, "median": medians(all)}
        for (title, on), all in rounds.items()
    }


def one_server(peer, one_core):
    """On one core the load has the other to itself; two are shared with it."""
    data = seeds.copy(peer)
    server_cores, load_cores = (
        ((SERVER_CORE,), (LOAD_CORE,)) if one_core else (BOTH_CORES, BOTH_CORES)
    )
    with peer.start(data, cores=server_cores) as server:
        check(server, Load("/checklogin", "cookie", data / "hot"), peer)
        return hot_and_cold([server], data, load_cores, 1 if one_core else 2)


def several_nodes(postgres, count):
    postgres.create("round", HANDSTAMP_PEER.name)
    data = postgres_rows.FOLDER / HANDSTAMP_PEER.name
    environment = {"DATABASE_URL": postgres.url("round")}
    with ExitStack() as running:
        servers = [
            running.enter_context(HANDSTAMP_PEER.start(data, environment, BOTH_CORES))
            for _ in range(count)
        ]
        return hot_and_cold(servers, data, BOTH_CORES, 2 // count)


def hot_and_cold(servers, data, load_cores, threads):
    connections = CONNECTIONS // len(servers)
    loads = {
        name: Load(
            "/checklogin", "cookie", data / lines, connections, threads=threads, cores=load_cores
        )
        for name, lines in [("hot", "hot"), ("cold", "cookies")]
    }
    return {name: rate(servers, wanted) for name, wanted in loads.items()}


def rate(servers, wanted):
    """Of all servers at once. Each takes lines of its own, those of the warm-up apart."""
    sum_of(servers, wanted, WARM_UP_SECONDS, 0, WARM_UP_LINES)
    return sum_of(servers, wanted, SECONDS, WARM_UP_LINES, SESSIONS)


def sum_of(servers, wanted, seconds, first, last):
    share = (last - first) // len(servers)
    running = [
        load.start(server, wanted, seconds, first + number * share)
        for number, server in enumerate(servers)
    ]
    return sum(load.finish(wrk, wanted)["rate"] for wrk in running)
