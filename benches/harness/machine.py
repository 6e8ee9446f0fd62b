"""Where the run takes place: folders, cores, versions, and how long each round is."""

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PEERS = ROOT / "benches" / "peers"
FOLDER = Path(os.environ["BENCH_FOLDER"]).resolve()
HANDSTAMP = FOLDER / "rust" / "release" / "handstamp"
# Another build, to compare with in the same run.
BEFORE = os.environ.get("BENCH_BEFORE") and Path(os.environ["BENCH_BEFORE"]).resolve()

ROUNDS = int(os.environ.get("BENCH_ROUNDS", 5))
# For what differs most from round to round.
MORE_ROUNDS = 2 * ROUNDS
SECONDS = int(os.environ.get("BENCH_SECONDS", 2))
# For passwords and purging, of which little happens in a second.
SLOW_SECONDS = max(SECONDS, 3)
WARM_UP_SECONDS = 1
SESSIONS = int(os.environ.get("BENCH_SESSIONS", 200_000))

# Log-outs whose way to another node is timed.
TRIALS = int(os.environ.get("BENCH_TRIALS", 500))
# Sessions where there are very many.
MILLIONS = int(os.environ.get("BENCH_MILLIONS", 10_000_000))

CORES = tuple(sorted(os.sched_getaffinity(0)))
if len(CORES) < 2:
    sys.exit("scripts/bench needs two cores: one for the server, one for the load.")
SERVER_CORE, LOAD_CORE = CORES[0], CORES[1]
# For what is not kept apart.
BOTH_CORES = (SERVER_CORE, LOAD_CORE)


def output(*command):
    return subprocess.run(
        command, check=True, capture_output=True, text=True, cwd=ROOT
    ).stdout.strip()


def cpu_model():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def versions(*programs):
    """Of those that are there: not every measure needs them."""
    for title, program in programs:
        if shutil.which(program):
            yield title, output(program, "--version").split()[2].removeprefix("v=")


def describe():
    """What the page says of the machine."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    system = platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    wrk = subprocess.run(["wrk", "--version"], capture_output=True, text=True).stdout
    return [
        ("Processor", f"{cpu_model()}, {os.cpu_count()} cores, {memory:.0f} GiB of memory"),
        ("System", f"{system}, Linux {platform.release()}"),
        ("Rust", output("rustc", "--version").split()[1]),
        ("Node", output("node", "--version").lstrip("v")),
        ("Python", platform.python_version()),
        ("wrk", wrk.split()[1].removeprefix("debian/")),
        *versions(("PostgreSQL", "psql"), ("Redis", "redis-server")),
        ("handstamp", "commit " + output("git", "rev-parse", "--short", "HEAD")),
        (
            "Rounds",
            f"{ROUNDS} ({MORE_ROUNDS} for hot, but for the slowest peers, and for a million "
            f"sessions, but for purging) of {SECONDS} s each, "
            f"{SLOW_SECONDS} s with passwords or purging, after {WARM_UP_SECONDS} s of warming up",
        ),
    ]
