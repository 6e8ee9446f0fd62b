"""Ten million sessions beside a thousand."""

import sys

from .. import load
from ..data import rows, seeds
from ..load import Load
from ..machine import MILLIONS, ROUNDS
from ..rounds import medians, ratio
from ..servers.peers import DEVELOPMENT, HANDSTAMP_PEER
from .alone import FEW, one_size

FIELDS = ["hot", "cold", "shuffled", "login", "ready"]


def millions():
    """Hot, cold in order and in random order, login, start, memory and file, by sessions."""
    folders = {count: seeds.of_size(count) for count in [FEW, MILLIONS]}
    rounds = {count: [] for count in folders}
    for number in range(ROUNDS):
        # In turn the one and the other first: the machine may favour whoever comes first.
        for count, data in list(folders.items())[:: 1 if number % 2 else -1]:
            result = one_size(data, count) | log_in(data)
            rounds[count].append(result)
            print(f"  {number + 1}/{ROUNDS} {count:>9} {result}", file=sys.stderr)
    ratios = {
        field: ratio(*([one[field] for one in rounds[count]] for count in [MILLIONS, FEW]))
        for field in FIELDS
    }
    return {
        "count": MILLIONS,
        "few": medians(rounds[FEW]) | {"file": size(folders[FEW])},
        "many": medians(rounds[MILLIONS]) | {"file": size(folders[MILLIONS])},
        "ratios": ratios,
    }


def log_in(data):
    """By name; what was added is removed, so that each round begins alike."""
    last = last_session(data)
    with HANDSTAMP_PEER.start(data, DEVELOPMENT) as server:
        result = load.warmed_up_run(server, Load("/login", "body", data / "names"))
        memory = server.memory("VmHWM")
    database = rows.connect(data / "handstamp.db")
    database.execute("delete from sessions where rowid > ?", [last])
    rows.settle(database, data / "handstamp.db")
    return {"login": result["rate"], "login_memory": memory}


def last_session(data):
    database = rows.connect(data / "handstamp.db")
    [last] = database.execute("select max(rowid) from sessions").fetchone()
    database.close()
    return last


def size(data):
    return (data / "handstamp.db").stat().st_size / 2**20
