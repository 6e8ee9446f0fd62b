"""The tables of docs/performance.md."""

import re

from .. import machine
from ..measures.alone import EXPIRED, FEW, MANY
from ..rounds import ratio
from . import chart


def number(value):
    """Three significant digits."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def duration(seconds):
    if seconds >= 1:
        return f"{seconds:.2f} s"
    if seconds >= 0.001:
        return f"{number(seconds * 1e3)} ms"
    return f"{seconds * 1e6:.0f} µs"


def table(headings, rows):
    align = "| --- |" + " ---: |" * (len(headings) - 1)
    lines = [headings, *rows]
    text = ["| " + " | ".join(line) + " |" for line in lines]
    return "\n".join([text[0], align, *text[1:]])


def comparison(rows):
    headings = ["", "requests/s", "ratio", "CPU/request", "p50", "p99", "memory"]
    text = table(
        headings,
        [
            [
                (
                    f"[{row['title']}](../{row['source']})"
                    if "`" not in row["title"]
                    else row["title"]
                ),
                number(row["rate"]),
                f"{row['ratio']:.3f}" if row["ratio"] is not None else "",
                duration(row["cpu"]),
                duration(row["p50"]),
                duration(row["p99"]),
                f"{row['memory']:.0f} MiB",
            ]
            for row in rows
        ],
    )
    of_before = [
        f"{row['title']}: {row['of_before']:.2f} of the build before."
        for row in rows
        if row["of_before"]
    ]
    return "\n\n".join([text, *of_before])


def bars(name, results):
    """Each bar: the requirement, the measurement, and whether it holds."""
    rows = BARS[name](results)
    return table(
        ["", "required", "measured", ""],
        [
            [what, required, measured, "holds" if holds else "**missed**"]
            for what, required, measured, holds in rows
        ],
    )


def at_least(what, value, bar):
    return (what, f"at least {bar}", f"{value:.2f}", value >= bar)


def at_most(what, value, bar, show=lambda value: f"{value:.2f}"):
    return (what, f"at most {show(bar)}", show(value), value <= bar)


def per_second(value):
    return f"{number(value)}/s"


def mib(value):
    return f"{value:.1f} MiB"


def hot_bars(results):
    rows = {row["peer"]: row for row in results["hot"]}
    ours = rows.pop("handstamp")
    yardstick = rows.pop("axum")
    rows.pop("before", None)
    fastest = max(rows.values(), key=lambda row: row["rate"])
    return [
        at_least("hot, of bare axum", ratio(ours["rates"], yardstick["rates"]), 0.70),
        at_least(
            f"hot, of the fastest peer ({fastest['title']})",
            ratio(ours["rates"], fastest["rates"]),
            2.5,
        ),
    ]


def cold_bars(results):
    rows = {row["peer"]: row for row in reversed(results["cold"])}
    ours = results["cold"][1]["rates"]
    return [
        at_least("cold, of Fastify", ratio(ours, rows["fastify"]["rates"]), 1.0),
        at_least(
            "cold, of axum, tower-sessions, sqlx", ratio(ours, rows["tower-sessions"]["rates"]), 1.4
        ),
    ]


def storm_bars(results):
    storm = results["storm"]
    return [
        at_least("hot throughput in the storm, of idle", storm["rate_ratio"], 0.4),
        at_most("its p99, of idle", storm["p99_ratio"], 10),
        at_most("the most memory in the storm", storm["memory"], storm["memory_allowed"], mib),
        at_least("logins a second, of what hashing alone could do", storm["log_in_ratio"], 0.85),
    ]


def scale_bars(results):
    many, ratios, purge = (results["scale"][part] for part in ["many", "ratios", "purge"])
    return [
        at_least("hot with a million, of a thousand", ratios["hot"], 0.85),
        at_least("cold with a million, of a thousand", ratios["cold"], 0.85),
        at_most(f"p99 hot while {EXPIRED:,} rows are purged, of quiet", purge["hot_p99_ratio"], 3),
        at_most(
            f"p99 cold while {EXPIRED:,} rows are purged, of quiet", purge["cold_p99_ratio"], 3
        ),
        at_most("start-up with a million, of a thousand", ratios["ready"], 2),
        at_most("memory with a million", many["memory"], 200, mib),
    ]


def rest_bars(results):
    rest = results["rest"]
    return [
        at_most("memory after start", rest["memory"], 20, mib),
        at_most("ready after", rest["ready"], 0.1, duration),
        at_most("release binary", rest["binary"], 25, mib),
    ]


BARS = {
    "hot": hot_bars,
    "cold": cold_bars,
    "storm": storm_bars,
    "scale": scale_bars,
    "rest": rest_bars,
}


def storm_table(storm):
    text = table(
        ["", "idle", "in the storm"],
        [
            ["hot `/checklogin`", per_second(storm["idle_rate"]), per_second(storm["rate"])],
            ["its p99", duration(storm["idle_p99"]), duration(storm["p99"])],
            ["memory", mib(storm["idle_memory"]), f"{mib(storm['memory'])} at most"],
            ["password hashes alone, one core", per_second(storm["hashes"]), ""],
            ["logins, nothing beside them", "", per_second(storm["log_ins"])],
            ["logins beside hot `/checklogin`", "", per_second(storm["log_ins_beside"])],
            ["logins refused for now (`503`)", "", per_second(storm["refused"])],
        ],
    )
    if storm["of_before"]:
        parts = (f"{what} {value:.2f}" for what, value in storm["of_before"].items())
        text += "\n\nOf the build before: " + ", ".join(parts) + "."
    return text


def scale_table(scale):
    few, many, purge = scale["few"], scale["many"], scale["purge"]
    titles = {
        "hot": ("hot", per_second),
        "cold": ("cold, no cache", per_second),
        "shuffled": ("cold, no cache, in random order", per_second),
        "ready": ("ready after", duration),
        "memory": ("the most memory", mib),
    }
    ratios = {key: f"{value:.2f}" for key, value in scale["ratios"].items()}
    sizes = table(
        ["", f"{FEW:,} sessions", f"{MANY:,} sessions", "ratio"],
        [
            [title, show(few[key]), show(many[key]), ratios.get(key, "")]
            for key, (title, show) in titles.items()
        ],
    )
    purges = table(
        ["p99", "quiet", f"while {EXPIRED:,} wait to be purged", "purged meanwhile"],
        [
            [
                kind,
                duration(purge[f"{kind}_quiet_p99"]),
                duration(purge[f"{kind}_p99"]),
                number(purge[f"{kind}_purged"]),
            ]
            for kind in ["hot", "cold"]
        ],
    )
    return f"{sizes}\n\n{purges}"


def section(name, results):
    """One measure, as the page shows it."""
    if name in {"storm", "scale"}:
        text = {"storm": storm_table, "scale": scale_table}[name](results[name])
    elif name == "rest":
        text = ""
    else:
        text = comparison(results[name])
    if name in BARS:
        text = f"{text}\n\n{bars(name, results)}".strip()
    return text


def write(results, docs, minutes, measured_again):
    """Puts every section between its marks in the page, and the chart beside it."""
    page = docs / "performance.md"
    text = page.read_text()
    facts = [
        *machine.describe(),
        ("Rounds measured again", ", ".join(measured_again) or "none"),
        ("Time", f"{minutes:.0f} minutes, builds not counted"),
    ]
    sections = {name: section(name, results) for name in results}
    sections["machine"] = "\n".join(f"- {name}: {value}" for name, value in facts)
    for name, content in sections.items():
        marks = re.compile(f"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        text, found = marks.subn(lambda match: f"{match[1]}{content}\n{match[2]}", text)
        if found != 1:
            raise RuntimeError(f"docs/performance.md has no place for {name}")
    page.write_text(text)
    (docs / "images" / "performance.svg").write_text(chart.draw(results))
