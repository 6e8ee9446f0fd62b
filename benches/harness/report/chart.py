"""The chart of docs/performance.md: bars of requests per second, in light and in dark."""

from html import escape

WIDTH = 760
LABEL_WIDTH = 250
VALUE_WIDTH = 120
BAR = 18
GAP = 8
TITLE = 46

STYLE = """
  text { font: 14px system-ui, -apple-system, "Segoe UI", "Liberation Sans", sans-serif; fill: #1f2328; }
  .title { font-weight: 600; font-size: 15px; }
  .note { fill: #59636e; }
  .bar { fill: #8c959f; }
  .yardstick { fill: #d1d9e0; }
  .ours { fill: #0969da; }
  .ours-text { font-weight: 600; }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc; }
    .note { fill: #9198a1; }
    .bar { fill: #656c76; }
    .yardstick { fill: #3d444d; }
    .ours { fill: #4493f8; }
  }
"""

PANELS = [
    ("hot", "GET /checklogin, the same sessions over and over"),
    ("cold", "GET /checklogin, each request another session"),
    ("login", "POST /login by name alone, each time another user"),
    ("password", "POST /login with a password"),
]


def draw(results):
    parts, y = [], 0
    for name, title in PANELS:
        rows = [row for row in results[name] if row["peer"] != "before"]
        if name in {"login", "password"}:
            rows = [row for row in rows if row["peer"] != "axum"]
        panel, y = draw_panel(title, rows, y)
        parts.append(panel)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" '
        f'width="{WIDTH}" height="{y}" role="img" aria-labelledby="title">\n'
        '<title id="title">Requests a second on one core, handstamp and its peers</title>\n'
        f"<style>{STYLE}</style>\n"
    )
    return head + "".join(parts) + "</svg>\n"


def draw_panel(title, rows, y):
    most = max(row["rate"] for row in rows)
    room = WIDTH - LABEL_WIDTH - VALUE_WIDTH
    lines = [f'<text class="title" x="0" y="{y + 24}">{escape(title)}</text>\n']
    y += TITLE - BAR + 8
    for row in sorted(rows, key=lambda row: -row["rate"]):
        ours = row["peer"] == "handstamp"
        kind = "ours" if ours else "yardstick" if row["peer"] == "axum" else "bar"
        width = max(row["rate"] / most * room, 1)
        middle = y + BAR - 4
        label = escape(row["title"].replace("`", ""))
        bold = ' class="ours-text"' if ours else ""
        lines.append(
            f'<text{bold} x="{LABEL_WIDTH - 10}" y="{middle}" text-anchor="end">{label}</text>\n'
            f'<rect class="{kind}" x="{LABEL_WIDTH}" y="{y}" width="{width:.1f}" height="{BAR}" rx="3"/>\n'
            f'<text{bold or " class=" + chr(34) + "note" + chr(34)} x="{LABEL_WIDTH + width + 8:.1f}" '
            f'y="{middle}">{row["rate"]:,.0f}/s</text>\n'
        )
        y += BAR + GAP
    return "".join(lines), y + 6
