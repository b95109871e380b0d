"""Schemathesis against `tincture up`: no 5xx, and no answer that the OpenAPI document doesn't describe.

    api.py BINARY

On each database (SQLite; PostgreSQL where TINCTURE_TEST_POSTGRES says), side by side, a lab of its own is asked by a
student, by nobody and by an administrator, in this order: the last of them stops robots and disables accounts. The
document is the one that the lab serves. What a run must have reached is checked too, since a fuzzer that is refused
everywhere finds nothing.

TINCTURE_FUZZ_SEED      of the first round; 1 unless given. `random` takes another each time, and prints it.
TINCTURE_FUZZ_ROUNDS    how often, each time in new labs and with the next seed (1)
TINCTURE_FUZZ_EXAMPLES  cases an operation and phase (4). A token lives 15 minutes, so for a long run ask for rounds.
"""

import base64
import contextlib
import json
import os
import random
import secrets
import subprocess
import sys
import tempfile
import urllib.parse
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
from lab import ADMINISTRATOR, OCHRE, PASSWORD, Lab

# Answered with 2xx to whoever knows a secret that a fuzzer can't guess, or names accounts in the body; and about people who
# proved an address, of whom there are none.
UNREACHABLE = {
    "POST /api/v1/auth/login",
    "POST /api/v1/auth/refresh",
    "POST /api/v1/auth/link",
    "POST /api/v1/auth/second-factor",
    "POST /api/v1/auth/passkey",
    "POST /api/v1/auth/proof",
    "POST /api/v1/me/totp/confirm",
    "DELETE /api/v1/me/totp",
    "POST /api/v1/me/recovery-codes",
    "POST /api/v1/me/passkeys",
    "DELETE /api/v1/me/passkeys/{id}",
    "POST /api/v1/users/bulk",
    "POST /api/v1/users/{id}/erase",
    "POST /api/v1/registrations/{id}/approve",
    "DELETE /api/v1/registrations/{id}",
}
# Answered to anybody, and only so often, or only until another request has done the same: whether a role gets through depends
# on those before it.
# And a group that is removed is of no use to what comes after. The other group and request of the dictionaries are asked for
# too seldom to count on.
LIMITED = {
    "POST /api/v1/auth/forgot",
    "POST /api/v1/auth/register",
    "DELETE /api/v1/sessions/{id}",
    "GET /api/v1/groups/{id}",
    "PATCH /api/v1/groups/{id}",
    "DELETE /api/v1/groups/{id}",
    "POST /api/v1/groups/{id}/refill",
    "GET /api/v1/groups/{id}/members",
    "POST /api/v1/groups/{id}/members",
    "DELETE /api/v1/groups/{id}/members/{user}",
    "POST /api/v1/quota-requests/{id}/grant",
    "POST /api/v1/quota-requests/{id}/refuse",
    # What may take a robot away isn't told the name of the one that is needed, and nothing else of that path either; and a
    # new one's name and address are free once.
    "POST /api/v1/robots",
    "GET /api/v1/robots/{id}",
    "PATCH /api/v1/robots/{id}",
    "DELETE /api/v1/robots/{id}",
}
# A role's run takes some 15 s; what is still at it when its token has ended learns nothing more.
LONGEST_RUN = 15 * 60


class FuzzedLab(Lab):
    """A lab on this database, and people in it."""

    def __init__(self, binary, directory, database):
        # A fuzzer is more than one person may be.
        settings = {"TINCTURE_REGISTRATION": "open", "TINCTURE_CHANGES_PER_MINUTE": "1000000"}
        super().__init__(binary, directory, settings | ({"TINCTURE_DATABASE_URL": database} if database else {}))

    def student(self, name):
        email = f"{name}@example.org"
        account = {"email": email, "password": PASSWORD, "role": "student", "quota": 1_000_000}
        user = self.ask("/users", account, self.administrator)["id"]
        return user, self.sign_in(email)

    def api_token(self, token):
        return self.ask("/tokens", {"name": "fuzzed", "scopes": ["read"]}, token)["id"]

    def session(self, email):
        """A sign-in in another program, by the access token's own word."""
        body = self.sign_in(email).split(".")[1]
        return json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))["sid"]

    def group(self, teacher):
        """Of which this person is a teacher, and somebody a member who asks for more."""
        _, token = self.student("kim")
        group = self.ask("/groups", {"name": "fuzzed", "reserve": 1000}, self.administrator)["id"]
        for name, standing in [(teacher, "teacher"), ("kim", "member")]:
            body = {"emails": [f"{name}@example.org"], "standing": standing}
            self.ask(f"/groups/{group}/members", body, self.administrator)
        wish = {"wells": 5, "reason": "more", "group_id": group}
        return group, self.ask("/me/quota/request", wish, token)["id"]

    def experiment(self, token, wells=1):
        return self.ask("/experiments", {"wells": wells * [OCHRE]}, token)["id"]

    def command(self, experiment, command, token):
        self.ask(f"/experiments/{experiment}/{command}", {}, token)
        return experiment


