"""Draws the dashboards as pictures, from their queries' real answers: no screenshots of Grafana, which couldn't be had here.

Needs matplotlib, which nothing else does (`pip install matplotlib==3.11.2`); used by `live.py BINARY --draw DIRECTORY`.
"""
import json, pathlib, re, time, urllib.parse, urllib.request
import matplotlib
matplotlib.use("Agg")
import matplotlib.dates as dates
import matplotlib.pyplot as plt
from datetime import datetime, timezone

COLUMNS = 24
COLOURS = ["#2f6f8f", "#c2553a", "#7a8f2f", "#8a5a9e", "#b8860b", "#3f9e8a", "#a33c5f", "#5b6b7b"]


def answers(base, expression, seconds):
    end = time.time()
    query = {"query": expression, "start": end - seconds, "end": end, "step": max(seconds / 200, 1)}
    with urllib.request.urlopen(f"{base}/query_range?{urllib.parse.urlencode(query)}", timeout=30) as response:
        return json.loads(response.read())["data"]["result"]


def legend(form, labels):
    return re.sub(r"\{\{(\w+)\}\}", lambda found: labels.get(found[1], ""), form).strip()


def shown(value, unit):
    if unit == "percentunit":
        return f"{value:.1%}"
    if unit == "s":
        return f"{value:.3g} s"
    return f"{value:.4g}"


def draw_panel(figure, box, panel, base, seconds):
    unit = panel["fieldConfig"]["defaults"].get("unit", "none")
    lines = [
        (legend(target["legendFormat"], series["metric"]), [(float(at), float(value)) for at, value in series["values"]])
        for target in panel["targets"] for series in answers(base, target["expr"].replace("$robot", "virtual-1"), seconds)
    ]
    axes = figure.add_axes(box)
    axes.set_title(panel["title"], loc="left", fontsize=9, fontweight="bold")
    for spine in ("top", "right"):
        axes.spines[spine].set_visible(False)
    if panel["type"] == "stat" or not lines:
        axes.axis("off")
        text = shown(lines[0][1][-1][1], unit) if lines else "no data"
        axes.text(0.5, 0.45, text, ha="center", va="center", fontsize=20 if lines else 10, color=COLOURS[0] if lines else "#888888")
    elif panel["type"] == "bargauge":
        lines.sort(reverse=True)
        axes.barh([name for name, _ in lines], [points[-1][1] for _, points in lines], color=COLOURS[0])
        axes.tick_params(labelsize=7)
    else:
        for (name, points), colour in zip(lines, COLOURS * 9):
            axes.plot([datetime.fromtimestamp(at, timezone.utc) for at, _ in points], [value for _, value in points], label=name, color=colour, linewidth=1.4)
        axes.xaxis.set_major_formatter(dates.DateFormatter("%H:%M"))
        axes.xaxis.set_major_locator(dates.AutoDateLocator(maxticks=4))
        axes.set_ylim(bottom=0)
        axes.tick_params(labelsize=7)
        axes.legend(fontsize=6, loc="upper left", frameon=False, ncols=2)


def draw(dashboard, base, seconds, file):
    panels = [panel for panel in dashboard["panels"] if panel["type"] != "row"]
    tall = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in panels)
    figure = plt.figure(figsize=(14, tall * 0.34 + 0.7), facecolor="white")
    top = (tall * 0.34) / (tall * 0.34 + 0.7)
    figure.text(0.01, 0.985, dashboard["title"], fontsize=13, fontweight="bold", va="top")
    figure.text(0.99, 0.985, "drawn by tests/monitoring/draw.py from real answers; not a screenshot of Grafana", fontsize=8, ha="right", va="top", color="#777777")
    for row in (panel for panel in dashboard["panels"] if panel["type"] == "row"):
        figure.text(0.01, top * (1 - row["gridPos"]["y"] / tall) - 0.012, row["title"], fontsize=10, color="#777777", va="top")
    for panel in panels:
        at = panel["gridPos"]
        left, width = at["x"] / COLUMNS, at["w"] / COLUMNS
        bottom, height = 1 - (at["y"] + at["h"]) / tall, at["h"] / tall
        draw_panel(figure, (left + 0.03, bottom * top + 0.035 * top, width - 0.04, height * top * 0.68), panel, base, seconds)
    figure.savefig(file, dpi=80)
    plt.close(figure)


def draw_all(directory, base, seconds, out):
    for file in sorted(pathlib.Path(directory).glob("*.json")):
        draw(json.loads(file.read_text()), base, seconds, pathlib.Path(out) / f"dashboard-{file.stem}.png")
