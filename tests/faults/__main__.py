"""Runs the faults that are named, and prints what clients saw."""

import inspect
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

from . import database, disconnects, disk, nodes, stops
from .report import Skipped

FAULTS = {
    name.replace("_", "-"): fault
    for module in (database, disk, disconnects, stops, nodes)
    for name, fault in inspect.getmembers(module, inspect.isfunction)
    if getattr(fault, "is_fault", False)
}


def main(names):
    if names == ["--list"]:
        for name, fault in FAULTS.items():
            print(f"{name:24}{inspect.getdoc(fault).splitlines()[0]}")
        return 0
    unknown = [name for name in names if name not in FAULTS]
    if unknown:
        print(f"no such fault: {', '.join(unknown)}; --list names them", file=sys.stderr)
        return 2
    wrong = 0
    for name in names or FAULTS:
        start = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="handstamp-faults.") as folder:
            folder = Path(folder)
            # PostgreSQL has a folder of its own in it, and a user of its own.
            folder.chmod(0o711)
            try:
                seen = FAULTS[name](folder)
            except Skipped as why:
                print(f"| {name} | skipped: {why} | |", flush=True)
                continue
            except Exception as error:
                # The faults after this one are made all the same.
                traceback.print_exc()
                print(f"| {name} | | failed: {error!r} |", flush=True)
                wrong += 1
                continue
        took = time.monotonic() - start
        verdict = "ok" if not seen.wrong else "; ".join(seen.wrong)
        wrong += bool(seen.wrong)
        print(f"| {name} | {seen.text()} ({took:.0f} s) | {verdict} |", flush=True)
    return 1 if wrong else 0


def end(number, _):
    """Ends as an error does, by way of each `with`, so that nothing that was started stays."""
    for also in signal.SIGTERM, signal.SIGHUP, signal.SIGINT:
        signal.signal(also, signal.SIG_IGN)
    sys.exit(128 + number)


if __name__ == "__main__":
    for stop in signal.SIGTERM, signal.SIGHUP, signal.SIGINT:
        signal.signal(stop, end)
    sys.exit(main(sys.argv[1:]))
