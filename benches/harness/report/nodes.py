"""The sections on PostgreSQL, several nodes and several cores."""

from ..measures.postgres import CLIENTS, KINDS, SLOW
from ..rounds import ratio
from .format import at_least, at_most, bars, duration, number, per_second, table

KIND_TITLES = {
    "hot": "hot",
    "cold": "cold",
    "login": f"login by name, {CLIENTS} clients",
    "logout": f"log-out, {CLIENTS} clients",
    **{f"logout_{delay}": f"log-out, an fsync takes {delay} ms" for delay in SLOW},
    "signup": "sign-up",
}
OBVIOUS = "tower-sessions-postgres"
STATES = {
    "rest": "at rest",
    "load": "both nodes under hot load",
    "cut": "the reader's connection cut",
    "stopped": "the other node stopped, from when it goes on",
}


def postgres(result):
    columns = {
        "before": "the build before",
        OBVIOUS: "axum, tower-sessions, sqlx",
        "pgbench": "pgbench, the same statements",
        "sqlite": "handstamp on SQLite",
    }
    columns = {name: title for name, title in columns.items() if name in result}
    ours = result["handstamp"]["median"]
    rows = [
        [KIND_TITLES[kind], number(ours[kind]), *(beside(result, name, kind) for name in columns)]
        for kind in KIND_TITLES
    ]
    headings = ["requests/s", "handstamp", *columns.values()]
    cpu = duration(ours["signup_cpu"])
    text = f"A sign-up costs the server {cpu} of CPU besides its password's hash."
    if "before" in result:
        before = duration(result["before"]["median"]["signup_cpu"])
        text += f" The build before: {before}."
    return "\n\n".join([table(headings, rows), text, bars(postgres_bars(result))])


def of(result, other, kind):
    return ratio(*([one[kind] for one in result[name]["rounds"]] for name in ["handstamp", other]))


def beside(result, name, kind):
    """Another's rate, and ours to it."""
    if kind not in result[name]["median"]:
        return ""
    return f"{number(result[name]['median'][kind])} ({of(result, name, kind):.2f})"


def postgres_bars(result):
    rows = [
        at_least("cold, of the obvious axum on PostgreSQL", of(result, OBVIOUS, "cold"), 1.5),
        at_least("hot, of handstamp on SQLite", of(result, "sqlite", "hot"), 0.95),
    ]
    if "before" in result:
        log_outs = of(result, "before", f"logout_{SLOW[-1]}")
        what = f"log-outs where an fsync takes {SLOW[-1]} ms, of the build before"
        rows.append(at_least(what, log_outs, 4))
    return rows


def lag(result):
    rows = [
        [
            (title if peer == "handstamp" else f"{title}, the build before"),
            f"{one['trials']}",
            f"{one['accepted']}",
            *(duration(one[field]) for field in ["median", "p99", "max"]),
        ]
        for peer, states in result.items()
        for state, title in STATES.items()
        for one in [states[state]]
    ]
    load = per_second(result["handstamp"]["load"]["hot_rate"])
    text = f"The load is {load} on both nodes together."
    headings = ["", "trials", "accepted once more", "median", "p99", "the longest"]
    return "\n\n".join([table(headings, rows), text, bars(lag_bars(result["handstamp"]))])


def lag_bars(states):
    longest = max(states[state]["max"] for state in ["rest", "load"])
    return [
        at_most("p99 at rest", states["rest"]["p99"], 0.15, duration),
        at_most("p99 under load", states["load"]["p99"], 0.2, duration),
        at_most("the longest of both", longest, 0.4, duration),
        at_most("the longest with the connection cut", states["cut"]["max"], 1, duration),
        at_most("the longest with the node stopped", states["stopped"]["max"], 1, duration),
    ]


def cores(result):
    """Ratios to one core; for nodes, to one node on as many cores."""
    one_node = result["handstamp on PostgreSQL, two"]
    rows = []
    for one in result.values():
        base = result.get(f"{one['title']}, one", one_node)
        rows.append([f"{one['title']}, {on(one)}", *cores_cells(one, base)])
    headings = ["", "hot", "ratio", "cold", "ratio"]
    return table(headings, rows)


def on(one):
    return {"one": "one core", "two": "two cores"}[one["on"]]


def cores_cells(one, base):
    for kind in ["hot", "cold"]:
        yield per_second(one["median"][kind])
        if one is base:
            yield ""
        else:
            rates = ([number[kind] for number in which["rounds"]] for which in [one, base])
            yield f"{ratio(*rates):.2f}"
