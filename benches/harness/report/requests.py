"""The sections of one kind of request each."""

from ..rounds import ratio
from .format import at_least, bars, duration, number, table


def section(name, rows):
    text = comparison(rows)
    return f"{text}\n\n{bars(BARS[name](rows))}" if name in BARS else text


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


def hot_bars(rows):
    rows = {row["peer"]: row for row in rows}
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


def cold_bars(all):
    rows = {row["peer"]: row for row in reversed(all)}
    ours = all[1]["rates"]
    return [
        at_least("cold, of Fastify", ratio(ours, rows["fastify"]["rates"]), 1.0),
        at_least(
            "cold, of axum, tower-sessions, sqlx", ratio(ours, rows["tower-sessions"]["rates"]), 1.4
        ),
    ]


BARS = {"hot": hot_bars, "cold": cold_bars}
