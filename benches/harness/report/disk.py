"""The section on slow disks."""

from ..measures.disk import CLIENTS
from ..rounds import ratio
from .format import at_least, at_most, bars, duration, number, table

OPERATIONS = {
    "login": f"Login by name, {CLIENTS} clients",
    "logout": f"Log-out, {CLIENTS} clients",
    "comment": f"Comment on a post, {CLIENTS} clients",
}
NOTABLE = 4


def section(result):
    parts = [rate_table(result, *operation) for operation in OPERATIONS.items()]
    parts += [lone_table(result), lone_sentence(result), bars(disk_bars(result))]
    return "\n\n".join(parts)


def rates(result, delay, peer, field):
    return [one[field] for one in result["delays"][delay][peer]["rounds"]]


def name_of(delay):
    return "as it is" if delay is None else f"{delay} ms"


def rate_table(result, operation, title):
    """Each server's rate, in brackets how many share an fsync, then ours to the others."""
    field = f"{operation}_rate"
    peers = [peer for peer in result["titles"] if has(result, peer, field)]
    others = [peer for peer in peers if peer != "handstamp"]
    rows = []
    for delay, of_peers in result["delays"].items():
        medians = {peer: of_peers[peer]["median"] for peer in peers}
        rows.append(
            [
                name_of(delay),
                *(cell(medians[peer], operation) for peer in peers),
                *(f"{of(result, delay, other, field):.2f}" for other in others),
            ]
        )
    titles = [result["titles"][peer] for peer in peers]
    ratios = [f"to {result['titles'][other]}" for other in others]
    heading = f"**{title}**: requests/s, in brackets for each fsync of the server; then ratios."
    text = f"{heading}\n\n{table(['fsync', *titles, *ratios], rows)}"
    return "\n\n".join([text, *refusals(result, operation, peers)])


def has(result, peer, field):
    return field in result["delays"][None][peer]["median"]


def cell(median, operation):
    per_fsync = number(median[f"{operation}_per_fsync"])
    return f"{number(median[f'{operation}_rate'])} ({per_fsync})"


def of(result, delay, other, field):
    return ratio(rates(result, delay, "handstamp", field), rates(result, delay, other, field))


def refusals(result, operation, peers):
    for delay, of_peers in result["delays"].items():
        for peer in peers:
            refused = of_peers[peer]["median"][f"{operation}_refused"]
            if refused:
                title = result["titles"][peer]
                yield f"{title} refused {number(refused)} of them in a round ({name_of(delay)})."


def lone_table(result):
    peers = list(result["titles"])
    titles = [result["titles"][peer] for peer in peers]
    rows = [
        [name_of(delay), *(duration(of_peers[peer]["median"]["lone_p50"]) for peer in peers)]
        for delay, of_peers in result["delays"].items()
    ]
    return f"**Login by name, one client**: its median.\n\n{table(['fsync', *titles], rows)}"


def lone_sentence(result):
    """What group commit costs where it does not help."""
    parts = []
    for delay in [NOTABLE, None]:
        of_peers = result["delays"][delay]
        text = duration(of_peers["handstamp"]["median"]["lone_p50"])
        where = f"with an fsync of {delay} ms" if delay else "on the disk as it is"
        if "before" in of_peers:
            before = duration(of_peers["before"]["median"]["lone_p50"])
            text += f", {of(result, delay, 'before', 'lone_p50'):.2f} of the {before} before"
        parts.append(f"{where} it takes {text}")
    text = "Group commit does nothing for the login of a client that is alone: "
    if "before" not in result["titles"]:
        return text + "; ".join(parts) + ". The build before it was not measured in this run."
    return text + "; ".join(parts) + "."


def disk_bars(result):
    notable = result["delays"][NOTABLE]["handstamp"]["median"]
    rows = [
        at_least(f"{noun}s for each fsync of {NOTABLE} ms", notable[f"{operation}_per_fsync"], 8)
        for operation, noun in zip(OPERATIONS, ["login", "log-out", "comment"], strict=True)
    ]
    obvious = of(result, None, "tower-sessions", "login_rate")
    rows.append(at_least("logins on the disk as it is, of the obvious axum", obvious, 1.5))
    if "before" in result["titles"]:
        log_ins = of(result, NOTABLE, "before", "login_rate")
        lone = of(result, NOTABLE, "before", "lone_p50")
        rows += [
            at_least(f"logins with {NOTABLE} ms, of the build before", log_ins, 10),
            at_most(f"a lone login with {NOTABLE} ms, of the build before", lone, 1.1),
        ]
    return rows