def configuration(directory, people):
    """Path of the configuration for a run of these."""
    text = (HERE / "schemathesis.toml").read_text()
    if people:
        entries = [
            {"name": name, "fixedHeaders": [{"name": "Authorization", "value": f"Bearer {token}"}]}
            for name, token in people.items()
        ]
        (directory / "people.json").write_text(json.dumps({"auth": entries}))
        text += f'\n[auth.wfc]\npath = "{directory / "people.json"}"\nuser = "{next(iter(people))}"\n'
    if len(people) > 1:
        text += f"peers = {json.dumps(list(people))}\n"
    path = directory / "schemathesis.toml"
    path.write_text(text)
    return path


def fuzz(lab, directory, role, people, known, seed):
    """One run as `role`. `people` are the signed-in ones by name: requests come from the first; where there are more,
    none may read what is another's."""
    report = directory / f"{role}.ndjson"
    command = [
        Path(sys.executable).with_name("st"), "--config-file", configuration(directory, people),
        "run", f"{lab.base}/api/v1/openapi.json", "--checks", "all", "--no-color",
        "--max-examples", os.environ.get("TINCTURE_FUZZ_EXAMPLES", "4"),
        "--seed", str(seed), "--report-ndjson-path", report,
    ]
    ran = subprocess.run(command, env=os.environ | known, cwd=directory, capture_output=True, text=True, timeout=LONGEST_RUN)
    if ran.returncode != 0:
        raise SystemExit(f"{ran.stdout}{ran.stderr}\nAs {role}. The lab's log:\n{lab.log.read_text()[-4000:]}")
    return report


def operations(lab):
    paths = lab.ask("/openapi.json")["paths"]
    return {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}


def for_operators(operation):
    method, path = operation.split()
    of_operators = (
        "/api/v1/lab/", "/api/v1/users", "/api/v1/activity", "/api/v1/service-tokens", "/api/v1/display",
        "/api/v1/invitations", "/api/v1/registrations",
    )
    return path.startswith(of_operators) or path == "/api/v1/robots/{id}/setup" or (
        method != "GET" and path.startswith("/api/v1/robots")
    ) or (
        method != "GET" and path.startswith("/api/v1/groups")
    )


def answers(report):
    """(operation, status) of each answer. What was sent with another method isn't the operation's."""
    for line in report.read_text().splitlines():
        recorder = json.loads(line).get("ScenarioFinished", {}).get("recorder", {})
        for case, interaction in recorder.get("interactions", {}).items():
            asked = recorder["cases"][case]["value"]
            if interaction["response"]:
                yield f"{asked['method']} {asked['path']}", interaction["response"]["status_code"]


def check_reach(where, report, expected):
    """Whoever may do something got as far as doing it (2xx, or 409 where it isn't the time), and nobody else did."""
    seen = list(answers(report))
    reached = {operation for operation, status in seen if 200 <= status < 300 or status == 409} - LIMITED
    print(f"{where}: {len(seen)} answers, {len(reached)} operations reached", flush=True)
    if missing := sorted(expected - reached):
        raise SystemExit(f"{where}: these were never reached, so nothing was tested there: {', '.join(missing)}")
    if beyond := sorted(reached - expected):
        raise SystemExit(f"{where}: these were reached, and must not be: {', '.join(beyond)}")


