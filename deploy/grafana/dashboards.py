#!/usr/bin/env python3
"""The dashboards, from one typed source: prints dashboards/*.json, or says what differs.

    python deploy/grafana/dashboards.py            writes them
    python deploy/grafana/dashboards.py --check    exits with 1 where a committed one isn't what this makes

Needs tests/monitoring/requirements.txt. Panel types are those of Grafana 10.1: time series, stat, bar gauge.
"""
import dataclasses, json, pathlib, sys
from grafana_foundation_sdk.builders import bargauge, common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import BigValueGraphMode, LegendDisplayMode, LegendPlacement
from grafana_foundation_sdk.models.dashboard import DataSourceRef, VariableHide, VariableRefresh

OUT = pathlib.Path(__file__).parent / "dashboards"
SOURCE = DataSourceRef(type_val="prometheus", uid="tincture-prometheus")
KINDS = {"lines": timeseries.Panel, "number": stat.Panel, "bars": bargauge.Panel}


@dataclasses.dataclass
class Panel:
    title: str
    says: str
    unit: str
    queries: dict[str, str]
    """Legend (with Grafana's `{{label}}`) to expression."""
    kind: str = "lines"
    width: int = 8
    least: float | None = 0


@dataclasses.dataclass
class Dashboard:
    name: str
    title: str
    says: str
    rows: dict[str, list[Panel]]
    by_robot: bool = False


LAB = Dashboard("lab", "Tincture: the lab", "What an operator looks at first.", {
    "Now": [
        Panel("Waiting", "Experiments in the queue.", "none", {"waiting": "tincture_queue_length"}, "number", 4),
        Panel("In hand", "Experiments that a robot has in hand.", "none", {"in hand": "tincture_experiments_running"}, "number", 4),
        Panel("Robots that need a person", "Stopped, or asking.", "none", {"need a person": "tincture_robots_needing_attention"}, "number", 4),
        Panel("Robots that can't be used", "Switched off, unreachable, taken.", "none", {"unusable": "tincture_robots_unusable"}, "number", 4),
        Panel("Robots nobody drives", "No worker holds their lane.", "none", {"undriven": "tincture_robots_undriven"}, "number", 4),
        Panel("Newest backup", "Its age.", "s", {"age": "tincture:backup_age_seconds"}, "number", 4),
    ],
    "Work": [
        Panel("Queue", "Experiments waiting and in hand.", "none", {"waiting": "tincture_queue_length", "in hand": "tincture_experiments_running"}),
        Panel("Experiments in the last hour", "By how they left their robot.", "none", {"{{outcome}}": "outcome:tincture_experiments:increase1h"}),
        Panel("Wells measured in the last hour", "With those that are to be doubted.", "none",
              {"measured": "tincture:wells_measured:increase1h", "doubted": "sum(increase(tincture_wells_doubted_total[1h])) or vector(0)"}),
    ],
    "Supplies": [
        Panel("Wells left", "On the plate of each robot.", "none", {"{{robot}}": "tincture_wells_left"}, "bars"),
        Panel("Tips left", "In each rack.", "none", {"{{robot}} {{supply}}": "tincture_tips_left"}, "bars"),
        Panel("Dye left", "Above the vial's reserve, µL.", "none", {"{{robot}} {{supply}}": "tincture_dye_left_microlitres"}, "bars"),
    ],
})

