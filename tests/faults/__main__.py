"""Runs the faults that are named, and prints what clients saw."""

import inspect
import sys
import tempfile
import time
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
        took = time.monotonic() - start
        verdict = "ok" if not seen.wrong else "; ".join(seen.wrong)
        wrong += bool(seen.wrong)
        print(f"| {name} | {seen.text()} ({took:.0f} s) | {verdict} |", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
