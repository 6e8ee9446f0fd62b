"""Several nodes on one PostgreSQL."""

import itertools
import math
import os
import random
import subprocess
import threading
import time

from .load import PASSWORD, Client, Load, add_user, reader_and_writer, statuses, users
from .report import Seen, Skipped, fault, rounds
from .servers import HANDSTAMP, Nginx, Node, Postgres, run, wait_until

# docs/configuration.md: what another process did applies within this long, and where the network or
# the machine is slow within a second.
FRESHNESS = 0.2
LONGEST = 1
PATIENCE = 10
MIGRATIONS = "select count(*) from _handstamp_migrations"


@fault
def revoked_on_the_other_node(folder):
    """Log-outs, revocations and disabled users of one node are refused on the other."""
    seen = Seen()
    with (
        Postgres(folder) as postgres,
        Node(folder, postgres.url) as one,
        Node(folder, postgres.url) as other,
        Nginx(folder, [one, other]) as nginx,
    ):
        name = add_user(one)

        def log_out(here, _):
            assert here.ask("DELETE", "/logout").status == 200

        def revoke(here, _):
            second = Client(one.address)
            assert second.log_in(name).status == 200
            sessions = here.ask("GET", "/sessions").json()["sessions"]
            current = next(one["id"] for one in sessions if one["current"])
            assert second.ask("DELETE", f"/sessions/{current}").status == 204
            second.close()

        def disable(_, user):
            one.command("user", "disable", user)

        for what, end, trials in [
            ("log-outs", log_out, rounds(500)),
            ("revocations", revoke, rounds(500)),
            ("disabled users", disable, rounds(500)),
        ]:
            lags, let_in = [], 0
            for _ in range(trials):
                here, there = Client(one.address), Client(other.address)
                balanced = Client(nginx.address, https=True)
                user = name
                assert here.log_in(name).status == 200
                there.cookie = balanced.cookie = here.cookie
                assert there.ask("GET", "/checklogin").status == 200
                end(here, user)
                start = time.monotonic()
                lags.append(refused_after(there, start))
                # Whichever node nginx takes.
                answers = [balanced.ask("GET", "/checklogin").status for _ in range(2)]
                let_in += answers != [401, 401]
                for client in here, there, balanced:
                    client.close()
                if end is disable:
                    one.command("user", "enable", user)
            lags.sort()
            p99 = lags[int(len(lags) * 0.99)]
            seen.note(
                f"{trials} {what}: refused after {p99 * 1000:.0f} ms (p99), "
                f"{lags[-1] * 1000:.0f} ms at most"
            )
            seen.must(p99 <= FRESHNESS, f"{what}: {p99 * 1000:.0f} ms (p99)")
            seen.must(lags[-1] <= LONGEST, f"{what}: {lags[-1] * 1000:.0f} ms")
            seen.must(let_in == 0, f"{what}: {let_in} let in by nginx's node")
    return seen


class Acknowledged:
    """What was acknowledged in a round."""

    def __init__(self):
        self.signed_up, self.logged_out, self.voted, self.comments = [], [], [], []

    def step(self, post):
        def step(client):
            """A user's whole life: signs up, votes, comments, logs out."""
            client.cookie = None
            name = f"life{random.getrandbits(60):x}"
            account = {"username": name, "email": f"{name}@example.com", "password": PASSWORD}
            responses = [client.ask("POST", "/signup", account)]
            if responses[0].status != 201:
                return responses
            self.signed_up.append(name)
            responses.append(client.ask("PUT", f"/posts/{post}/vote"))
            if responses[-1].status == 200:
                self.voted.append(name)
            responses.append(client.ask("POST", f"/posts/{post}/comments", {"text": name}))
            if responses[-1].status == 201:
                self.comments.append(name)
            cookie = client.cookie
            responses.append(client.ask("DELETE", "/logout"))
            if responses[-1].status == 200:
                self.logged_out.append(cookie)
            return responses

        return step

    def lost(self, node, post):
        """How much of it does not hold on a node."""
        lost = 0
        for cookie in self.logged_out:
            client = Client(node.address)
            client.cookie = cookie
            lost += client.ask("GET", "/checklogin").status != 401
            client.close()
        for name in self.signed_up:
            client = Client(node.address)
            account = {"username": name, "password": PASSWORD}
            if client.ask("POST", "/login", account).status != 200:
                lost += 1
                continue
            seen = client.ask("GET", f"/posts/{post}").json()
            lost += name in self.voted and not seen["post"]["voted"]
            if name in self.comments:
                lost += all(comment["text"] != name for comment in seen["comments"])
            client.close()
        return lost

    def count(self):
        every = self.signed_up, self.logged_out, self.voted, self.comments
        return sum(map(len, every))


