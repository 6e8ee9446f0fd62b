"""Clients that go away in the middle of a login, and a server that is killed during logins."""

import json
import random
import socket
import struct
import threading
import time
from contextlib import nullcontext
from itertools import chain

from . import stores
from .load import PASSWORD, Client, Load, login_of, sign_up_of, statuses
from .report import Seen, fault, rounds
from .servers import Node, Postgres

CLIENTS = 1000
AT_ONCE = 16
# Longer than a login may queue for its password.
QUIET = 3.5
# Accounts for each round; every one of them logs in at most once.
ACCOUNTS = 6000
# SO_LINGER: closing resets the connection, as a client that crashed or lost its network does.
RESET = struct.pack("ii", 1, 0)


@fault
def disconnects(folder):
    """Clients that disconnect during a login, then kill -9 under logins; on both databases."""
    seen = Seen()
    for kind in "SQLite", "PostgreSQL":
        here = folder / kind
        here.mkdir(mode=0o711)
        with Postgres(here) if kind == "PostgreSQL" else nullcontext() as postgres:
            store = stores.Postgres(postgres) if postgres else stores.Sqlite(here / "handstamp.db")
            with Node(here, store.url) as node:
                Trial(kind, node, store, seen).run()
    return seen


class Trial:
    """One database, one node."""

    def __init__(self, kind, node, store, seen):
        self.kind, self.node, self.store, self.seen = kind, node, store, seen
        # Names by cookie, and names.
        self.logged_in, self.signed_up = {}, []

    def run(self):
        assert self.sign_up(Client(self.node.address), "template").status == 201
        self.go_away()
        for _ in range(rounds(5)):
            self.kill()
        problem = self.store.problem()
        self.must(not problem, problem)
        counts = len(self.logged_in), len(self.signed_up)
        self.note("%d acknowledged logins and %d sign-ups hold" % counts)

    def note(self, part):
        self.seen.note(f"{self.kind}: {part}")

    def must(self, is_so, otherwise):
        self.seen.must(is_so, f"{self.kind}: {otherwise}")

    def go_away(self):
        """A thousand logins whose clients do not wait for the end."""
        quick = self.store.add_accounts("quick", CLIENTS // 2, with_password=False)
        slow = self.store.add_accounts("slow", CLIENTS // 2 + 1, with_password=True)
        pace = self.pace(slow.pop())
        leaving = [(name, None, 0.005) for name in quick]
        # While the request waits for its turn, while the password is hashed, during the write.
        leaving += [(name, PASSWORD, random.choice([0.005, pace * 3])) for name in slow]
        random.shuffle(leaving)
        before = self.store.logins()
        acknowledged = 0
        lock = threading.Lock()

        def leave():
            nonlocal acknowledged
            while True:
                with lock:
                    if not leaving:
                        return
                    name, password, longest = leaving.pop()
                seconds = random.uniform(0, longest)
                cookie = log_in_and_leave(self.node, login_of(name, password), seconds)
                if cookie:
                    self.logged_in[cookie] = name
                    acknowledged += 1

        count = len(leaving)
        in_threads(leave, AT_ONCE)
        time.sleep(QUIET)
        after = self.store.logins() - before
        self.note(
            f"{count} clients disconnected, {acknowledged} after a whole response; "
            f"{after} logins are in the database"
        )
        self.must(after >= acknowledged, "an acknowledged login is not in the database")
        self.must(acknowledged < after < count, "nobody disconnected in the middle of a login")
        self.check()

    def pace(self, name):
        """How long an undisturbed login takes."""
        client = Client(self.node.address)
        response = client.log_in(name, PASSWORD)
        assert response.status == 200, response
        self.logged_in[client.cookie] = name
        return response.end - response.start

    def kill(self):
        """kill -9 while some log in or sign up, and others disconnect."""
        number = random.getrandbits(40)
        quick = iter(self.store.add_accounts(f"q{number}x", ACCOUNTS, with_password=False))
        slow = iter(self.store.add_accounts(f"s{number}x", ACCOUNTS // 10, with_password=True))
        left = iter(self.store.add_accounts(f"l{number}x", ACCOUNTS, with_password=False))
        lock = threading.Lock()

        def another(names):
            with lock:
                return next(names)

        def step(client):
            client.cookie = None
            if client.does == "leave":
                login = login_of(another(left))
                log_in_and_leave(self.node, login, random.uniform(0, 0.005))
                return client.ask("GET", "/healthz")
            if client.does == "sign up":
                return self.sign_up(client, f"new{random.getrandbits(60):x}")
            if client.does == "log in slowly":
                name = another(slow)
                response = client.log_in(name, PASSWORD)
            else:
                name = another(quick)
                response = client.log_in(name)
            if response.status == 200:
                self.logged_in[client.cookie] = name
            return response

        clients = []
        for does in chain(["log in"] * 8, ["log in slowly"] * 3, ["sign up"] * 3, ["leave"] * 2):
            client = Client(self.node.address)
            client.does = does
            clients.append(client)
        with Load(clients, step, lambda: 0) as load:
            time.sleep(random.uniform(0.5, 1.5))
            self.node.kill()
        strange = [
            one for one in load.responses if one.status not in {200, 201, 503, "cut off", "refused"}
        ]
        self.must(not strange, f"also {statuses(strange)}")
        cut = sum(one.status == "cut off" for one in load.responses)
        self.must(cut, "nothing was in flight at the kill")
        self.node.start()
        self.check()

    def sign_up(self, client, name):
        response = client.ask("POST", "/signup", sign_up_of(name))
        if response.status == 201:
            self.signed_up.append(name)
            self.logged_in[client.cookie] = name
        return response

    def check(self):
        """What was acknowledged holds, and there is no half of a login."""
        for what, count in self.store.halves().items():
            self.must(count == 0, f"{count} {what}")
        reader = Client(self.node.address)
        out = 0
        for reader.cookie, name in list(self.logged_in.items()):
            response = reader.ask("GET", "/checklogin")
            out += response.status != 200 or response.json()["username"] != name
        self.must(out == 0, f"{out} of {len(self.logged_in)} acknowledged logins are lost")
        reader.close()
        checked = getattr(self, "checked", 0)
        writer, lost = Client(self.node.address), 0
        for name in self.signed_up[checked:]:
            writer.cookie = None
            lost += writer.log_in(name, PASSWORD).status != 200
        self.checked = len(self.signed_up)
        self.must(lost == 0, f"{lost} acknowledged sign-ups are lost")
        writer.close()


def log_in_and_leave(node, login, seconds):
    """Sends a login and disconnects after this long; the cookie, where the response was there."""
    body = json.dumps(login)
    head = "POST /login HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n"
    request = f"{head}content-length: {len(body)}\r\n\r\n{body}".encode()
    try:
        with socket.create_connection(("127.0.0.1", node.port)) as connection:
            connection.sendall(request)
            time.sleep(seconds)
            connection.setblocking(False)
            try:
                response = connection.recv(65536)
            except BlockingIOError:
                response = b""
            if random.random() < 0.5:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    except OSError:
        return None
    head, end, _ = response.partition(b"\r\n\r\n")
    if not end or not head.startswith(b"HTTP/1.1 200"):
        return None
    lines = head.decode().split("\r\n")
    return next(
        line.split(":", 1)[1].split(";")[0].strip()
        for line in lines
        if line.lower().startswith("set-cookie:")
    )


def in_threads(work, count):
    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
