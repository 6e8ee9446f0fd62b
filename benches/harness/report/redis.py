"""The section on what others do to be fast."""

from ..rounds import ratio
from .format import per_second, table


def section(result):
    ours = [one["rate"] for one in result["handstamp"]["rounds"]]
    rows = [
        [
            title,
            per_second(one["median"]["rate"]),
            f"{ratio(ours, [each['rate'] for each in one['rounds']]):.2f}",
        ]
        for title, one in result.items()
    ]
    return table(["", "requests/s", "handstamp to it"], rows)