@fault
def node_killed(folder):
    """kill -9 of one of two nodes under load: what was acknowledged holds on the other."""
    seen = Seen()
    count = lost = 0
    responses = []
    with (
        Postgres(folder) as postgres,
        Node(folder, postgres.url) as one,
        Node(folder, postgres.url) as other,
        Nginx(folder, [one, other]) as nginx,
    ):
        author, _ = users(one, 1)
        for number in range(rounds(50)):
            victim, left = (one, other) if number % 2 else (other, one)
            # A post of each round's own, as a page of comments is limited.
            title = {"title": f"Round {number}", "text": "-"}
            posts = []

            def is_posted():
                posts.append(author[0].ask("POST", "/posts", title))
                return posts[-1].status == 201

            wait_until(is_posted)
            post = posts[-1].json()["id"]
            known = Acknowledged()
            clients = [Client(nginx.address, https=True) for _ in range(6)]
            with Load(clients, known.step(post), lambda: 0) as load:
                time.sleep(0.5 + random.random() / 2)
                victim.kill()
                time.sleep(0.3)
            count += known.count()
            lost += known.lost(left, post)
            responses += load.responses
            victim.start()
    seen.note(f"{rounds(50)} rounds, {count} acknowledged, {lost} lost")
    seen.note(f"clients saw {statuses(responses)}")
    seen.must(lost == 0, f"{lost} lost")
    seen.must(count > 0, "nothing was acknowledged")
    return seen


@fault
def nodes_start_together(folder):
    """Eight nodes start at once on an empty database."""
    seen = Seen()
    with Postgres(folder) as postgres:
        for number in range(rounds(5)):
            postgres.sql(f"create database round{number}")
            url = postgres.url.replace("/postgres?", f"/round{number}?")
            nodes = [Node(folder, url) for _ in range(8)]
            threads = [threading.Thread(target=node.start) for node in nodes]
            try:
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
                ready = [node.process is not None and node.is_ready() for node in nodes]
            finally:
                for node in nodes:
                    if node.process:
                        node.kill()
            seen.must(all(ready), f"{ready.count(False)} did not start")
    seen.note(f"{rounds(5)} rounds of 8 nodes, all ready")
    return seen


@fault
def rolling_upgrade(folder):
    """Two nodes are upgraded one after the other; scripts/rolling-upgrade builds the old version."""
    before = os.environ.get("HANDSTAMP_BEFORE")
    if not before:
        raise Skipped("scripts/rolling-upgrade runs it")
    seen = Seen()
    with (
        Postgres(folder) as postgres,
        Node(folder, postgres.url, program=before) as one,
        Node(folder, postgres.url, program=before) as other,
        Nginx(folder, [one, other]) as nginx,
    ):
        clients, post = users(one, 8, nginx.address)
        migrations = int(postgres.read(MIGRATIONS))
        with Load(clients, reader_and_writer(post)) as load:
            time.sleep(1)
            tries = migrate_beside_a_report(postgres, one)
            added = int(postgres.read(MIGRATIONS)) - migrations
            # While one is away nginx takes the other.
            for node in one, other:
                seen.must(node.stop() == 0, "exit status")
                node.program = HANDSTAMP
                node.start()
                time.sleep(1.5)
                if node is one:
                    lags = [logged_out(one, other), logged_out(other, one)]
                    # A node of the old version that fails meanwhile starts again.
                    other.kill()
                    other.start()
                    time.sleep(1)
        seen.note(f"{added} migrations, in {tries} tries, while a report read the tables")
        seen.must(added, "both versions have the same tables")
        seen.must(tries > 1, "no migration had to wait for the report")
        seen.note(f"{len(load.responses)} requests: {statuses(load.responses)}")
        seen.note(f"log-outs refused by the other version after {max(lags) * 1000:.0f} ms at most")
        seen.must(max(lags) <= FRESHNESS, "a log-out came late")
        # A node that is killed takes the requests with it that it was handling.
        bad = [one for one in load.responses if one.status not in {200, 201, 502}]
        seen.must(not bad, f"also {statuses(bad)}")
        killed = sum(one.status == 502 for one in load.responses)
        seen.must(killed <= len(clients), f"{killed} failed")
    return seen


def migrate_beside_a_report(postgres, node):
    """Migrates as docs/operations.md has it, while a report reads the tables for long."""
    tables = "select count(*) from users, sessions limit 1"
    report = threading.Thread(
        target=postgres.sql, args=[f"begin; {tables}; select pg_sleep(3); commit"]
    )
    report.start()
    time.sleep(0.5)
    environment = node.environment | {
        "DATABASE_URL": f"{postgres.url}&options[lock_timeout]=500ms"
    }
    for tries in itertools.count(1):
        try:
            run(HANDSTAMP, "migrate", env=environment, cwd=node.folder, stderr=subprocess.DEVNULL)
            break
        except subprocess.CalledProcessError:
            assert tries < 20, "the migration never got its lock"
            time.sleep(1)
    report.join()
    return tries


def refused_after(client, start):
    """Seconds from `start` to the first 401; forever, when there is none for long."""
    while time.monotonic() < start + PATIENCE:
        # A 503 or a connection that was cut off refuses nobody.
        if client.ask("GET", "/checklogin").status == 401:
            return time.monotonic() - start
    return math.inf


def logged_out(here, there):
    """How long after a log-out on one node the other lets nobody in."""
    one, other = Client(here.address), Client(there.address)
    assert one.log_in(add_user(here)).status == 200
    other.cookie = one.cookie
    assert other.ask("GET", "/checklogin").status == 200
    assert one.ask("DELETE", "/logout").status == 200
    lag = refused_after(other, time.monotonic())
    one.close()
    other.close()
    return lag
