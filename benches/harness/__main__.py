"""`scripts/bench`, once everything is built."""

import os
import shutil
import signal
import sys
import time

from .data import seeds
from .machine import LOAD_CORE, ROOT
from .measures import alone, comparison, requests
from .report import page

MEASURES = {
    "hot": requests.hot,
    "cold": requests.cold,
    "login": requests.login,
    "password": requests.password,
    "news": requests.news,
    "storm": alone.storm,
    "scale": alone.scale,
    "rest": alone.rest,
}


def main():
    names = sys.argv[1:]
    unknown = [name for name in names if name not in MEASURES]
    if unknown:
        sys.exit(f"scripts/bench: no measure named {unknown[0]} ({', '.join(MEASURES)})")
    os.sched_setaffinity(0, {LOAD_CORE})
    # So that every server ends with us.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    results = {}
    started = time.monotonic()
    try:
        for name in names or MEASURES:
            print(f"\n== {name}: {MEASURES[name].__doc__ or ''}", file=sys.stderr)
            results[name] = MEASURES[name]()
            print("\n" + page.section(name, results))
    finally:
        shutil.rmtree(seeds.RUNS, ignore_errors=True)
    minutes = (time.monotonic() - started) / 60
    print(f"measured in {minutes:.0f} minutes", file=sys.stderr)
    if not names:
        page.write(results, ROOT / "docs", minutes, comparison.measured_again)


main()
