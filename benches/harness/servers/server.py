"""A server process on a core of its own, and what it costs."""

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

from ..machine import SERVER_CORE

READY_TIMEOUT = 30
STOP_TIMEOUT = 10
TICKS = os.sysconf("SC_CLK_TCK")


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Server:
    """Runs from `with` to its end; no logs are kept, whatever it writes."""

    def __init__(
        self, command, port, environment, folder, ready="/checklogin", cores=(SERVER_CORE,)
    ):
        def on_its_cores():
            os.sched_setaffinity(0, set(cores))
            # A shell may have it ignored in what it starts in the background.
            signal.signal(signal.SIGINT, signal.SIG_DFL)

        self.port = port
        self.started = time.perf_counter()
        self.process = subprocess.Popen(
            [str(part) for part in command],
            cwd=folder,
            env={"PATH": os.environ["PATH"], "HOME": str(folder), "PORT": str(port)} | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=on_its_cores,
            start_new_session=True,
        )
        try:
            self.seconds_to_ready = self.wait_until_ready(ready)
        except BaseException:
            self.stop()
            raise

    def wait_until_ready(self, path):
        while time.perf_counter() - self.started < READY_TIMEOUT:
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.process.args} ended with {self.process.returncode}")
            try:
                status, _, _ = self.ask("GET", path)
                if status < 500:
                    return time.perf_counter() - self.started
            except OSError:
                pass
            time.sleep(0.001)
        raise RuntimeError(f"{self.process.args} does not answer")

    def ask(self, method, path, headers=None, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read().decode()
        finally:
            connection.close()

    def url(self, path):
        return f"http://127.0.0.1:{self.port}{path}"

    def processes(self):
        """Its process and all below it."""
        found, waiting = [], [self.process.pid]
        while waiting:
            pid = waiting.pop()
            found.append(pid)
            for task in Path(f"/proc/{pid}/task").glob("*/children"):
                # Threads end whenever they like.
                with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                    waiting.extend(int(child) for child in task.read_text().split())
        return found

    def cpu_seconds(self):
        total = 0
        for pid in self.processes():
            # After the name, which may hold anything but ends the last parenthesis.
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += sum(int(ticks) for ticks in fields[11:15])
        return total / TICKS

    def cpu_seconds_besides(self, name):
        """Of the threads that live on and have another name, to the nanosecond."""
        total = 0
        for task in Path(f"/proc/{self.process.pid}/task").iterdir():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                if (task / "comm").read_text().strip() != name:
                    total += int((task / "schedstat").read_text().split()[0])
        return total / 1e9

    def memory(self, what="VmRSS"):
        """In MiB; VmHWM is the most it ever was."""
        total = 0
        for pid in self.processes():
            for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith(f"{what}:"):
                    total += int(line.split()[1])
        return total / 1024

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                pass
        # What it left behind is in its session, which is nobody else's.
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
