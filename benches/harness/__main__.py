"""`scripts/bench`, once everything is built."""

import os
import shutil
import signal
import sys
import time

from . import bars, measures, report, seeds
from .machine import LOAD_CORE, ROOT

MEASURES = {
    "hot": measures.hot,
    "cold": measures.cold,
    "login": measures.login,
    "password": measures.password,
    "news": measures.news,
    "storm": bars.storm,
    "scale": bars.scale,
    "rest": bars.rest,
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
            print("\n" + report.section(name, results))
    finally:
        shutil.rmtree(seeds.RUNS, ignore_errors=True)
    minutes = (time.monotonic() - started) / 60
    print(f"measured in {minutes:.0f} minutes", file=sys.stderr)
    if not names:
        report.write(results, ROOT / "docs", minutes, measures.measured_again)


main()
