"""Clients that keep their connections, and note each response."""

import http.client
import itertools
import json
import random
import ssl
import threading
import time
from collections import Counter
from dataclasses import dataclass

PASSWORD = "plain tea at dawn"
_numbers = itertools.count()


@dataclass
class Response:
    what: str
    start: float
    end: float
    # A status, "refused" when nothing was sent, or "cut off".
    status: object
    retry_after: object
    body: bytes = b""
    # Whether the client's last login had no clear end, which may have replaced its session.
    unclear: bool = False

    def json(self):
        return json.loads(self.body)


class Client:
    """One connection, one cookie."""

    def __init__(self, address, https=False):
        self.host, port = address.rsplit(":", 1)
        self.port = int(port)
        self.https = https
        self.cookie = None
        self.connection = None
        self.unclear = False

    def connect(self):
        if self.https:
            context = ssl._create_unverified_context()
            connection = http.client.HTTPSConnection(
                self.host, self.port, timeout=30, context=context
            )
        else:
            connection = http.client.HTTPConnection(self.host, self.port, timeout=30)
        connection.connect()
        return connection

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None

    def ask(self, method, path, body=None):
        start = time.monotonic()
        headers = {"Cookie": self.cookie} if self.cookie else {}
        if body is not None:
            body = json.dumps(body)
            headers["Content-Type"] = "application/json"
        what = f"{method} {path}"

        def failed(status):
            self.close()
            return Response(what, start, time.monotonic(), status, None)

        try:
            if self.connection is None or self.connection.sock is None:
                self.connection = self.connect()
        except OSError:
            return failed("refused")
        try:
            self.connection.request(method, path, body, headers)
            response = self.connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException):
            return failed("cut off")
        for cookie in response.headers.get_all("Set-Cookie") or []:
            self.cookie = cookie.split(";")[0]
        return Response(
            what,
            start,
            time.monotonic(),
            response.status,
            response.headers["Retry-After"],
            content,
            self.unclear,
        )

    def log_in(self, name, password=None):
        response = self.ask("POST", "/login", login_of(name, password))
        self.unclear = response.status != 200
        return response


def login_of(name, password=None):
    """By the name alone, without a password."""
    return {"username": name} | ({"password": password} if password else {})


def sign_up_of(name):
    return {"username": name, "email": f"{name}@example.com", "password": PASSWORD}


class Load:
    """Clients, each on a thread, from `with` to its end."""

    def __init__(self, clients, step, pause=lambda: 0.005):
        """`step(client)` returns a response, or several."""
        self.responses = []
        self.clients, self.step, self.pause = clients, step, pause
        self.is_over = False
        self.threads = [
            threading.Thread(target=self._run, args=[client], daemon=True) for client in clients
        ]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.is_over = True
        for thread in self.threads:
            thread.join()
        for client in self.clients:
            client.close()

    def _run(self, client):
        while not self.is_over:
            seen = self.step(client)
            seen = seen if isinstance(seen, list) else [seen]
            self.responses.extend(seen)
            time.sleep(self.pause() if seen[-1].status != "refused" else 0.05)

    def between(self, start, end):
        """The responses to requests that were sent in this time."""
        return [one for one in list(self.responses) if start <= one.start < end]


def statuses(responses):
    counts = Counter(response.status for response in responses)
    return " ".join(f"{status}x{count}" for status, count in sorted(counts.items(), key=str))


def reader_and_writer(post):
    """What somebody who is logged in does: mostly looks, sometimes writes or logs in again."""

    def step(client):
        what = random.random()
        if what < 0.5:
            return client.ask("GET", "/checklogin")
        if what < 0.7:
            return client.ask("GET", f"/posts/{post}")
        if what < 0.8:
            return client.ask("GET", "/sessions")
        if what < 0.9:
            return client.ask("PUT", f"/posts/{post}/vote")
        if what < 0.95:
            return client.ask("POST", f"/posts/{post}/comments", {"text": "under load"})
        return client.log_in(client.name)

    return step


def add_user(node):
    """A user who logs in by name, which takes no core; the name."""
    name = f"user{next(_numbers)}"
    node.command("user", "add", name, "--no-password")
    return name


def users(node, count, proxy=None):
    """Clients that are logged in, and a post of the first of them."""
    clients = [Client(proxy or node.address, https=bool(proxy)) for _ in range(count)]
    for client in clients:
        client.name = add_user(node)
        assert client.log_in(client.name).status == 200
    post = clients[0].ask("POST", "/posts", {"title": "Under load", "text": "and faults"})
    return clients, post.json()["id"]
