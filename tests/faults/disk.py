"""A disk without room."""

import contextlib
import time

from .load import Client, Load, statuses, users
from .report import Seen, fault, need_root
from .servers import Node, run, wait_until

SIZE = "24m"


@contextlib.contextmanager
def small_disk(folder):
    disk = folder / "disk"
    disk.mkdir()
    run("mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", disk)
    try:
        yield disk
    finally:
        run("umount", "--lazy", disk)


def fill(disk):
    """Takes what room is left, to the last byte."""
    with open(disk / "filling", "ab", buffering=0) as file:
        size = 1024 * 1024
        while size:
            try:
                file.write(b"x" * size)
            except OSError:
                size //= 2


@fault
def disk_full(folder):
    """The disk of the SQLite file is full, then has room again."""
    need_root("a small tmpfs")
    seen = Seen()
    with small_disk(folder) as disk:
        url = f"sqlite://{disk}/handstamp.db"
        acknowledged = []
        with Node(folder, url) as node:
            clients, post = users(node, 6)

            def step(client):
                text = f"{client.name} {time.monotonic_ns()}"
                comment = client.ask("POST", f"/posts/{post}/comments", {"text": text})
                if comment.status == 201:
                    acknowledged.append(text)
                return [comment, client.ask("GET", "/checklogin")]

            with Load(clients, step, lambda: 0.02) as load:
                time.sleep(1)
                start = time.monotonic()
                fill(disk)
                full = time.monotonic()
                # What little room the files had themselves is used up by now.
                time.sleep(2)
                late = time.monotonic()
                time.sleep(2)
                (disk / "filling").unlink()
                room = time.monotonic()
                time.sleep(3)
            writes = [one for one in load.responses if one.what.startswith("POST")]
            reads = [one for one in load.responses if one.what == "GET /checklogin"]
            while_full = [one for one in writes if late <= one.start < room - 0.5]
            seen.note(f"writes while it was full: {statuses(while_full)}")
            seen.note(f"reads throughout: {statuses(reads)}")
            seen.must({one.status for one in while_full} <= {503, 507}, "a write was not refused")
            seen.must(while_full, "no write while it was full")
            seen.must({one.status for one in reads} == {200}, "somebody was not let in")
            again = [one for one in writes if one.start > room + 2]
            seen.must(again and {one.status for one in again} == {201}, "no recovery")
            seen.note("writes go on once there is room")
            seen.note(f"the disk was full after {full - start:.1f} s")
        with Node(folder, url) as node:
            reader = Client(node.address)
            reader.log_in(clients[0].name)
            count = reader.ask("GET", f"/posts/{post}").json()["post"]["comment_count"]
            seen.note(f"{len(acknowledged)} comments acknowledged, {count} kept")
            seen.must(count >= len(acknowledged), "an acknowledged comment is lost")
            wait_until(node.is_ready)
    return seen