ROBOT = Dashboard("robot", "Tincture: one robot", "What it asks, what it has, how it sees.", {
    "State": [
        Panel("Driven", "1 while a worker drives it.", "none", {"driven": 'tincture_robot_driven{robot="$robot"}'}, "number", 6),
        Panel("Stopped", "1 while somebody has stopped it.", "none", {"stopped": 'tincture_robot_stopped{robot="$robot"}'}, "number", 6),
        Panel("Pace", "1 at an OT-2's usual speeds.", "none", {"pace": 'tincture_robot_pace_ratio{robot="$robot"}'}, "number", 6),
        Panel("Wells left", "On its plate.", "none", {"wells": 'tincture_wells_left{robot="$robot"}'}, "number", 6),
    ],
    "Over time": [
        Panel("Driven and stopped", "A step down of the first is a worker that left.", "none",
              {"driven": 'tincture_robot_driven{robot="$robot"}', "stopped": 'tincture_robot_stopped{robot="$robot"}'}),
        Panel("Dye left", "Above each vial's reserve, µL.", "none", {"{{supply}}": 'tincture_dye_left_microlitres{robot="$robot"}'}),
        Panel("Wells and tips left", "A step up is a new plate or rack.", "none",
              {"wells": 'tincture_wells_left{robot="$robot"}', "{{supply}}": 'tincture_tips_left{robot="$robot"}'}),
    ],
}, by_robot=True)

API = Dashboard("api", "Tincture: API and pages", "Who asks for what, and how fast it is answered.", {
    "All": [
        Panel("Requests a second", "Of all processes.", "reqps", {"{{status}}": "sum by (status) (rate(tincture_http_requests_total[5m]))"}),
        Panel("Errors", "Answers of 500 and above, of all. The budget is 0.5 %.", "percentunit", {"5 min": "tincture:http_errors:ratio_rate5m", "1 h": "tincture:http_errors:ratio_rate1h"}),
        Panel("Time to answer", "To the head of the answer.", "s", {
            "median": "histogram_quantile(0.5, sum by (le) (rate(tincture_http_request_seconds_bucket[5m])))",
            "99 %": "tincture:http_request_seconds:p99_5m"}),
    ],
    "Routes": [
        Panel("Requests a second by route", "The ten most asked for.", "reqps", {"{{route}}": "topk(10, sum by (route) (rate(tincture_http_requests_total[5m])))"}),
        Panel("99 % by route", "The ten slowest.", "s", {"{{route}}": "topk(10, route:tincture_http_request_seconds:p99_5m)"}),
        Panel("Streams and sign-ins", "Live streams open; sign-ins a minute.", "none", {
            "streams": "sum(tincture_event_streams) or vector(0)", "sign-ins {{outcome}}": "sum by (outcome) (rate(tincture_sign_ins_total[5m])) * 60"}),
    ],
})

DATABASES = Dashboard("databases", "Tincture: databases", "Connections, replica, backups, documents.", {
    "Connections": [
        Panel("Connections", "Of each process.", "none", {"{{instance}} {{state}}": "tincture_database_connections"}),
        Panel("Busy", "Of those that a process may have.", "percentunit", {"{{instance}}": "instance:tincture_database_connections:ratio"}),
        Panel("A commit survives", "1 at what it survives.", "none", {"{{what}}": "tincture_commits_survive"}),
    ],
    "Safety": [
        Panel("Age of the newest backup", "More than 26 hours is an alert.", "s", {"age": "tincture:backup_age_seconds"}),
        Panel("Activity log unsealed for", "Since a process last left nothing unsealed.", "s", {"{{instance}}": "time() - tincture_activity_last_sealed_unixtime"}),
        Panel("Disk free", "Where the embedded database lies.", "bytes", {"free": "tincture_disk_free_bytes"}),
    ],
})

WORKFLOW = Dashboard("workflow", "Tincture: workflow", "What robots do, and what we add to it.", {
    "Operations": [
        Panel("Operations a minute", "By kind.", "none", {"{{kind}}": "sum by (kind) (rate(tincture_operations_total[5m])) * 60"}),
        Panel("How they ended", "A minute, by outcome.", "none", {"{{outcome}}": "sum by (outcome) (rate(tincture_operations_total[5m])) * 60"}),
        Panel("Time of an operation", "90 % within, by kind.", "s", {"{{kind}}": "kind:tincture_operation_seconds:p90_1h"}),
    ],
    "Ours": [
        Panel("What the lab adds", "Journal and bookkeeping between two commands, 99 %.", "s", {"99 %": "tincture:operation_overhead_seconds:p99_5m"}),
        Panel("Wait in the queue", "From acceptance to the first beginning.", "s", {
            "median": "histogram_quantile(0.5, sum by (le) (rate(tincture_queue_wait_seconds_bucket[1h])))", "90 %": "tincture:queue_wait_seconds:p90_1h"}),
        Panel("An experiment takes", "From its beginning to its end, 90 %.", "s", {
            "{{outcome}}": "histogram_quantile(0.9, sum by (outcome, le) (rate(tincture_experiment_seconds_bucket[1h])))"}),
    ],
    "Trouble": [
        Panel("Faults in the last hour", "By code.", "none", {"{{code}}": "sum by (code) (increase(tincture_faults_total[1h]))"}, width=12),
        Panel("Lanes held", "By process.", "none", {"{{instance}}": "tincture_leases_held"}, width=12),
    ],
})

