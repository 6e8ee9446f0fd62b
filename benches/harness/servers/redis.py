"""A Redis without a disk, on the server's core."""

import os
import socket
import subprocess
import time

from ..load import CONNECTIONS
from ..machine import LOAD_CORE, SERVER_CORE
from .server import free_port

KEYS = 64
READY_TIMEOUT = 10
FIRST_REQUESTS = 100_000


class Redis:
    def __init__(self, folder):
        self.port = free_port()
        command = ["redis-server", "--port", self.port, "--bind", "127.0.0.1"]
        command += ["--save", "", "--appendonly", "no", "--dir", folder]
        self.process = subprocess.Popen(
            [str(part) for part in command],
            stdout=subprocess.DEVNULL,
            preexec_fn=lambda: os.sched_setaffinity(0, {SERVER_CORE}),
        )
        deadline = time.monotonic() + READY_TIMEOUT
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            except OSError:
                if time.monotonic() > deadline:
                    self.process.kill()
                    raise
                time.sleep(0.01)

    def gets_per_second(self, bytes, seconds):
        """Of as many values as hot sessions, each as large as a response's body."""
        self.benchmark(KEYS * 50, ["set", "key:__rand_int__", "x" * bytes])
        get = ["get", "key:__rand_int__"]
        requests = self.benchmark(FIRST_REQUESTS, get) * seconds
        return self.benchmark(int(requests), get)

    def benchmark(self, requests, command):
        """Requests a second; it wants to know how many, not for how long."""
        options = ["-p", self.port, "-c", CONNECTIONS, "-n", requests, "-r", KEYS, "--csv"]
        done = subprocess.run(
            ["redis-benchmark", *[str(option) for option in options], *command],
            check=True,
            capture_output=True,
            text=True,
            preexec_fn=lambda: os.sched_setaffinity(0, {LOAD_CORE}),
        )
        return float(done.stdout.splitlines()[-1].rpartition('","')[0].split('","')[1])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
