"""Faults of PostgreSQL and of the way to it."""

import contextlib
import os
import subprocess
import sys
import threading
import time

from .load import Client, Load, reader_and_writer, statuses, users
from .report import SECONDS, Seen, fault, need_root
from .servers import Network, Node, Postgres, wait_until

CLIENTS = 12
# The server's own limit is 1.75 s; the rest is for a machine of two cores that also runs the load.
LONGEST = 2.0
# How long a cached session may be trusted.
FRESHNESS = 1.0
RECOVERY = 3.0
# Of one node: the pool, the writers and what reads the log of revocations.
BACKENDS = 40


def under_load(folder, postgres, broken, unavailable=True, count=CLIENTS, step=None):
    """What clients see before, during and after `with broken()`."""
    seen = Seen()
    with Node(folder, postgres.url) as node:
        clients, post = users(node, count)
        with Load(clients, step or reader_and_writer(post)) as load:
            time.sleep(2)
            start = time.monotonic()
            with broken():
                time.sleep(SECONDS / 2)
                ready = Client(node.address).ask("GET", "/readyz")
                time.sleep(SECONDS / 2)
                end = time.monotonic()
            returned = time.monotonic()
            time.sleep(RECOVERY + 3)
            over = time.monotonic()
        before = load.between(0, start - 0.1)
        during = load.between(start, end)
        after = load.between(returned, over)
        seen.note(f"before {statuses(before)}")
        seen.note(f"during {statuses(during)}")
        longest = max((one.end - one.start for one in load.responses), default=0)
        seen.note(f"longest {longest:.2f} s")
        allowed = {200, 201, 503}
        # Its commit may have been the last thing that the database did.
        unclear = [one for one in load.responses if one.status == 401 and one.unclear]
        if unclear:
            seen.note(f"{len(unclear)} 401 after a login that ended with 503")
        strange = [
            one for one in load.responses if one.status not in allowed and one not in unclear
        ]
        seen.must(not strange, f"also {statuses(strange)}")
        refused = [one for one in load.responses if one.status == 503]
        seen.must(all(one.retry_after for one in refused), "503 without Retry-After")
        seen.must(longest <= LONGEST, f"one took {longest:.2f} s")
        seen.must(all(one.status in {200, 201} for one in before), "503 before the fault")
        if unavailable:
            seen.must(ready.status == 503, f"/readyz {ready.status}")
            late = [
                one
                for one in during
                # What was still waiting at the end was served rightly.
                if one.status != 503 and one.start > start + FRESHNESS + 0.3 and one.end < end
            ]
            seen.must(not late, f"past the freshness bound {statuses(late)}")
        bad = [one.end for one in after if one.status == 503]
        recovery = max(bad, default=returned) - returned
        seen.note(f"served again after {recovery:.2f} s")
        seen.must(recovery <= RECOVERY, f"served again after {recovery:.2f} s")
        last = [one for one in after if one.start > returned + RECOVERY]
        seen.must(last and all(one.status in {200, 201} for one in last), "not served afterwards")
    return seen


@contextlib.contextmanager
def between(breaks, mends):
    breaks()
    try:
        yield
    finally:
        mends()


@fault
def database_stopped(folder):
    """PostgreSQL is stopped and started again."""
    with Postgres(folder) as postgres:

        def stop():
            postgres.control("stop", "--mode=immediate")

        return under_load(folder, postgres, lambda: between(stop, postgres.start))


@fault
def database_frozen(folder):
    """Every process of PostgreSQL is frozen (SIGSTOP)."""
    with Postgres(folder) as postgres:
        return under_load(folder, postgres, lambda: between(postgres.freeze, postgres.thaw))


@fault
def database_cut_off(folder):
    """The network between the server and PostgreSQL loses every packet."""
    need_root("a network namespace")
    with Network() as network, Postgres(folder, network) as postgres:
        return under_load(folder, postgres, lambda: between(network.cut, network.mend))


