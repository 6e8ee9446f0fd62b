"""How long a session that one node ended is still accepted by another."""

import http.client
import os
import random
import signal
import sys
import time
from contextlib import contextmanager

from .. import load
from ..data import postgres_rows, seeds
from ..load import Load
from ..machine import BOTH_CORES, LOAD_CORE, TRIALS
from ..servers.peers import OURS

# Few, as each takes its time.
SLOW_TRIALS = max(TRIALS // 10, 3)
CONNECTIONS = 16
LONGEST_PAUSE = 0.15
LONGEST_STOP = 3
READER_TIMEOUT = 5


def lag():
    """Log out on one node, ask another on the same PostgreSQL with the same cookie until 401."""
    os.sched_setaffinity(0, set(BOTH_CORES))
    try:
        with postgres_rows.seeded(OURS) as postgres:
            return {peer.name: of_peer(postgres, peer) for peer in OURS}
    finally:
        os.sched_setaffinity(0, {LOAD_CORE})


def of_peer(postgres, peer):
    data = postgres_rows.FOLDER / peer.name
    # Not the hot ones, which the load takes.
    cookies = iter((data / "cookies").read_text().splitlines()[: -seeds.HOT_SESSIONS])
    postgres.create("round", peer.name)
    with node(postgres, peer, data, "node-a") as a, node(postgres, peer, data, "node-b") as b:
        nodes = Nodes(a, b, cookies)
        results = {"rest": several(nodes.trial, TRIALS)}
        with under_load([a, b], data / "hot") as rates:
            results["load"] = several(nodes.trial, TRIALS)
        results["load"]["hot_rate"] = sum(rates)
        results["cut"] = several(lambda: nodes.trial(lambda: cut(postgres)), SLOW_TRIALS)
        results["stopped"] = several(nodes.stopped_trial, SLOW_TRIALS)
    for state, result in results.items():
        print(f"  {peer.title} {state} {result}", file=sys.stderr)
    return results


def node(postgres, peer, data, name):
    return peer.start(data, {"DATABASE_URL": postgres.url("round", name)}, BOTH_CORES)


def several(trial, count):
    trials = [trial() for _ in range(count)]
    lags = sorted(lag for lag, _ in trials)
    return {
        "trials": count,
        "accepted": sum(accepted > 0 for _, accepted in trials),
        "median": lags[count // 2],
        "p99": lags[min(count * 99 // 100, count - 1)],
        "max": lags[-1],
    }


class Nodes:
    """One to log out on, one whose cache has the session."""

    def __init__(self, a, b, cookies):
        self.a, self.b = (http.client.HTTPConnection("127.0.0.1", on.port) for on in [a, b])
        self.b_process = b.process.pid
        self.cookies = cookies

    def trial(self, before_log_out=lambda: None):
        """Seconds from the response of the log-out to the first 401, and how often it was 200."""
        cookie = self.cached()
        before_log_out()
        self.log_out(cookie)
        ended = time.perf_counter()
        return self.refused(ended, self.status(self.b, "GET", "/checklogin", cookie), cookie)

    def stopped_trial(self):
        """Seconds from when the other node goes on; the first request waits for it."""
        cookie = self.cached()
        os.kill(self.b_process, signal.SIGSTOP)
        try:
            self.log_out(cookie)
            time.sleep(random.uniform(0, LONGEST_STOP))
            self.b.request("GET", "/checklogin", headers={"Cookie": cookie})
        finally:
            os.kill(self.b_process, signal.SIGCONT)
        resumed = time.perf_counter()
        return self.refused(resumed, self.answer(self.b), cookie)

    def refused(self, since, status, cookie):
        accepted = 0
        while status == 200:
            accepted += 1
            time.sleep(0.0002)
            status = self.status(self.b, "GET", "/checklogin", cookie)
        return time.perf_counter() - since, accepted

    def cached(self):
        """A session that the other node has cached, at any moment of its reader's round."""
        cookie = next(self.cookies)
        for pause in [0, random.uniform(0, LONGEST_PAUSE), 0]:
            time.sleep(pause)
            if self.status(self.b, "GET", "/checklogin", cookie) != 200:
                raise RuntimeError("a session is not logged in before its log-out")
        return cookie

    def log_out(self, cookie):
        if self.status(self.a, "DELETE", "/logout", cookie) != 200:
            raise RuntimeError("a log-out was refused")

    def status(self, connection, method, path, cookie):
        connection.request(method, path, headers={"Cookie": cookie})
        return self.answer(connection)

    def answer(self, connection):
        response = connection.getresponse()
        response.read()
        if response.status not in {200, 401}:
            raise RuntimeError(f"a node answered {response.status}")
        return response.status


@contextmanager
def under_load(servers, lines):
    """Hot requests to every server all the while; their rates, once it is over."""
    hot = Load("/checklogin", "cookie", lines, CONNECTIONS, threads=1, cores=BOTH_CORES)
    running = [load.start(server, hot, seeds.LONGEST_SECONDS) for server in servers]
    rates = []
    try:
        time.sleep(1)
        yield rates
        for wrk in running:
            # It prints what it has measured so far.
            wrk.send_signal(signal.SIGINT)
            rates.append(load.finish(wrk, hot)["rate"])
    finally:
        for wrk in running:
            wrk.kill()
            wrk.wait()


def cut(postgres):
    """Ends the connection on which the other node reads the log of revocations."""
    deadline = time.monotonic() + READER_TIMEOUT
    # It may not have connected again after the last time.
    while time.monotonic() < deadline:
        ended = postgres.sql(
            "postgres",
            """select count(pg_terminate_backend(pid)) from pg_stat_activity
               where application_name = 'node-b' and query ilike '%revocations%'""",
        )
        if int(ended):
            return
    raise RuntimeError("no connection reads the log of revocations")
