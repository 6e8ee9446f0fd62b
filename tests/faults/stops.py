"""Stops and restarts under load."""

import random
import socket
import time

from .load import Client, Load, statuses, users
from .report import Seen, fault, rounds
from .servers import Nginx, Node, wait_until

CLIENTS = 16
REQUESTS = 5000
# Of a type that is read before it is answered.
HALF = (
    b"POST /login HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n"
    b"content-length: 9\r\n\r\n{"
)


def check(client):
    return client.ask("GET", "/checklogin")


def sometimes_idle():
    """Most requests come at once, some on a connection that was idle for up to three seconds."""
    return 0 if random.random() < 0.95 else random.uniform(0, 3)


@fault
def stop_under_load(folder):
    """SIGTERM under load from clients that keep their connections, 30 rounds."""
    seen = Seen()
    url = f"sqlite://{folder}/handstamp.db"
    count = cut = 0
    statuses_seen, exits, longest = [], set(), 0
    for _ in range(rounds(30)):
        with Node(folder, url) as node:
            clients, _ = users(node, CLIENTS)
            with Load(clients, check, sometimes_idle) as load:
                time.sleep(1)
                start = time.monotonic()
                exits.add(node.stop())
                longest = max(longest, time.monotonic() - start)
        served = [one for one in load.responses if one.status != "refused"]
        count += len(served)
        statuses_seen += served
        cut += sum(one.status == "cut off" for one in served)
    seen.note(f"{count} requests: {statuses(statuses_seen)}")
    seen.note(f"the exit took at most {longest:.1f} s")
    seen.must(cut == 0, f"{cut} were cut off")
    seen.must(all(one.status in {200, "cut off"} for one in statuses_seen), "not all were 200")
    seen.must(exits == {0}, f"exit status {exits}")
    return seen


@fault
def stuck_client(folder):
    """SIGTERM while clients have sent half a request."""
    seen = Seen()
    node = Node(folder, f"sqlite://{folder}/handstamp.db", SHUTDOWN_TIMEOUT="3s")
    with node:
        halves = [b"GET / HT", HALF]
        stuck = [socket.create_connection(("127.0.0.1", node.port)) for _ in halves]
        for connection, half in zip(stuck, halves):
            connection.sendall(half)
        start = time.monotonic()
        status = node.stop()
        took = time.monotonic() - start
    seen.note(f"exit {status} after {took:.1f} s with SHUTDOWN_TIMEOUT=3s")
    seen.must(status == 0 and took < 5.5, "held up")
    return seen


@fault
def stuck_client_at_restart(folder):
    """A restart with socket activation while a client has sent half a request."""
    seen = Seen()
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as listener:
        url = f"sqlite://{folder}/handstamp.db"
        with Node(folder, url, listener, SHUTDOWN_TIMEOUT="3s") as node:
            clients, _ = users(node, 4)
            with socket.create_connection(listener.getsockname()) as stuck:
                stuck.sendall(HALF)
                with Load(clients, check) as load:
                    time.sleep(1)
                    start = time.monotonic()
                    seen.must(node.stop() == 0, "exit status")
                    took = time.monotonic() - start
                    node.start()
                    time.sleep(1)
    seen.must(took > 3, f"the stuck client was not waited for: {took:.1f} s")
    longest = max(one.end - one.start for one in load.responses)
    seen.note(f"{len(load.responses)} requests: {statuses(load.responses)}")
    seen.note(f"the stop took {took:.1f} s with SHUTDOWN_TIMEOUT=3s, the longest request {longest:.2f} s")
    seen.must(all(one.status == 200 for one in load.responses), "some failed")
    seen.must(longest < 5.5, "held up")
    return seen


@fault
def restart_behind_nginx(folder):
    """Restarts under load through nginx, with socket activation as in deploy/."""
    seen = Seen()
    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
    url = f"sqlite://{folder}/handstamp.db"
    with Node(folder, url, listener) as node, Nginx(folder, [node]) as nginx:
        clients, _ = users(node, CLIENTS, nginx.address)
        restarts = 0
        with Load(clients, check, lambda: 0.01) as load:
            while len(load.responses) < REQUESTS or restarts < 5:
                time.sleep(1)
                seen.must(node.stop() == 0, "exit status")
                node.start()
                restarts += 1
        longest = max(one.end - one.start for one in load.responses)
        failed = [one for one in load.responses if one.status != 200]
    seen.note(f"{restarts} restarts, {len(load.responses)} requests: {statuses(load.responses)}")
    seen.note(f"the longest took {longest:.2f} s")
    seen.must(not failed, f"{len(failed)} failed")
    return seen


@fault
def descriptors_exhausted(folder):
    """More clients than the process may have files open, most of them idle."""
    seen = Seen()
    program = folder / "limited"
    from .servers import HANDSTAMP

    program.write_text(f'#!/bin/sh\nulimit -n 128\nexec {HANDSTAMP} "$@"\n')
    program.chmod(0o755)
    with Node(folder, f"sqlite://{folder}/handstamp.db", program=program) as node:
        clients, _ = users(node, 4)
        idle = [socket.create_connection(("127.0.0.1", node.port)) for _ in range(200)]
        with Load(clients, check) as load:
            time.sleep(3)
        seen.note(f"beside 200 idle connections: {statuses(load.responses)}")
        bad = [one for one in load.responses if one.status not in {200, "cut off"}]
        seen.must(not bad, f"also {statuses(bad)}")
        for connection in idle:
            connection.close()
        wait_until(node.is_ready)
        after = [Client(node.address).ask("GET", "/healthz").status for _ in range(20)]
        seen.must(after == [200] * 20, "not served afterwards")
    return seen
