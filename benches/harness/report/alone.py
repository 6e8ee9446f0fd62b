"""The sections of handstamp alone: a storm, many sessions, at rest."""

from ..measures.alone import EXPIRED, FEW, MANY
from .format import at_least, at_most, bars, duration, mib, number, per_second, table

SIZES = {
    "hot": ("hot", per_second),
    "cold": ("cold, no cache", per_second),
    "shuffled": ("cold, no cache, in random order", per_second),
    "login": ("login by name", per_second),
    "ready": ("ready after", duration),
    "memory": ("the most memory", mib),
    "login_memory": ("the most memory, logging in", mib),
    "file": ("database file", mib),
}


def storm(result):
    return f"{storm_table(result)}\n\n{bars(storm_bars(result))}"


def scale(result):
    return f"{scale_table(result)}\n\n{bars(scale_bars(result))}"


def rest(result):
    return bars(rest_bars(result))


def millions(result):
    return f"{size_table(result, result['count'])}\n\n{bars(millions_bars(result))}"


def storm_bars(storm):
    return [
        at_least("hot throughput in the storm, of idle", storm["rate_ratio"], 0.4),
        at_most("its p99, of idle", storm["p99_ratio"], 10),
        at_most("the most memory in the storm", storm["memory"], storm["memory_allowed"], mib),
        at_least("logins a second, of what hashing alone could do", storm["log_in_ratio"], 0.85),
    ]


def scale_bars(scale):
    many, ratios, purge = (scale[part] for part in ["many", "ratios", "purge"])
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


def rest_bars(rest):
    return [
        at_most("memory after start", rest["memory"], 20, mib),
        at_most("ready after", rest["ready"], 0.1, duration),
        at_most("release binary", rest["binary"], 25, mib),
    ]


def millions_bars(millions):
    ratios, many, count = millions["ratios"], millions["many"], f"{millions['count']:,}"
    memory = max(many["memory"], many["login_memory"])
    return [
        at_least(f"hot with {count}, of {FEW:,}", ratios["hot"], 0.9),
        at_least(f"cold in order with {count}, of {FEW:,}", ratios["cold"], 0.85),
        at_most(f"memory with {count}", memory, 250, mib),
    ]


def size_table(sizes, many_count):
    few, many, ratios = sizes["few"], sizes["many"], sizes["ratios"]
    return table(
        ["", f"{FEW:,} sessions", f"{many_count:,} sessions", "ratio"],
        [
            [title, show(few[key]), show(many[key]), f"{ratios[key]:.2f}" if key in ratios else ""]
            for key, (title, show) in SIZES.items()
            if key in few
        ],
    )


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
    purge = scale["purge"]
    sizes = size_table(scale, MANY)
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