@fault
def database_slow(folder):
    """PostgreSQL runs a fifth of the time, in slices of 50 ms."""
    with Postgres(folder) as postgres:
        return under_load(folder, postgres, lambda: slowed(postgres), unavailable=False)


@contextlib.contextmanager
def again_and_again(step, pause):
    """Runs `step` in a thread, with a pause between, until the block ends."""
    is_over = threading.Event()

    def run():
        while not is_over.wait(pause):
            step()

    running = threading.Thread(target=run)
    running.start()
    try:
        yield
    finally:
        is_over.set()
        running.join()


def slowed(postgres):
    def freeze_shortly():
        postgres.freeze()
        time.sleep(0.05)
        postgres.thaw()

    return again_and_again(freeze_shortly, 0.0125)


@fault
def connections_cut(folder):
    """PostgreSQL ends every connection, twice a second."""
    with Postgres(folder) as postgres:
        return under_load(folder, postgres, lambda: cut_again(postgres), unavailable=False)


def cut_again(postgres):
    others = "backend_type = 'client backend' and pid <> pg_backend_pid()"
    sql = f"select pg_terminate_backend(pid) from pg_stat_activity where {others}"
    return again_and_again(lambda: postgres.sql(sql), 0.5)


@fault
def pool_exhausted(folder):
    """A lock on the sessions holds every connection of the pool back."""
    with Postgres(folder) as postgres:

        @contextlib.contextmanager
        def broken():
            locking = subprocess.Popen(
                [
                    *(["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []),
                    postgres.programs / "psql",
                    f"--host={postgres.folder}",
                    "--username=postgres",
                    "--quiet",
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                cwd="/",
                text=True,
            )
            locking.stdin.write("begin; lock table sessions;\n")
            locking.stdin.flush()
            watching.start()
            try:
                yield
            finally:
                is_over.set()
                watching.join()
                locking.communicate("rollback;\n")

        most, is_over = 0, threading.Event()

        def watch():
            nonlocal most
            while not is_over.wait(0.5):
                most = max(most, postgres.backends())

        watching = threading.Thread(target=watch)

        def read(client):
            return client.ask("GET", "/sessions")

        seen = under_load(folder, postgres, broken, unavailable=False, count=24, step=read)
        # A query that was given up must not leave its backend waiting for the lock.
        seen.note(f"at most {most} backends of PostgreSQL")
        seen.must(0 < most <= BACKENDS, f"{most} backends")
        return seen


@fault
def database_read_only(folder):
    """PostgreSQL takes no writes, as a primary that was demoted."""
    with Postgres(folder) as postgres, Node(folder, postgres.url) as node:
        seen = Seen()
        clients, post = users(node, 2)
        postgres.sql("alter system set default_transaction_read_only = on")
        postgres.sql("select pg_reload_conf()")
        one = clients[0]
        comment = {"text": "refused"}

        def write():
            return one.ask("POST", f"/posts/{post}/comments", comment)

        wait_until(lambda: write().status == 503)
        seen.note(f"a write {write().status}")
        seen.must(write().retry_after, "503 without Retry-After")
        read = one.ask("GET", "/checklogin").status
        seen.note(f"a read {read}")
        seen.must(read == 200, "reads fail, too")
        postgres.sql("alter system reset default_transaction_read_only")
        postgres.sql("select pg_reload_conf()")
        wait_until(lambda: write().status == 201)
        seen.note("writes succeed again without a restart")
        return seen


@fault
def busy_core(folder):
    """Other programs keep every core busy."""
    with Postgres(folder) as postgres:

        @contextlib.contextmanager
        def broken():
            busy = []
            try:
                for _ in range(os.cpu_count()):
                    busy.append(subprocess.Popen([sys.executable, "-c", "while True: pass"]))
                yield
            finally:
                for process in busy:
                    process.kill()
                    process.wait()

        return under_load(folder, postgres, broken, unavailable=False)
