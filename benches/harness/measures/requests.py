"""handstamp beside its peers, one kind of request at a time."""

from ..data import handstamp_rows, rows
from ..load import Load
from ..machine import MORE_ROUNDS, ROUNDS, SLOW_SECONDS
from ..servers.peers import (
    ALL,
    AXUM,
    BETTER_AUTH,
    DEVELOPMENT,
    HANDSTAMP_PEER,
    OURS,
    SLOW,
    WITH_SESSIONS,
)
from .comparison import Entrant, compare

NEWS = {"NEWS": "on"}


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
                environment=tuple(NEWS.items()),
            ),
            Entrant(
                HANDSTAMP_PEER,
                lambda data: Load(f"/posts/{newest_post(data)}", "cookie", data / "hot"),
                title="handstamp, `GET /posts/{id}`",
                environment=tuple(NEWS.items()),
            ),
        ]
    )


def newest_post(data):
    database = rows.connect(data / "handstamp.db")
    [id] = database.execute("select id from posts order by id desc limit 1").fetchone()
    database.close()
    return handstamp_rows.uuid_text(id)
