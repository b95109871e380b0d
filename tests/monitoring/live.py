"""A real Prometheus with our files over a real lab: every recorded series and every panel has data, and alerts fire where something
is wrong and nowhere else.

    live.py BINARY [--draw DIRECTORY]     draws the dashboards as well, after five minutes of work (draw.py)

Starts `tincture up` and Debian's Prometheus on free ports and ends them. What alerts wait for in minutes they wait for in seconds
here; the waiting itself is tested by promtool (deploy/prometheus/tests).
"""
import contextlib, json, pathlib, re, signal, socket, subprocess, sys, tempfile, time, urllib.parse, urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))
from lab import OCHRE, Lab

PATIENCE = 120
WORK_TO_DRAW = 300
# Said only when the first backup is made, or where something went wrong on a robot.
MAY_BE_SILENT = {
    "tincture:backup_age_seconds",
    "sum by (code) (increase(tincture_faults_total[1h]))",
}


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def until(what, look):
    deadline = time.monotonic() + PATIENCE
    while True:
        last = look()
        if last is True:
            return
        if time.monotonic() > deadline:
            sys.exit(f"{what}: never; {last}")
        time.sleep(0.5)


class WatchedLab(Lab):
    def measures(self, wells):
        made = self.ask("/experiments", {"name": "watched", "wells": [OCHRE] * wells}, self.administrator)
        self.wait(made["id"], "completed", self.administrator)

    def adds_a_robot_that_nobody_drives(self):
        database = {"TINCTURE_DATABASE_URL": f"sqlite://{self.environment['TINCTURE_DATA_DIR']}/tincture.sqlite"}
        command = [self.binary, "robot", "add", "ghost", "--url", "http://127.0.0.1:9", "--sensor", "tcp://127.0.0.1:9"]
        subprocess.run(command, env=self.environment | database, check=True, capture_output=True)


@contextlib.contextmanager
def program(command, log):
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=log.open("w"))
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()


def configure(directory, lab, port):
    """Our own files, with this lab's address, asked each second."""
    (directory / "rules").mkdir()
    for rules in (ROOT / "deploy/prometheus/rules").glob("*.yml"):
        (directory / "rules" / rules.name).write_text(re.sub(r"for: (\d+)[mh]\b", r"for: \1s", rules.read_text()))
    text = (ROOT / "deploy/prometheus/prometheus.yml").read_text().replace("127.0.0.1:8080", lab.base.removeprefix("http://"))
    text = text.replace("127.0.0.1:9093", f"127.0.0.1:{port}").replace("_interval: 15s", "_interval: 1s")
    (directory / "prometheus.yml").write_text(text)
    return ["prometheus", f"--config.file={directory}/prometheus.yml", f"--storage.tsdb.path={directory}/tsdb", "--log.level=warn"]


class Prometheus:
    def __init__(self, port):
        self.base = f"http://127.0.0.1:{port}/api/v1"

    def ask(self, what):
        with urllib.request.urlopen(f"{self.base}/{what}", timeout=30) as response:
            return json.loads(response.read())["data"]

    def series(self, expression):
        return self.ask(f"query?{urllib.parse.urlencode({'query': expression})}")["result"]

    def is_up(self):
        try:
            return len(self.series("up == 1")) == 2 or "its targets aren't up"
        except OSError as error:
            return str(error)

    def firing(self):
        alerts = self.ask("alerts")["alerts"]
        return {(alert["labels"]["alertname"], alert["labels"].get("robot")) for alert in alerts if alert["state"] == "firing"}


def expressions():
    rules = (ROOT / "deploy/prometheus/rules/recording.yml").read_text()
    recorded = re.findall(r"- record: (\S+)", rules)
    panels = []
    for file in (ROOT / "deploy/grafana/dashboards").glob("*.json"):
        for panel in json.loads(file.read_text())["panels"]:
            panels += [target["expr"].replace("$robot", "virtual-1") for target in panel.get("targets", [])]
    assert len(recorded) > 10 and len(panels) > 40, (len(recorded), len(panels))
    return recorded + panels


def main():
    binary = str(pathlib.Path(sys.argv[1]).resolve())
    with tempfile.TemporaryDirectory(prefix="tincture-monitoring-") as directory, contextlib.ExitStack() as running:
        directory = pathlib.Path(directory)
        lab = WatchedLab(binary, directory)
        running.callback(lab.stop)
        port = free_port()
        command = configure(directory, lab, free_port()) + [f"--web.listen-address=127.0.0.1:{port}"]
        running.enter_context(program(command, directory / "prometheus.log"))
        prometheus = Prometheus(port)
        until("Prometheus is up", prometheus.is_up)

        lab.measures(2)
        lab.measures(1)
        silent = lambda: [each for each in expressions() if each not in MAY_BE_SILENT and not prometheus.series(each)]
        until("every series and panel has data", lambda: not silent() or silent())
        assert not prometheus.firing(), f"a lab that is well: {prometheus.firing()}"

        if "--draw" in sys.argv:
            began = time.monotonic()
            while time.monotonic() - began < WORK_TO_DRAW:
                lab.measures(3)
                time.sleep(5)
            from draw import draw_all
            draw_all(ROOT / "deploy/grafana/dashboards", prometheus.base, WORK_TO_DRAW, sys.argv[sys.argv.index("--draw") + 1])
            return

        lab.adds_a_robot_that_nobody_drives()
        expected = {("TinctureRobotUndriven", "ghost")}
        until("the ghost is told of", lambda: expected <= prometheus.firing() or prometheus.firing())
        assert prometheus.firing() == expected, prometheus.firing()
        print("every recorded series and panel has data; the robot that nobody drives is told of, and nothing else")


if __name__ == "__main__":
    main()
