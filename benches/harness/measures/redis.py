"""Hot beside what others do to be fast: Redis for sessions, a cache in the cookie."""

import sys

from .. import load
from ..data import seeds
from ..load import Load
from ..machine import ROUNDS, SECONDS
from ..rounds import medians
from ..servers.peers import BETTER_AUTH, HANDSTAMP_PEER, OURS
from ..servers.redis import Redis
from .comparison import check, or_another

GET = "Redis, `GET`"
CACHED = "Better Auth, cookie cache"


def redis():
    """Hot, beside GET by redis-benchmark, and Better Auth with its cookie cache on and off."""
    entrants = {peer.title: lambda peer=peer: hot(peer) for peer in OURS}
    entrants |= {
        GET: gets,
        CACHED: lambda: hot(BETTER_AUTH, {"COOKIE_CACHE": "on"}, with_cached_session),
        BETTER_AUTH.title: lambda: hot(BETTER_AUTH),
    }
    rounds = {title: [] for title in entrants}
    for number in range(ROUNDS):
        for title, measure in entrants.items():
            rounds[title].append({"rate": or_another(title, measure)})
            print(f"  {number + 1}/{ROUNDS} {title} {rounds[title][-1]}", file=sys.stderr)
    return {title: {"rounds": all, "median": medians(all)} for title, all in rounds.items()}


def hot(peer, environment=None, prepare=lambda server, cookies: cookies):
    data = seeds.copy(peer)
    with peer.start(data, environment) as server:
        cookies = (data / "hot").read_text().splitlines()
        seeds.write_lines(data / "prepared", prepare(server, cookies))
        wanted = Load(peer.check_login, "cookie", data / "prepared")
        check(server, wanted, peer)
        return load.warmed_up_run(server, wanted)["rate"]


def with_cached_session(server, cookies):
    """As a browser has it: with the cookie that the first response added."""
    for cookie in cookies:
        _, headers, _ = server.ask("GET", BETTER_AUTH.check_login, {"Cookie": cookie})
        added = [line.split(";")[0] for line in headers.get_all("Set-Cookie") or []]
        added = [one for one in added if "session_data=" in one]
        if not added:
            raise RuntimeError("Better Auth has cached no session in a cookie")
        yield "; ".join([cookie, *added])


def gets():
    data = seeds.copy(HANDSTAMP_PEER)
    with HANDSTAMP_PEER.start(data) as server:
        [cookie] = (data / "hot").read_text().splitlines()[:1]
        _, _, body = server.ask("GET", "/checklogin", {"Cookie": cookie})
    with Redis(data) as server:
        return server.gets_per_second(len(body.encode()), SECONDS)
