"""A disk whose fsync takes as long as is asked for, and counts."""

import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from ..machine import FOLDER

SOURCE = Path(__file__).with_name("slow_fsync.c")
LIBRARY = FOLDER / "slow_fsync.so"
WRITES = 100
PAGE = 4096
QUIET_SECONDS = 0.2
SETTLE_TIMEOUT = 30


class Disk:
    """For what is started with its environment. Without `milliseconds` it is as it is, and only
    counts."""

    def __init__(self, folder, milliseconds=None):
        build()
        self.state = folder / "fsyncs"
        self.state.write_bytes(bytes(16))
        # The server may be another user's.
        self.state.chmod(0o666)
        self.take(milliseconds)
        self.environment = {"LD_PRELOAD": str(LIBRARY), "FSYNC_STATE": str(self.state)}

    def take(self, milliseconds):
        """Lets each fsync take as long from now on."""
        nanoseconds = -1 if milliseconds is None else round(milliseconds * 1e6)
        with self.state.open("r+b") as file:
            file.seek(8)
            file.write(nanoseconds.to_bytes(8, "little", signed=True))

    def fsyncs(self):
        return int.from_bytes(self.state.read_bytes()[:8], "little")

    def wait_until_quiet(self):
        """The server still works for clients that have disconnected."""
        deadline = time.monotonic() + SETTLE_TIMEOUT
        before = None
        while before != self.fsyncs():
            if time.monotonic() > deadline:
                raise RuntimeError("the server does not stop writing")
            before = self.fsyncs()
            time.sleep(QUIET_SECONDS)


def build():
    if LIBRARY.exists() and LIBRARY.stat().st_mtime > SOURCE.stat().st_mtime:
        return
    command = ["cc", "-O2", "-shared", "-fPIC", "-o", LIBRARY, SOURCE, "-ldl"]
    subprocess.run(command, check=True)


def own_fsync_seconds():
    """Of the disk itself, for 4 KiB: where a file grows, and where a log is reused; medians."""
    with tempfile.TemporaryFile(dir=FOLDER, buffering=0) as file:
        return {"appended": write_pages(file), "overwritten": write_pages(file)}


def write_pages(file):
    times = []
    for number in range(WRITES):
        os.pwrite(file.fileno(), os.urandom(PAGE), number * PAGE)
        started = time.perf_counter()
        os.fdatasync(file.fileno())
        times.append(time.perf_counter() - started)
    return statistics.median(times)
