"""Schemathesis against `tincture up`: no 5xx, and no answer that the OpenAPI document doesn't describe.

    api.py BINARY

For each database (SQLite; PostgreSQL where TINCTURE_TEST_POSTGRES says) a lab of its own is asked by a student, by nobody
and by an administrator, in this order: the last of them stops robots and disables accounts. The document is the one that
the lab serves. What a run must have reached is checked too, since a fuzzer that is refused everywhere finds nothing.

TINCTURE_FUZZ_EXAMPLES  cases an operation and phase (4). A token lives 15 minutes, which ends a run of more than some 200.
TINCTURE_FUZZ_SEED      1 unless given; `random` takes another each time, and prints it.
"""

import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from pathlib import Path

HERE = Path(__file__).parent
PASSWORD = "quite long enough"
ADMINISTRATOR = "admin@localhost"
# Answered with 2xx to whoever knows a secret that a fuzzer can't guess.
UNREACHABLE = {"POST /api/v1/auth/login", "POST /api/v1/auth/refresh"}
OCHRE = {"wells": [{"volumes": {"red": 60, "yellow": 30, "blue": 60}}]}


class Lab:
    """`tincture up` on this database, and people in it."""

    def __init__(self, binary, directory, database):
        environment = {name: value for name, value in os.environ.items() if not name.startswith("TINCTURE_")}
        environment |= {
            "TINCTURE_LOG": "warn",
            "TINCTURE_ADMIN_PASSWORD": PASSWORD,
            "TINCTURE_DATA_DIR": str(directory / "data"),
            "TINCTURE_ROBOT_LISTEN": "127.0.0.1:0",
            "TINCTURE_SENSOR_LISTEN": "127.0.0.1:0",
            # A fuzzer is more than one person may be.
            "TINCTURE_CHANGES_PER_MINUTE": "1000000",
        }
        if database:
            environment["TINCTURE_DATABASE_URL"] = database
        self.log = directory / "tincture.log"
        command = [binary, "up", "--listen", "127.0.0.1:0", "--speed", "600"]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=log, text=True)
        self.base = self.address()
        self.administrator = self.sign_in(ADMINISTRATOR)

    def address(self):
        for line in self.process.stdout:
            if "is ready: " in line:
                return line.split("is ready: ")[1].strip()
        raise SystemExit(f"The lab didn't start:\n{self.log.read_text()}")

    def ask(self, path, body=None, token=None):
        headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {token}"} if token else {})
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.base}/api/v1{path}", data=data, headers=headers)
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.load(response)

    def sign_in(self, email):
        return self.ask("/auth/login", {"email": email, "password": PASSWORD})["access_token"]

    def student(self, name):
        email = f"{name}@example.org"
        account = {"email": email, "password": PASSWORD, "role": "student", "quota": 1_000_000}
        user = self.ask("/users", account, self.administrator)["id"]
        return user, self.sign_in(email)

    def experiment(self, token):
        return self.ask("/experiments", OCHRE, token)["id"]

    def finish(self, experiment, token):
        deadline = time.monotonic() + 120
        while self.ask(f"/experiments/{experiment}", token=token)["status"] != "completed":
            if time.monotonic() > deadline:
                raise SystemExit(f"The experiment didn't complete:\n{self.log.read_text()}")
            time.sleep(0.2)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def fuzz(lab, directory, role, people, known):
    """One run as `role`. `people` are the signed-in ones by name: requests come from the first; where there are more,
    none may read what is another's."""
    header = lambda token: [{"name": "Authorization", "value": f"Bearer {token}"}]
    entries = [{"name": name, "fixedHeaders": header(token)} for name, token in people.items()]
    configuration = (HERE / "schemathesis.toml").read_text()
    if people:
        (directory / "people.json").write_text(json.dumps({"auth": entries}))
        configuration += f'\n[auth.wfc]\npath = "{directory / "people.json"}"\nuser = "{next(iter(people))}"\n'
    if len(people) > 1:
        configuration += f"peers = {json.dumps(list(people))}\n"
    (directory / "schemathesis.toml").write_text(configuration)

    report = directory / f"{role}.ndjson"
    seed = os.environ.get("TINCTURE_FUZZ_SEED", "1")
    command = [
        Path(sys.executable).with_name("st"), "--config-file", directory / "schemathesis.toml",
        "run", f"{lab.base}/api/v1/openapi.json", "--checks", "all", "--no-color",
        "--max-examples", os.environ.get("TINCTURE_FUZZ_EXAMPLES", "4"),
        "--report-ndjson-path", report,
    ] + ([] if seed == "random" else ["--seed", seed])
    ran = subprocess.run(command, env=os.environ | known, cwd=directory, capture_output=True, text=True)
    if ran.returncode != 0:
        raise SystemExit(f"{ran.stdout}{ran.stderr}\nAs {role}. The lab's log:\n{lab.log.read_text()[-4000:]}")
    return report


