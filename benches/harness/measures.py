"""handstamp beside its peers: rounds in turn, medians."""

import sys
from dataclasses import dataclass
from typing import Callable

from . import handstamp_rows, load, rows, seeds
from .load import Load
from .machine import MORE_ROUNDS, ROUNDS, SLOW_SECONDS
from .peers import (
    ALL,
    AXUM,
    BEFORE_PEER,
    BETTER_AUTH,
    DEVELOPMENT,
    HANDSTAMP_PEER,
    OURS,
    SLOW,
    WITH_SESSIONS,
    Peer,
)
from .rounds import medians, ratio


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
            result = one_round_or_another(entrant)
            results[entrant].append(result)
            title = entrant.title or entrant.peer.title
            print(f"  {number + 1}/{entrant.rounds} {title:32} {result['rate']:>9.0f}/s", file=sys.stderr)
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


def one_round_or_another(entrant):
    """Measures again, which the page reports: one stall of the machine must not end a long run."""
    try:
        return one_round(entrant)
    except RuntimeError as error:
        print(f"  once more: {error}", file=sys.stderr)
        measured_again.append(entrant.peer.name)
        return one_round(entrant)


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


def hot():
    """The same 64 sessions over and over; more rounds, as the fastest differ by little."""
    return compare(
        [
            Entrant(
                peer,
                lambda data, peer=peer: hot_load(peer, data),
                rounds=ROUNDS if peer in SLOW else MORE_ROUNDS,
            )
            for peer in ALL
        ]
    )


def hot_load(peer, data):
    return Load(peer.check_login, "cookie", data / "hot")


def cold():
    """Each request another of as many sessions as there are, and a server just started."""
    entrants = [
        Entrant(peer, lambda data, peer=peer: cold_load(peer, data))
        for peer in ALL
        if peer not in OURS
    ]
    ours = [
        Entrant(
            peer,
            lambda data, peer=peer: cold_load(peer, data),
            title=peer.title + what,
            prepare=prepare,
        )
        for what, prepare in [
            ("", handstamp_rows.used_in_an_hour),
            (", last use written", handstamp_rows.used_an_hour_ago),
        ]
        for peer in OURS
    ]
    return compare(entrants[:1] + ours + entrants[1:])


def cold_load(peer, data):
    return Load(peer.check_login, "cookie", data / "cookies", once=peer is not AXUM)


def login():
    """By name alone, each time another user."""
    entrants = [
        Entrant(
            peer,
            lambda data: Load("/login", "body", data / "names"),
            environment=tuple(DEVELOPMENT.items()) if peer in OURS else (),
        )
        for peer in WITH_SESSIONS
        if peer is not BETTER_AUTH
    ]
    yardstick = Entrant(AXUM, lambda data: hot_load(AXUM, data))
    return compare([yardstick, *entrants])


def password():
    """With a password, 64 users in turn."""
    paths = {peer: "/login" for peer in OURS} | {BETTER_AUTH: "/api/auth/sign-in/email"}
    return compare(
        [
            Entrant(peer, lambda data, path=path: password_load(path, data))
            for peer, path in paths.items()
        ]
    )


def password_load(path, data):
    """Few at once: each takes its time."""
    return Load(path, "body", data / "passwords", connections=4, seconds=SLOW_SECONDS)


def news():
    """The front page and one post of the sample news, for readers who are logged in."""
    return compare(
        [
            Entrant(AXUM, lambda data: hot_load(AXUM, data)),
            Entrant(
                HANDSTAMP_PEER,
                lambda data: Load("/posts", "cookie", data / "hot"),
                title="handstamp, `GET /posts`",
            ),
            Entrant(
                HANDSTAMP_PEER,
                lambda data: Load(f"/posts/{newest_post(data)}", "cookie", data / "hot"),
                title="handstamp, `GET /posts/{id}`",
            ),
        ]
    )


def newest_post(data):
    database = rows.connect(data / "handstamp.db")
    [id] = database.execute("select id from posts order by id desc limit 1").fetchone()
    database.close()
    return handstamp_rows.uuid_text(id)