def furnish(lab, ada, ada_token, eve_token):
    """Something of each kind, for schemathesis.toml to name. Many wells don't end before they are told to."""
    done = lab.wait(lab.experiment(ada_token), "completed", ada_token)
    cancelled = lab.command(lab.experiment(ada_token, wells=12), "cancel", ada_token)
    paused = lab.command(lab.experiment(ada_token, wells=12), "pause", ada_token)
    group, request = lab.group("ada")
    return {
        "FUZZ_GROUP": group,
        "FUZZ_REQUEST": request,
        "FUZZ_DONE": done,
        "FUZZ_CANCELLED": lab.wait(cancelled, "cancelled", ada_token),
        "FUZZ_PAUSED": lab.wait(paused, "paused", ada_token),
        "FUZZ_FOREIGN": lab.experiment(eve_token),
        "FUZZ_ROBOT": lab.ask("/robots", token=ada_token)["data"][0]["name"],
        "FUZZ_USER": ada,
        "FUZZ_INVITATION": lab.ask("/invitations", {}, lab.administrator)["id"],
    }


def fuzz_lab(lab, directory, where, seed):
    (ada, ada_token), (_, eve_token) = lab.student("ada"), lab.student("eve")
    known = furnish(lab, ada, ada_token, eve_token)
    everything = operations(lab) - UNREACHABLE - LIMITED
    students = {operation for operation in everything if not for_operators(operation)}
    roles = [
        ("student", {"ada": ada_token, "eve": eve_token}, students),
        ("nobody", {}, {"POST /api/v1/auth/logout", "POST /api/v1/auth/passkey/options"}),
        ("administrator", {"administrator": lab.administrator}, everything),
    ]
    for role, people, expected in roles:
        if role == "administrator":
            # What administrators change takes a proof of the last minutes.
            people = {role: lab.sign_in(ADMINISTRATOR)}
        # A token of its own each time: who revokes it has none any more.
        service = {"service": "display", "name": "fuzzed"}
        known["FUZZ_SERVICE"] = lab.ask("/service-tokens", service, lab.administrator)["id"]
        known["FUZZ_SESSION"] = lab.session("ada@example.org")
        known["FUZZ_TOKEN"] = lab.api_token(next(iter(people.values()), ada_token))
        check_reach(f"{where}, {role}", fuzz(lab, directory, role, people, known, seed), expected)
        for token in people.values():
            lab.ask("/me", token=token)


@contextlib.contextmanager
def database_of_its_own(server):
    """The address of a new database there, which goes at the end."""
    name = f"tincture_fuzz_{secrets.token_hex(6)}"

    def tell(sql):
        subprocess.run(["psql", server, "-Atqc", sql], check=True, stdin=subprocess.DEVNULL, timeout=60)

    tell(f"CREATE DATABASE {name}")
    try:
        yield urllib.parse.urlsplit(server)._replace(path=f"/{name}").geturl()
    finally:
        tell(f"DROP DATABASE {name} WITH (FORCE)")


def fuzz_database(binary, name, database, seed):
    """What went wrong there, if anything did."""
    with tempfile.TemporaryDirectory(prefix="tincture-fuzz.") as directory, database as url:
        lab = FuzzedLab(binary, Path(directory), url)
        try:
            fuzz_lab(lab, Path(directory), name, seed)
        except SystemExit as failure:
            return f"On {name}, seed {seed}:\n{failure}"
        finally:
            lab.stop()
    return None


def fuzz_databases(binary, seed):
    print(f"Seed {seed}", flush=True)
    databases = {"SQLite": contextlib.nullcontext()}
    if server := os.environ.get("TINCTURE_TEST_POSTGRES"):
        databases["PostgreSQL"] = database_of_its_own(server)
    with ThreadPoolExecutor() as side_by_side:
        runs = [side_by_side.submit(fuzz_database, binary, name, database, seed) for name, database in databases.items()]
    if failures := [failure for run in runs if (failure := run.result())]:
        raise SystemExit("\n".join(failures) + f"\nAgain with TINCTURE_FUZZ_SEED={seed}.")


def main(binary):
    seed = os.environ.get("TINCTURE_FUZZ_SEED", "1")
    first = random.randrange(2**31) if seed == "random" else int(seed)
    for seed in range(first, first + int(os.environ.get("TINCTURE_FUZZ_ROUNDS", "1"))):
        fuzz_databases(binary, seed)


if __name__ == "__main__":
    main(*sys.argv[1:])