SCIENCE = Dashboard("science", "Tincture: science", "Whether results are to be believed.", {
    "Measurement": [
        Panel("Drift of the white", "ΔE00 to the one before. Above 1 readings are doubted.", "none", {"{{robot}}": "tincture_white_drift_delta_e"}),
        Panel("Doubtful wells", "Of those measured in a day.", "percentunit", {"doubted": "tincture:wells_doubted:ratio1d or vector(0)"}),
        Panel("Wells measured", "In an hour.", "none", {"wells": "tincture:wells_measured:increase1h"}),
    ],
    "Robots": [
        Panel("Pace", "What operations take by what is estimated.", "none", {"{{robot}}": "tincture_robot_pace_ratio"}, width=12),
        Panel("Operations that failed", "Of all in 15 minutes.", "percentunit", {"failed": "tincture:operations_failed:ratio_rate15m"}, width=12),
    ],
})

ALL = [LAB, ROBOT, API, DATABASES, WORKFLOW, SCIENCE]


def built(panel):
    made = KINDS[panel.kind]().title(panel.title).description(panel.says).unit(panel.unit).datasource(SOURCE).height(7).span(panel.width)
    for letter, (legend, expression) in zip("ABCDEFGH", panel.queries.items()):
        query = prometheus.Dataquery().expr(expression).legend_format(legend).ref_id(letter).datasource(SOURCE)
        made.with_target(query if panel.kind == "lines" else query.instant())
    if panel.least is not None and panel.kind != "number":
        made.min(panel.least)
    if panel.kind != "lines":
        made.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    if panel.kind == "number":
        made.graph_mode(BigValueGraphMode.NONE)
    if panel.kind == "lines":
        made.fill_opacity(8).line_width(2).span_nulls(False).legend(
            common.VizLegendOptions().display_mode(LegendDisplayMode.LIST).placement(LegendPlacement.BOTTOM).show_legend(True))
    return made


def page(of):
    made = (dashboard.Dashboard(of.title).uid(f"tincture-{of.name}").description(of.says).tags(["tincture"])
            .editable().refresh("30s").time("now-6h", "now").timezone("browser").version(1))
    if of.by_robot:
        made.with_variable(dashboard.QueryVariable("robot").label("Robot").datasource(SOURCE)
                           .query("label_values(tincture_robot_driven, robot)").refresh(VariableRefresh.ON_TIME_RANGE_CHANGED).hide(VariableHide.DONT_HIDE))
    for title, panels in of.rows.items():
        made.with_row(dashboard.Row(title))
        for panel in panels:
            made.with_panel(built(panel))
    return json.dumps(made.build(), cls=JSONEncoder, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def main():
    wrong = []
    for each in ALL:
        file, text = OUT / f"{each.name}.json", page(each)
        if "--check" not in sys.argv:
            file.write_text(text)
        elif not file.exists() or file.read_text() != text:
            wrong.append(str(file))
    strangers = {file.name for file in OUT.glob("*.json")} - {f"{each.name}.json" for each in ALL}
    if wrong or strangers:
        sys.exit(f"not what deploy/grafana/dashboards.py makes: {', '.join(wrong + sorted(strangers))}; run it")


if __name__ == "__main__":
    main()
