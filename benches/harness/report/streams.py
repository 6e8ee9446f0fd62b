"""The section on streams of events."""

from .format import at_least, at_most, bars, duration, mib, per_second, table

DATABASES = ["SQLite", "PostgreSQL"]
WHERE = {
    "own": "by the same process",
    "other": "by another node",
    "command": "by a command",
}
# The longest that the end may take, in seconds.
BOUNDS = {
    ("own", "SQLite"): 0.1,
    ("own", "PostgreSQL"): 0.1,
    ("other", "SQLite"): 1.2,
    ("other", "PostgreSQL"): 0.3,
    ("command", "SQLite"): 1.2,
    ("command", "PostgreSQL"): 0.3,
}


def section(result):
    opened = result["open"]
    cpu = f"{opened['idle_cpu'] * 100:.1f} % of a core"
    text = (
        f"Hot `/checklogin` beside {opened['streams']:,} open streams: "
        f"{per_second(opened['rate'])}, without them {per_second(opened['without'])}. Open and "
        f"without requests they take {cpu}, and {mib(opened['memory'])} more memory."
    )
    return "\n\n".join([ends_table(result), text, bars(stream_bars(result))])


def ends_table(result):
    ways = [way for way in result["SQLite"] if way != "at_once"]
    rows = []
    for way in ways:
        where, reason = way.split()
        row = [f"`{reason}`, {WHERE[where]}", f"{result['SQLite'][way]['trials']}"]
        for database in DATABASES:
            row += [duration(result[database][way][field]) for field in ["median", "max"]]
        rows.append(row)
    headings = ["", "trials"]
    for database in DATABASES:
        headings += [f"{database}: median", "the longest"]
    return table(headings, rows)


def stream_bars(result):
    rows = []
    for (where, database), bound in BOUNDS.items():
        ways = [one for way, one in result[database].items() if way.split()[0] == where]
        longest = max(one["max"] for one in ways)
        what = f"the longest {WHERE[where]}, {database}"
        rows.append(at_most(what, longest, bound, duration))
    for database in DATABASES:
        at_once = result[database]["at_once"]
        what = f"the last of {at_once['streams']:,} sessions that a command ends, {database}"
        rows.append(at_most(what, at_once["max"], 2, duration))
    opened = result["open"]
    count = f"{opened['streams']:,} open streams"
    rows.append(at_most(f"more memory with {count}", opened["memory"], 64, mib))
    rows.append(at_least(f"hot with {count}, of without", opened["ratio"], 0.9))
    return rows
