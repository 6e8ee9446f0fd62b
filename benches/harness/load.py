"""The load: wrk on its own core."""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .machine import BOTH_CORES, LOAD_CORE, SECONDS, SESSIONS, WARM_UP_SECONDS

SCRIPT = Path(__file__).with_name("rotate.lua")
CONNECTIONS = 32
# The warm-up takes the first of the lines, the round the rest: no session comes twice.
WARM_UP_LINES = SESSIONS * 3 // 10


@dataclass(frozen=True)
class Load:
    """What is sent: each line of `lines` in turn, as `kind` (see rotate.lua) says."""

    path: str
    kind: str
    lines: Path
    connections: int = CONNECTIONS
    seconds: int = SECONDS
    # Whether sending a line a second time would spoil the measurement.
    once: bool = False
    # Whether a status above 399 may come (a login that has to wait too long).
    refusals: bool = False
    threads: int = 1
    cores: tuple = (LOAD_CORE,)


def on_both_cores():
    os.sched_setaffinity(0, set(BOTH_CORES))


def start(server, load, seconds, first=0, collect=None):
    command = ["wrk", "--threads", load.threads, "--connections", load.connections]
    command += ["--duration", f"{seconds}s", "--timeout", "15s", "--script", SCRIPT]
    command += [server.url(load.path), "--", load.kind, load.lines, first, load.threads]
    if collect:
        command.append(collect)
    return subprocess.Popen(
        [str(part) for part in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, set(load.cores)),
    )


def finish(wrk, load):
    text, _ = wrk.communicate()
    for line in text.splitlines():
        if line.startswith("result "):
            result = json.loads(line.removeprefix("result "))
            break
    else:
        raise RuntimeError(f"wrk failed: {text}")
    if result["broken"] or (result["refused"] and not load.refusals):
        raise RuntimeError(f"not every answer was right at {load.path}: {result}")
    result["rate"] = (result["requests"] - result["refused"]) / result["seconds"]
    return result


def run(server, load, seconds, first=0):
    """One round, with what it cost the server."""
    cpu = server.cpu_seconds()
    result = finish(start(server, load, seconds, first), load)
    # A warm-up may end before a slow login does.
    result["cpu"] = (server.cpu_seconds() - cpu) / max(result["requests"], 1)
    result["memory"] = server.memory()
    return result


def warmed_up_run(server, load):
    run(server, load, WARM_UP_SECONDS)
    result = run(server, load, load.seconds, WARM_UP_LINES)
    if not result["requests"]:
        raise RuntimeError(f"no answer in {load.seconds} s at {load.path}")
    if load.once and result["requests"] > SESSIONS - WARM_UP_LINES:
        raise RuntimeError("more requests than sessions: set BENCH_SESSIONS higher")
    return result
