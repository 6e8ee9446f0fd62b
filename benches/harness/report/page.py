"""docs/performance.md: every section between its marks, and the chart beside it."""

import re

from .. import machine
from . import alone, chart, disk, nodes, redis, requests, streams
from .format import duration

SECTIONS = {
    "storm": alone.storm,
    "scale": alone.scale,
    "rest": alone.rest,
    "millions": alone.millions,
    "disk": disk.section,
    "postgres": nodes.postgres,
    "lag": nodes.lag,
    "streams": streams.section,
    "cores": nodes.cores,
    "redis": redis.section,
}
WRITING = {"cold", "login", "password", "storm", "scale", "millions", "disk", "postgres", "lag", "streams"}


def section(name, result, fsync):
    """One measure, as the page shows it; `fsync` is the disk's own."""
    text = SECTIONS[name](result) if name in SECTIONS else requests.section(name, result)
    if name in WRITING:
        times = [duration(fsync[how]) for how in ["appended", "overwritten"]]
        text += f"\n\nThe disk's own fsync of 4 KiB: {times[0]} appended, {times[1]} overwritten."
    return text


def write(sections, docs):
    page = docs / "performance.md"
    text = page.read_text()
    for name, content in sections.items():
        marks = re.compile(f"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        text, found = marks.subn(lambda match: f"{match[1]}{content}\n{match[2]}", text)
        if found != 1:
            raise RuntimeError(f"docs/performance.md has no place for {name}")
    page.write_text(text)


def write_all(sections, results, docs, minutes, measured_again):
    """What is in one run, with the machine's description and the chart."""
    facts = [
        *machine.describe(),
        ("Rounds measured again", ", ".join(measured_again) or "none"),
        ("Time", f"{minutes:.0f} minutes, builds not counted"),
    ]
    machine_section = "\n".join(f"- {name}: {value}" for name, value in facts)
    write(sections | {"machine": machine_section}, docs)
    (docs / "images" / "performance.svg").write_text(chart.draw(results))


def apart(content):
    """For a section that the run of the others did not measure."""
    facts = dict(machine.describe())
    return f"{content}\n\nMeasured apart: {facts['handstamp']}, {facts['Processor']}."
