"""Numbers, tables and bars in Markdown."""


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


def bars(rows):
    """Each bar: the requirement, the measurement, and whether it holds."""
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