def operations(lab):
    paths = lab.ask("/openapi.json")["paths"]
    return {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}


def for_operators(operation):
    method, path = operation.split()
    return path.startswith(("/api/v1/lab/", "/api/v1/users", "/api/v1/activity")) or (
        method == "POST" and path.startswith("/api/v1/robots/")
    )


def answers(report):
    """(operation, status) of each answer. What was sent with another method isn't the operation's."""
    for line in report.read_text().splitlines():
        recorder = json.loads(line).get("ScenarioFinished", {}).get("recorder", {})
        for case, interaction in recorder.get("interactions", {}).items():
            asked = recorder["cases"][case]["value"]
            if interaction["response"]:
                yield f"{asked['method']} {asked['path']}", interaction["response"]["status_code"]


def check_reach(role, report, expected):
    """Whoever may do something got as far as doing it (2xx, or 409 where it isn't the time), and nobody else did."""
    seen = list(answers(report))
    reached = {operation for operation, status in seen if 200 <= status < 300 or status == 409}
    print(f"  {role}: {len(seen)} answers, {len(reached)} operations reached", flush=True)
    if missing := sorted(expected - reached):
        raise SystemExit(f"As {role} these were never reached, so nothing was tested there: {', '.join(missing)}")
    if beyond := sorted(reached - expected):
        raise SystemExit(f"As {role} these were reached, and must not be: {', '.join(beyond)}")


def fuzz_lab(lab, directory):
    (ada, ada_token), (_, eve_token) = lab.student("ada"), lab.student("eve")
    done = lab.experiment(ada_token)
    lab.finish(done, ada_token)
    known = {
        "FUZZ_DONE": done,
        "FUZZ_WAITING": lab.experiment(ada_token),
        "FUZZ_FOREIGN": lab.experiment(eve_token),
        "FUZZ_ROBOT": lab.ask("/robots", token=ada_token)["data"][0]["name"],
        "FUZZ_USER": ada,
    }
    everything = operations(lab) - UNREACHABLE
    students = {operation for operation in everything if not for_operators(operation)}
    roles = [
        ("student", {"ada": ada_token, "eve": eve_token}, students),
        ("nobody", {}, {"POST /api/v1/auth/logout"}),
        ("administrator", {"administrator": lab.administrator}, everything),
    ]
    for role, people, expected in roles:
        check_reach(role, fuzz(lab, directory, role, people, known), expected)
        for token in people.values():
            lab.ask("/me", token=token)


@contextlib.contextmanager
def database_of_its_own(server):
    """The address of a new database there, which goes at the end."""
    name = f"tincture_fuzz_{secrets.token_hex(6)}"
    tell = lambda sql: subprocess.run(["psql", server, "-Atqc", sql], check=True, stdin=subprocess.DEVNULL)
    tell(f"CREATE DATABASE {name}")
    try:
        yield urllib.parse.urlsplit(server)._replace(path=f"/{name}").geturl()
    finally:
        tell(f"DROP DATABASE {name} WITH (FORCE)")


def main(binary):
    postgres = os.environ.get("TINCTURE_TEST_POSTGRES")
    databases = [("SQLite", contextlib.nullcontext())]
    if postgres:
        databases.append(("PostgreSQL", database_of_its_own(postgres)))
    for name, database in databases:
        print(f"On {name}", flush=True)
        with tempfile.TemporaryDirectory(prefix="tincture-fuzz.") as directory, database as url:
            lab = Lab(binary, Path(directory), url)
            try:
                fuzz_lab(lab, Path(directory))
            finally:
                lab.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
