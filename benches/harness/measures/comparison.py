"""Entrants compared: rounds in turn, each on a fresh server with fresh data; medians."""

import sys
from dataclasses import dataclass
from typing import Callable

from .. import load
from ..data import seeds
from ..machine import ROUNDS
from ..rounds import medians, ratio
from ..servers.peers import AXUM, BEFORE_PEER, HANDSTAMP_PEER, Peer


@dataclass(frozen=True)
class Entrant:
    peer: Peer
    load_of: Callable
    title: str = ""
    environment: tuple = ()
    prepare: Callable = lambda data: None
    rounds: int = ROUNDS


def compare(entrants):
    """Every entrant once a round, each time a fresh server on fresh data; the medians."""
    results = {entrant: [] for entrant in entrants}
    for number in range(max(entrant.rounds for entrant in entrants)):
        for entrant in entrants:
            if number >= entrant.rounds:
                continue
            result = or_another(entrant.peer.name, lambda: one_round(entrant))
            results[entrant].append(result)
            title = entrant.title or entrant.peer.title
            print(
                f"  {number + 1}/{entrant.rounds} {title:32} {result['rate']:>9.0f}/s",
                file=sys.stderr,
            )
    rows = [row_of(entrant, results[entrant]) for entrant in entrants]
    yardstick = next((row["rates"] for row in rows if row["peer"] == AXUM.name), None)
    for row in rows:
        rates = row["rates"]
        row["ratio"] = ratio(rates, yardstick[: len(rates)]) if yardstick else None
        row["of_before"] = of_before(row, rows)
    return rows


def of_before(row, rows):
    """The ratio to the build before, where that was measured in the same way."""
    title = row["title"].replace(HANDSTAMP_PEER.title, BEFORE_PEER.title, 1)
    before = [other for other in rows if other["peer"] == BEFORE_PEER.name]
    same = [other for other in before if other["title"] == title and other is not row]
    return ratio(row["rates"], same[0]["rates"]) if same else None


def row_of(entrant, rounds):
    return medians(rounds) | {
        "rates": [one["rate"] for one in rounds],
        "peer": entrant.peer.name,
        "title": entrant.title or entrant.peer.title,
        "source": entrant.peer.source,
    }


measured_again = []


def or_another(name, measure):
    """Measures again, which the page reports: one stall of the machine must not end a long run."""
    try:
        return measure()
    except RuntimeError as error:
        print(f"  once more: {error}", file=sys.stderr)
        measured_again.append(name)
        return measure()


def one_round(entrant):
    data = seeds.copy(entrant.peer)
    entrant.prepare(data)
    with entrant.peer.start(data, dict(entrant.environment)) as server:
        wanted = entrant.load_of(data)
        check(server, wanted, entrant.peer)
        return load.warmed_up_run(server, wanted)


def check(server, wanted, peer):
    """Checks that the response is a user's."""
    [line] = wanted.lines.read_text().splitlines()[:1]
    if wanted.kind == "cookie":
        status, _, text = server.ask("GET", wanted.path, {"Cookie": line})
    else:
        status, _, text = server.ask("POST", wanted.path, seeds.JSON, line)
    expected = '"logged_in":true' if wanted.path.startswith("/posts") else '"user'
    if status != 200 or expected not in text:
        raise RuntimeError(f"{peer.name} {wanted.path} answered {status}: {text[:200]}")
