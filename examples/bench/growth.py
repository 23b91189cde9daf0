"""Draws what growth.sh measured: growth.py FILE.jsonl > growth.svg"""
import json
import math
import sys

WHAT = {
    "depth": "messages in the queue (durable)",
    "queues": "queues in the room",
    "rooms": "rooms (over HTTP)",
    "connections": "connections in the room",
    "parked": "receivers parked on the queue",
    "partitions": "partitions of the queue",
    "groups": "groups of the queue",
    "body": "bytes of the body",
}
WIDTH, HEIGHT, LEFT, TOP, ACROSS = 300, 170, 56, 34, 2
PANEL_WIDTH, PANEL_HEIGHT = WIDTH + LEFT + 30, HEIGHT + TOP + 46


def short(number):
    for unit, name in ((1_000_000, "M"), (1000, "k")):
        if number >= unit:
            return f"{number / unit:.4g}{name}"
    return f"{number:g}"


def panel(axis, points, x0, y0):
    top = max(us for _, us in points) * 1.25
    low, high = (math.log10(points[at][0]) for at in (0, -1))
    x = lambda value: x0 + LEFT + WIDTH * (math.log10(value) - low) / max(high - low, 1e-9)
    y = lambda us: y0 + TOP + HEIGHT * (1 - us / top)
    yield f'<text x="{x0 + LEFT}" y="{y0 + 18}" class="title">{WHAT[axis]}</text>'
    for part in (0, 0.5, 1):
        line = y(top * part)
        yield f'<line x1="{x0 + LEFT}" x2="{x0 + LEFT + WIDTH}" y1="{line:.1f}" y2="{line:.1f}" class="grid"/>'
        yield f'<text x="{x0 + LEFT - 6}" y="{line + 4:.1f}" class="y">{short(round(top * part, 1))}</text>'
    places = " ".join(f"{x(value):.1f},{y(us):.1f}" for value, us in points)
    yield f'<polyline points="{places}" class="line"/>'
    for value, us in points:
        yield f'<circle cx="{x(value):.1f}" cy="{y(us):.1f}" r="3"><title>{value}: {us} µs</title></circle>'
        yield f'<text x="{x(value):.1f}" y="{y(us) - 8:.1f}" class="value">{short(us)}</text>'
        yield f'<text x="{x(value):.1f}" y="{y0 + TOP + HEIGHT + 18}" class="value">{short(value)}</text>'


def main():
    lines = [json.loads(line) for line in open(sys.argv[1], encoding="utf-8")]
    axes = [axis for axis in WHAT if any(line["axis"] == axis for line in lines)]
    rows = math.ceil(len(axes) / ACROSS)
    width, height = PANEL_WIDTH * ACROSS, PANEL_HEIGHT * rows + 30
    print(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="11">')
    print("<style>.grid{stroke:#ddd}.line{fill:none;stroke:#2a6;stroke-width:2}circle{fill:#2a6}"
          ".title{font-weight:bold;font-size:13px}.y{text-anchor:end;fill:#666}.value{text-anchor:middle;fill:#333}</style>")
    print(f'<rect width="{width}" height="{height}" fill="white"/>')
    print('<text x="12" y="20" font-size="13">CPU time of the server, µs, for a message that is sent, received and settled</text>')
    for at, axis in enumerate(axes):
        points = [(line["value"], line["us"]) for line in lines if line["axis"] == axis]
        for element in panel(axis, points, at % ACROSS * PANEL_WIDTH, 30 + at // ACROSS * PANEL_HEIGHT):
            print(element)
    print("</svg>")


main()
