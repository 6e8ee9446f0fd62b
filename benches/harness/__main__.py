"""`scripts/bench`, once everything is built."""

import os
import shutil
import signal
import sys
import time

from .data import seeds
from .machine import LOAD_CORE, ROOT
from .measures import (
    alone,
    comparison,
    cores,
    disk,
    lag,
    millions,
    postgres,
    redis,
    requests,
    streams,
)
from .report import page
from .rounds import medians
from .servers.disk import own_fsync_seconds

MEASURES = {
    "hot": requests.hot,
    "cold": requests.cold,
    "login": requests.login,
    "password": requests.password,
    "news": requests.news,
    "disk": disk.disk,
    "postgres": postgres.postgres,
    "lag": lag.lag,
    "streams": streams.streams,
    "cores": cores.cores,
    "redis": redis.redis,
    "storm": alone.storm,
    "scale": alone.scale,
    "rest": alone.rest,
    "millions": millions.millions,
}
# Takes long, and space.
BY_NAME_ALONE = {"millions"}


def main():
    names = [name for name in sys.argv[1:] if name != "--page"]
    unknown = [name for name in names if name not in MEASURES]
    if unknown:
        sys.exit(f"scripts/bench: no measure named {unknown[0]} ({', '.join(MEASURES)})")
    os.sched_setaffinity(0, {LOAD_CORE})
    # So that every server ends with us.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    results, sections = {}, {}
    started = time.monotonic()
    try:
        for name in names or [name for name in MEASURES if name not in BY_NAME_ALONE]:
            print(f"\n== {name}: {MEASURES[name].__doc__ or ''}", file=sys.stderr)
            fsyncs = [own_fsync_seconds()]
            results[name] = MEASURES[name]()
            fsyncs.append(own_fsync_seconds())
            sections[name] = page.section(name, results[name], medians(fsyncs))
            print("\n" + sections[name], flush=True)
    finally:
        shutil.rmtree(seeds.RUNS, ignore_errors=True)
    minutes = (time.monotonic() - started) / 60
    print(f"measured in {minutes:.0f} minutes", file=sys.stderr)
    if not names:
        page.write_all(sections, results, ROOT / "docs", minutes, comparison.measured_again)
    elif "--page" in sys.argv:
        page.write({name: page.apart(text) for name, text in sections.items()}, ROOT / "docs")


main()
