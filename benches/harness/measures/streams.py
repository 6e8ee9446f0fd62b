"""Streams of events: how soon the end of a session arrives, and what many of them cost."""

import http.client
import itertools
import json
import os
import random
import resource
import selectors
import socket
import subprocess
import sys
import time
from contextlib import contextmanager

from .. import load
from ..data import postgres_rows, rows, seeds
from ..load import Load
from ..machine import BOTH_CORES, LOAD_CORE, ROUNDS, SECONDS, TRIALS
from ..rounds import medians, ratio
from ..servers.peers import HANDSTAMP_PEER, PASSWORD

ENDS = max(TRIALS // 5, 3)
OPEN = 5_000
AT_ONCE = 1_000
USERS = 5_000
# At any moment of the other node's round.
LONGEST_PAUSE = 0.25
PATIENCE = 60
OTHER_PASSWORD = "black coffee by noon"


def streams():
    """A session ends in each way; 5,000 open streams; 1,000 sessions revoked at once."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    result = {"open": many_open()}
    os.sched_setaffinity(0, set(BOTH_CORES))
    try:
        databases = {"SQLite": on_sqlite, "PostgreSQL": on_postgres}
        for name, seeded in databases.items():
            with seeded() as (data, environment, keep_sessions):
                result[name] = ends(data, environment)
                keep_sessions(AT_ONCE)
                result[name]["at_once"] = all_at_once(data, environment)
            print(f"  {name} {result[name]}", file=sys.stderr)
    finally:
        os.sched_setaffinity(0, {LOAD_CORE})
    return result


@contextmanager
def on_sqlite():
    data = seeds.copy_of_size(USERS)

    def keep_sessions(count):
        database = rows.connect(data / "handstamp.db")
        database.execute(f"delete from sessions where {beyond('user_id', count)}")
        rows.settle(database, data / "handstamp.db")

    yield data, {}, keep_sessions


@contextmanager
def on_postgres():
    with postgres_rows.seeded([HANDSTAMP_PEER]) as postgres:
        data = postgres_rows.FOLDER / HANDSTAMP_PEER.name
        name = HANDSTAMP_PEER.name

        def keep_sessions(count):
            postgres.sql(name, f"delete from sessions where {beyond('user_id', count)}")

        yield data, {"DATABASE_URL": postgres.url(name)}, keep_sessions


def beyond(column, count):
    """Whose sessions are not among the first ones: their cookies are the first, too."""
    return f"""{column} is null or {column} not in
        (select u.id from users u where u.username in
            ({", ".join(f"'{rows.username(number)}'" for number in range(count))}))"""


class Stream:
    """An open stream of one session."""

    def __init__(self, server, cookie):
        self.socket = socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE)
        head = f"GET /session/events HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\n\r\n"
        self.socket.sendall(head.encode())
        self.received = b""
        while b'"active"' not in self.received:
            self.read()

    def read(self):
        part = self.socket.recv(4096)
        if not part:
            raise RuntimeError(f"a stream was closed after {self.received}")
        self.received += part

    def has_ended(self):
        return b'"ended"' in self.received and b"}" in self.received.partition(b'"ended"')[2]

    def end(self):
        """When the end arrived, and its reason."""
        while not self.has_ended():
            self.read()
        arrived = time.perf_counter()
        self.socket.close()
        data = self.received.partition(b'"ended"')[2].partition(b"}")[0].decode()
        return arrived, json.loads("{" + data.lstrip(",") + "}")["reason"]


def request(server, method, path, cookie=None, body=None):
    """The cookie that a request sets, and its body, once the response is there."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    headers = {"Cookie": cookie} if cookie else {}
    if body is not None:
        headers["Content-Type"] = "application/json"
        body = json.dumps(body)
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        if answer.status >= 400:
            raise RuntimeError(f"{method} {path}: {answer.status} {text}")
        set_cookie = answer.headers["Set-Cookie"]
        return set_cookie and set_cookie.partition(";")[0], text
    finally:
        connection.close()


def ends(data, environment):
    """Every way in which a session ends, on its own node, on another, and by commands."""
    lines = (data / "cookies").read_text().splitlines()
    # The first ones are for the end of all at once.
    numbered = itertools.islice(enumerate(lines), AT_ONCE, None)
    with start(data, environment) as here, start(data, environment) as there:
        ways = Ways(data, environment, here, numbered)
        result = {}
        for where, node in [("own", here), ("other", there)]:
            for how in [ways.logged_out, ways.revoked, ways.password_changed]:
                result[f"{where} {how.__name__}"] = several(lambda how=how: how(node))
        for reason, command in COMMANDS.items():
            by_command = several(lambda: ways.by_command(command, reason))
            result[f"command {reason}"] = by_command
    return result


def start(data, environment):
    return HANDSTAMP_PEER.start(data, environment, BOTH_CORES)


def several(trial):
    times = sorted(trial() for _ in range(ENDS))
    return {"trials": ENDS, "median": times[ENDS // 2], "max": times[-1]}


COMMANDS = {
    "revoked": ["user", "sign-out"],
    "password_changed": ["user", "password", "--password-stdin"],
    "disabled": ["user", "disable"],
    "deleted": ["user", "delete"],
}


class Ways:
    """Ends a session whose stream is open on one node; the seconds until the stream says so."""

    def __init__(self, data, environment, here, numbered):
        self.data, self.here, self.numbered = data, here, numbered
        self.environment = HANDSTAMP_PEER.environment(data) | environment
        self.passwords = [PASSWORD, OTHER_PASSWORD]

    def timed(self, cookie, reason, end):
        stream = Stream(self.here, cookie)
        time.sleep(random.uniform(0, LONGEST_PAUSE))
        end()
        ended = time.perf_counter()
        arrived, told = stream.end()
        if told != reason:
            raise RuntimeError(f"{told} instead of {reason}")
        # It may have come before the response was read.
        return max(arrived - ended, 0)

    def logged_out(self, node):
        _, cookie = next(self.numbered)
        return self.timed(cookie, "logged_out", lambda: request(node, "DELETE", "/logout", cookie))

    def revoked(self, node):
        _, cookie = next(self.numbered)
        [own] = json.loads(request(node, "GET", "/sessions", cookie)[1])["sessions"]
        path = f"/sessions/{own['id']}"
        return self.timed(cookie, "revoked", lambda: request(node, "DELETE", path, cookie))

    def password_changed(self, node):
        """By another session of the same user."""
        current, new = self.passwords
        login = {"username": rows.TEMPLATE, "password": current}
        cookie, other = (request(node, "POST", "/login", body=login)[0] for _ in range(2))
        change = {"current_password": current, "new_password": new}
        self.passwords.reverse()
        return self.timed(
            cookie,
            "password_changed",
            lambda: request(node, "POST", "/password", other, change),
        )

    def by_command(self, command, reason):
        number, cookie = next(self.numbered)
        [user, verb, *options] = command
        arguments = [HANDSTAMP_PEER.binary, user, verb, rows.username(number), *options]
        return self.timed(cookie, reason, lambda: self.run(arguments))

    def run(self, arguments):
        subprocess.run(
            arguments,
            input=PASSWORD,
            text=True,
            cwd=self.data,
            env={"PATH": os.environ["PATH"]} | self.environment,
            check=True,
            capture_output=True,
        )


def all_at_once(data, environment):
    """Seconds from the start of the command that ends every session to each stream's end."""
    cookies = (data / "cookies").read_text().splitlines()[:AT_ONCE]
    with start(data, environment) as server:
        opened = [Stream(server, cookie) for cookie in cookies]
        # The server hears of its own start.
        time.sleep(1)
        environment = HANDSTAMP_PEER.environment(data) | environment
        started = time.perf_counter()
        command = subprocess.Popen(
            [HANDSTAMP_PEER.binary, "user", "sign-out", "--all"],
            cwd=data,
            env={"PATH": os.environ["PATH"]} | environment,
            stdout=subprocess.DEVNULL,
        )
        times = [arrived - started for arrived in arrivals(opened)]
        if command.wait():
            raise RuntimeError("the sessions were not ended")
    times.sort()
    return {"streams": AT_ONCE, "median": times[AT_ONCE // 2], "max": times[-1]}


def arrivals(opened):
    """When each of the streams was told of its end."""
    with selectors.DefaultSelector() as selector:
        for stream in opened:
            selector.register(stream.socket, selectors.EVENT_READ, stream)
        while selector.get_map():
            ready = selector.select(PATIENCE)
            if not ready:
                raise RuntimeError(f"{len(selector.get_map())} streams were told of no end")
            for key, _ in ready:
                stream = key.data
                stream.read()
                if stream.has_ended():
                    selector.unregister(stream.socket)
                    yield stream.end()[0]


def many_open():
    """Hot requests beside open streams and without them, in turns, and the memory of both."""
    data = seeds.copy_of_size(USERS)
    hot = Load("/checklogin", "cookie", data / "hot")
    cookies = (data / "cookies").read_text().splitlines()[:OPEN]
    rounds = []
    with HANDSTAMP_PEER.start(data) as server:
        for _ in range(2):
            load.run(server, hot, SECONDS)
        before = server.memory()
        for number in range(ROUNDS):
            without = load.run(server, hot, SECONDS)
            opened = [Stream(server, cookie) for cookie in cookies]
            beside = load.run(server, hot, SECONDS)
            cpu = server.cpu_seconds()
            time.sleep(SECONDS)
            idle = (server.cpu_seconds() - cpu) / SECONDS
            rounds.append(
                {
                    "without": without["rate"],
                    "rate": beside["rate"],
                    "memory": server.memory() - before,
                    "idle_cpu": idle,
                }
            )
            print(f"  {number + 1}/{ROUNDS} {rounds[-1]}", file=sys.stderr)
            for stream in opened:
                stream.socket.close()
            # The next round begins without them.
            time.sleep(1)
    memory = max(one["memory"] for one in rounds)
    of_without = ratio([one["rate"] for one in rounds], [one["without"] for one in rounds])
    return medians(rounds) | {"streams": OPEN, "memory": memory, "ratio": of_without}
